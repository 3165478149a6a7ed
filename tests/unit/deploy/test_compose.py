"""docker-compose.yml, Prometheus, Grafana and the realm against the code: what one names, the other must have."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

import shared.telemetry.metrics  # noqa: F401 - declares the metrics
from deploy.compose import secrets
from deploy.kafka import topics
from deploy.kafka.cluster import PROPERTIES
from deploy.local.environment import PROCESSES, SERVICES
from deploy.local.ports import PREFERRED
from deploy.postgres import provision
from services.portal.settings import load_portal_settings
from shared.contracts.topics import TOPICS
from shared.scope import Role
from shared.settings import COMMON, PORTS, load_settings, variable_of
from tests.support.variables import read_by

ROOT = Path(__file__).parents[3]
METRIC = re.compile(r"\b(hamkor_[a-z_]+|process_[a-z_]+)\b")
IDP = ROOT / "deploy" / "idp" / "realm.json"


@cache
def compose() -> dict[str, Any]:
    """The compose file, merges resolved."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return content


def service(name: str) -> dict[str, Any]:
    """One service of the compose file."""
    found: dict[str, Any] = compose()["services"][name]
    return found


@pytest.fixture(scope="module")
def made_secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The secret files as `make compose` makes them."""
    place = tmp_path_factory.mktemp("secrets") / "secrets"
    secrets.ensure(place)
    return place


def environment(name: str, made: Path) -> dict[str, str]:
    """What a process in its container would read, secret files included."""
    return {
        variable: str(value).replace("/run/secrets/", f"{made}/")
        for variable, value in service(name)["environment"].items()
    }


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_starts_from_what_compose_gives_it(name: str, made_secrets: Path) -> None:
    settings = load_settings(name, environment(name, made_secrets))

    assert settings.port == PORTS[name]
    assert settings.host == "0.0.0.0"
    assert settings.database_url.endswith(f"@postgres:5432/{name}")
    assert settings.database_url.startswith(f"postgresql+asyncpg://{provision.APP}:")
    assert not settings.kafka_embedded
    assert {settings.urls[each] for each in SERVICES} == {f"http://{each}:{PORTS[each]}" for each in SERVICES}


def test_the_portal_starts_from_what_compose_gives_it(made_secrets: Path) -> None:
    settings = load_portal_settings(environment("portal", made_secrets))

    assert settings.port == PORTS["portal"]
    assert not settings.embedded_issuer
    assert f"127.0.0.1:{PORTS['portal']}:{PORTS['portal']}" in service("portal")["ports"]
    assert settings.auth_discovery_url is not None


@pytest.mark.parametrize("name", PROCESSES)
def test_compose_sets_no_variable_that_nobody_reads(name: str) -> None:
    # What is common stands once in the file, for the portal too.
    readable = read_by(name) | {variable_of(name, setting) for setting in COMMON}
    given = {variable.removesuffix("_FILE") for variable in service(name)["environment"]}

    assert given - readable == set()


def test_the_local_stack_and_the_settings_agree_on_ports() -> None:
    assert dict(PREFERRED) == PORTS


@pytest.mark.parametrize("name", PROCESSES)
def test_each_process_is_asked_for_its_health_on_its_own_port(name: str) -> None:
    assert service(name)["command"] == ["shared.web.serve", name]
    assert service(name)["healthcheck"]["test"] == ["CMD", "python", "-m", "deploy.images.healthy", str(PORTS[name])]


def test_everything_is_limited_and_everything_that_stays_is_asked_for_its_health() -> None:
    steps = {name for name, each in compose()["services"].items() if each.get("restart") == "no"}

    for name, each in compose()["services"].items():
        assert each["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}, name
        assert ("healthcheck" in each) == (name not in steps), name


def test_start_order_waits_for_readiness_and_finished_steps() -> None:
    services = compose()["services"]

    for name, each in services.items():
        for other, condition in each.get("depends_on", {}).items():
            ends = services[other].get("restart") == "no"
            wanted = "service_completed_successfully" if ends else "service_healthy"
            assert condition == {"condition": wanted}, f"{name} → {other}"
    for name in SERVICES:
        assert {"migrations", "topics"} <= services[name]["depends_on"].keys()


def test_every_secret_is_declared_made_and_mounted_where_it_is_read(made_secrets: Path) -> None:
    declared = compose()["secrets"]
    assert {name: Path(each["file"]).name for name, each in declared.items()} == {name: name for name in declared}
    assert {file.name for file in made_secrets.iterdir()} == declared.keys()

    for name, each in compose()["services"].items():
        read = set(re.findall(r"/run/secrets/(\w+)", json.dumps(each)))
        assert read == set(each.get("secrets", [])), name


def test_secrets_that_are_there_stay(made_secrets: Path) -> None:
    before = {file.name: file.read_text() for file in made_secrets.iterdir()}

    assert secrets.ensure(made_secrets) == []
    assert {file.name: file.read_text() for file in made_secrets.iterdir()} == before


def test_topics_are_those_of_the_contracts() -> None:
    assert [topic.topic for topic in topics.topics()] == list(TOPICS)
    assert {topic.replication_factor for topic in topics.topics()} == {topics.REPLICATION}


def test_brokers_in_containers_and_without_have_the_same_rules() -> None:
    local = {"node": 1, "voters": "", "host": "", "port": 1, "controller_port": 2, "data": "", "replication": 3}
    lines = PROPERTIES.format(**local, min_insync=topics.MIN_INSYNC).splitlines()
    properties = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    in_container = service("kafka-1")["environment"]

    for setting in (
        "auto.create.topics.enable", "num.partitions", "default.replication.factor", "min.insync.replicas",
        "offsets.topic.replication.factor", "transaction.state.log.min.isr", "group.initial.rebalance.delay.ms",
    ):  # fmt: skip
        assert str(in_container[f"KAFKA_{setting.upper().replace('.', '_')}"]) == properties[setting], setting
    assert {service(f"kafka-{node}")["environment"]["KAFKA_NODE_ID"] for node in (1, 2, 3)} == {1, 2, 3}


def test_databases_are_provisioned_and_migrated_for_every_service() -> None:
    assert provision.DATABASES == SERVICES == secrets.DATABASES
    assert service("migrations")["command"] == ["shared.persistence.migrate", *SERVICES]
    assert set(secrets.ROLES.values()) == {provision.APP, provision.OWNER}


def test_the_image_contains_every_module_that_compose_runs() -> None:
    modules = [each["command"][0] for each in compose()["services"].values() if each["image"] == "hamkor:local"]

    for module in modules:
        assert (ROOT / Path(*module.split("."))).with_suffix(".py").exists(), module


# -- what operators watch


def existing_metrics() -> set[str]:
    """The name of every sample that a process can expose."""
    names = set()
    for family in REGISTRY.collect():
        names |= {family.name, *(sample.name for sample in family.samples)}
        if family.type == "histogram":
            names |= {f"{family.name}{suffix}" for suffix in ("_bucket", "_count", "_sum")}
        if family.type == "counter":
            names.add(f"{family.name}_total")
    return names


def alert_expressions() -> dict[str, str]:
    """Every alert's expression."""
    groups = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())["groups"]
    return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}


