"""The chart with its Helm, and what it makes."""

import pytest

from tests.integration.deploy.chart.support import EVERYTHING, VALUES
from tests.support.helm import Chart, Manifest, NoHelm, helm


@pytest.fixture(scope="session")
def chart() -> Chart:
    """The chart with a Helm; without one the test is skipped, which fails it in the gate."""
    try:
        return Chart(helm())
    except NoHelm as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def plain(chart: Chart) -> list[Manifest]:
    """What the required values alone make."""
    return chart.render(VALUES)


@pytest.fixture(scope="session")
def full(chart: Chart) -> list[Manifest]:
    """What everything that can be switched on makes."""
    return chart.render(EVERYTHING)


@pytest.fixture(params=["plain", "full"])
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    """Both of them."""
    made: list[Manifest] = request.getfixturevalue(request.param)
    return made
