"""A pytest plugin for the gate (`-p tests.support.gate`): a test of MUST_RUN that is skipped there has failed."""

from collections.abc import Generator

import pytest

MUST_RUN = ("chromium", "kafka", "e2e", "helm")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the skip of a test that must run into a failure."""
    report = yield
    if report.skipped and any(item.get_closest_marker(name) for name in MUST_RUN):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} must run in the gate, but was skipped: {report.longreprtext}"
    return report