def panel_expressions() -> dict[str, str]:
    """Every expression of the operators' dashboard, under its panel's title."""
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "dashboards" / "operators.json").read_text())
    return {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in dashboard["panels"]
        for target in panel["targets"]
    }


@pytest.mark.parametrize("expressions", [alert_expressions, panel_expressions])
def test_alerts_and_panels_use_only_metrics_that_exist(expressions: Any) -> None:
    existing = existing_metrics()

    for title, expression in expressions().items():
        named = set(METRIC.findall(expression))
        assert named or "up{" in expression, title
        assert named - existing == set(), title


def test_alerts_and_panels_group_only_by_labels_that_the_metrics_have() -> None:
    labels = {
        name: set(getattr(metric, "_labelnames"))  # noqa: B009 - private, and the only place that knows
        for name, metric in REGISTRY._names_to_collectors.items()
        if hasattr(metric, "_labelnames")
    }
    for title, expression in (alert_expressions() | panel_expressions()).items():
        for grouping, metric in re.findall(r"by \(([^)]*)\) \(\w*\(?(hamkor_[a-z_]+)", expression):
            wanted = {label.strip() for label in grouping.split(",")} - {"le"}
            assert wanted <= labels[metric], title


def test_every_declared_metric_is_watched() -> None:
    watched = set(METRIC.findall(" ".join((alert_expressions() | panel_expressions()).values())))
    declared = {name for name in existing_metrics() if name.startswith("hamkor_")}
    families = {re.sub(r"_(total|bucket|count|sum|created)$", "", name) for name in declared}

    assert {name for name in families if not any(each.startswith(name) for each in watched)} == set()


def test_alerts_say_what_is_wrong_and_what_to_do() -> None:
    groups = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())["groups"]

    for rule in (rule for group in groups for rule in group["rules"]):
        assert rule["annotations"].keys() == {"summary", "remedy"}, rule["alert"]
        assert rule["labels"]["severity"] in ("warning", "critical"), rule["alert"]


def test_prometheus_asks_every_process() -> None:
    config = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    asked = next(job for job in config["scrape_configs"] if job["job_name"] == "hamkor")["static_configs"][0]["targets"]

    portal = int(service("portal")["environment"]["PORTAL_METRICS_PORT"])
    assert set(asked) == {f"{name}:{port}" for name, port in (PORTS | {"portal": portal}).items()}
    assert all(str(portal) not in published for published in service("portal")["ports"])


# -- who is who


def realm() -> dict[str, Any]:
    """The realm that Keycloak imports."""
    content: dict[str, Any] = json.loads(IDP.read_text())
    return content


def test_the_realm_knows_every_role_and_the_clients_that_compose_names() -> None:
    assert {role["name"] for role in realm()["roles"]["realm"]} == {role.value for role in Role}
    portal = service("portal")["environment"]
    assert {client["clientId"] for client in realm()["clients"]} == {
        portal["PORTAL_CLIENT_ID"],
        portal["SERVICE_CLIENT_ID"],
    }
    assert portal["AUTH_ISSUER"].endswith(f"/realms/{realm()['realm']}")


def test_tokens_of_the_realm_carry_role_organisation_and_audience() -> None:
    clients = {client["clientId"]: client for client in realm()["clients"]}
    mappers = {name: {m["name"]: m["config"] for m in client["protocolMappers"]} for name, client in clients.items()}

    assert mappers["hamkor-portal"]["role"]["claim.name"] == "role"
    assert mappers["hamkor-portal"]["org"]["claim.name"] == "org"
    assert mappers["hamkor-services"]["role"]["claim.value"] == Role.SERVICE
    assert {each["audience"]["included.custom.audience"] for each in mappers.values()} == {"hamkor"}


def test_the_realm_contains_no_secret_in_the_clear() -> None:
    clear = [client["secret"] for client in realm()["clients"]]
    clear += [credential["value"] for user in realm()["users"] for credential in user["credentials"]]
    exported = set(re.findall(r"export (\w+)=", json.dumps(service("keycloak")["entrypoint"])))

    assert all(re.fullmatch(r"\$\{\w+\}", value) for value in clear)
    assert {value[2:-1] for value in clear} <= exported
