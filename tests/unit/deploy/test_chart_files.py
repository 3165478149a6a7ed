"""The chart's files against the rest of the project, as far as that needs no Helm."""

import json
import re
import tomllib
from typing import Any, get_args

import pytest
import yaml

from deploy.compose import secrets
from deploy.kafka import topics
from deploy.local.environment import PROCESSES, ROOT, SERVICES
from services.surveys.domain.campaigns import MAX_INTERVIEW_DAYS
from shared.messaging.security import Mechanism, Protocol
from shared.settings import KafkaSettings, Settings
from tests.support.helm import CHART


def read(name: str) -> Any:
    """A file of the chart; JSON is YAML too."""
    return yaml.safe_load((CHART / name).read_text())


def test_the_chart_is_of_the_version_of_the_project() -> None:
    chart, project = read("Chart.yaml"), tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert chart["appVersion"] == chart["version"] == project["version"]


@pytest.mark.parametrize(
    ("name", "original"),
    [("alerts.yml", "prometheus/alerts.yml"), ("operators.json", "grafana/dashboards/operators.json")],
)
def test_alerts_and_dashboard_are_no_copies(name: str, original: str) -> None:
    assert (CHART / "files" / name).resolve() == ROOT / "deploy" / original


def test_the_schema_knows_every_value_and_its_limits_are_those_of_the_settings() -> None:
    schema, values = read("values.schema.json")["properties"], read("values.yaml")
    services = schema["services"]["properties"]
    (k,) = [Settings.model_json_schema()["properties"]["privacy_k"]]

    assert schema.keys() - {"global"} == values.keys()
    assert services.keys() == values["services"].keys() == set(PROCESSES)
    assert services["surveys"]["properties"]["interviewDays"]["maximum"] == MAX_INTERVIEW_DAYS
    assert services["monitoring"]["allOf"][1]["properties"]["replicas"]["maximum"] == topics.PARTITIONS
    assert schema["kafka"]["properties"]["replication"]["minimum"] == topics.MIN_INSYNC
    assert values["kafka"]["replication"] == topics.REPLICATION
    security, fields = schema["kafka"]["properties"]["security"]["properties"], KafkaSettings.model_fields
    assert security["protocol"]["enum"] == list(get_args(Protocol))
    assert security["mechanism"]["enum"] == list(get_args(Mechanism))
    assert values["kafka"]["security"]["protocol"] == fields["kafka_security_protocol"].default
    assert {name: schema["privacyK"][name] for name in ("minimum", "maximum")} == {
        name: k[name] for name in ("minimum", "maximum")
    }


def test_the_secrets_have_the_names_they_have_in_compose() -> None:
    known = {*secrets.PASSWORDS, *(f"{name}_{kind}" for name in SERVICES for kind in secrets.ROLES)}
    schema = read("values.schema.json")["properties"]["secrets"]["properties"]

    assert schema["values"]["properties"].keys() - known == set()


def test_where_the_image_lies_has_no_default() -> None:
    assert read("values.yaml")["image"]["repository"] == ""


def test_the_user_is_the_image_s() -> None:
    image = (ROOT / "deploy" / "images" / "Dockerfile").read_text()
    user = re.search(r"^USER (\d+):(\d+)$", image, flags=re.MULTILINE)
    given = read("values.yaml")["podSecurityContext"]

    assert user
    assert (given["runAsUser"], given["runAsGroup"]) == (int(user[1]), int(user[2]))
    assert json.loads(re.search(r"^ENTRYPOINT (.*)$", image, flags=re.MULTILINE)[1]) == ["python", "-m"]  # type: ignore[index]
