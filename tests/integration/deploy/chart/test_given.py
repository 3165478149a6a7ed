"""What the chart gives a process: variables and secrets, against the code that reads them."""

import itertools
import re
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from deploy.local.environment import PROCESSES, SERVICES
from deploy.postgres import provision
from services.portal.settings import load_portal_settings
from services.surveys.app import load_own_settings
from shared.settings import PORTS, load_kafka_settings, load_settings, read_environment
from tests.integration.deploy.chart.support import (
    KAFKA_LOGIN,
    KEY_PASSWORD,
    PEPPER,
    SECRETS,
    VALUES,
    of_kafka,
    secrets_of,
    unpacked,
    workloads,
)
from tests.support.helm import (
    CHART,
    RELEASE,
    Chart,
    Manifest,
    container_of,
    environment_of,
    files_of,
    named,
    pod_of,
    with_,
)
from tests.support.variables import read_by

pytestmark = [pytest.mark.helm, pytest.mark.slow]


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_is_given_only_what_it_reads(name: str, manifests: list[Manifest]) -> None:
    deployment = named(manifests, "Deployment")[name]
    readable = read_by(name)
    given = {each if each in readable else each.removesuffix("_FILE") for each in environment_of(deployment)}
    driver = set() if name == "portal" else {each for each in given if each.startswith("PGSSL")}

    assert given - readable == driver
    assert all(f'"{each}"' in driver_source() or f"'{each}'" in driver_source() for each in driver)


def driver_source() -> str:
    """How asyncpg finds its own settings."""
    return (Path(asyncpg.__file__).parent / "connect_utils.py").read_text()


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_starts_from_what_it_is_given(name: str, manifests: list[Manifest], tmp_path: Path) -> None:
    deployment = named(manifests, "Deployment")[name]
    environment = unpacked(deployment, manifests, tmp_path)
    settings = load_settings(name, environment)
    database = make_url(settings.database_url)

    assert (settings.host, settings.port) == ("0.0.0.0", PORTS[name])
    assert (database.username, database.password) == (provision.APP, SECRETS["hamkor_app"])
    assert (database.host, database.port, database.database) == ("postgres.data", 5432, name)
    assert settings.kafka_bootstrap_servers == VALUES["kafka"]["bootstrapServers"]
    assert not settings.kafka_embedded
    assert settings.kafka_security.protocol == environment["KAFKA_SECURITY_PROTOCOL"]
    assert {each: settings.urls[each] for each in SERVICES} == {
        each: f"http://{RELEASE}-{each}:{PORTS[each]}" for each in SERVICES
    }
    assert settings.urls["portal"] == VALUES["publicUrl"]
    assert settings.auth_jwks_url == VALUES["oidc"]["jwksUrl"]
    assert settings.service_client_secret == SECRETS["service_client"]
    if name == "surveys":
        assert load_own_settings(settings, read_environment(environment)).code_pepper == PEPPER


def test_whoever_speaks_to_kafka_finds_the_login_and_the_certificates_and_nobody_else(
    chart: Chart, full: list[Manifest], plain: list[Manifest], tmp_path: Path
) -> None:
    for name, each in workloads(full).items():
        environment = unpacked(each, full, tmp_path / name)
        if name not in (*SERVICES, "topics"):
            assert not any(variable.startswith("KAFKA") for variable in environment), name
            assert not any("kafka" in path for path in files_of(each, secrets_of(full))), name
            continue
        security = load_kafka_settings(environment).kafka_security
        assert (security.protocol, security.mechanism) == ("SASL_SSL", "SCRAM-SHA-256")
        assert (security.username, security.password) == (KAFKA_LOGIN["user"], KAFKA_LOGIN["word"])
        assert security.ca_file
        assert security.ca_file.read_text() == of_kafka()["kafka-authority"]["kafka.pem"]
        assert security.key_file
        assert security.key_password == KEY_PASSWORD
        assert not any(word in str(each) for word in (KAFKA_LOGIN["word"], KEY_PASSWORD)), "secrets come as files alone"

    for each in workloads(plain).values():
        assert not any("kafka" in path for path in files_of(each, secrets_of(plain)))
    by_secret = chart.render(with_(VALUES, kafka__security={"protocol": "SSL", "ca": {"secret": "kafka-authority"}}))
    given = files_of(named(by_secret, "Job")["topics"], {"kafka-authority": {"ca.crt": "a certificate"}})
    assert given == {"/run/secrets/kafka/ca.crt": "a certificate"}


def test_the_portal_starts_from_what_it_is_given(manifests: list[Manifest], tmp_path: Path) -> None:
    settings = load_portal_settings(unpacked(named(manifests, "Deployment")["portal"], manifests, tmp_path))

    assert (settings.host, settings.port, settings.url) == ("0.0.0.0", PORTS["portal"], VALUES["publicUrl"])
    assert not settings.embedded_issuer
    assert settings.auth_issuer == VALUES["oidc"]["issuer"]
    assert settings.client_secret == SECRETS["portal_client"]
    assert settings.session_secret == SECRETS["portal_session"]
    assert settings.secure


def test_no_variable_comes_twice_and_none_from_the_cluster(manifests: list[Manifest]) -> None:
    for name, each in workloads(manifests).items():
        variables = [variable["name"] for variable in container_of(each)["env"]]
        assert len(variables) == len(set(variables)), name
        # A Service of ours would come as PARTNERS_PORT=tcp://…, which our settings read.
        assert pod_of(each)["enableServiceLinks"] is False, name
        assert pod_of(each)["automountServiceAccountToken"] is False, name


def test_whoever_has_a_secret_of_their_own_needs_these_keys_and_the_chart_makes_none(chart: Chart) -> None:
    keys = dict.fromkeys(("service_client", "portal_client", "portal_session", "surveys_code_pepper"), "?")
    own = keys | {f"{name}_database_url": "?" for name in SERVICES}
    steps = dict.fromkeys(("postgres_admin", "hamkor_owner", "hamkor_app"), "?")
    steps |= {f"{name}_migration_url": "?" for name in SERVICES}
    apart = with_(VALUES, secrets={"existing": "ours", "existingForSteps": "the-dbas"})
    for values, known in (
        (apart, {"ours": own, "the-dbas": steps}),
        (with_(VALUES, secrets={"existing": "ours"}), {"ours": own | steps}),
    ):
        manifests = chart.render(values)
        mounted = [files_of(each, known) for each in workloads(manifests).values()]

        assert named(manifests, "Secret") == {}
        assert {Path(path).name for path in itertools.chain(*mounted)} == own.keys() | steps.keys()
    documented = (CHART / "values.yaml").read_text()
    said = {re.sub("^[a-z]+(?=_(database|migration)_url$)", "<service>", name) for name in own | steps}
    assert {name for name in said if name not in documented} == set()


def test_a_process_finds_no_other_s_secrets(plain: list[Manifest]) -> None:
    secrets = secrets_of(plain)
    for name, each in named(plain, "Deployment").items():
        named_files = {value for variable, value in environment_of(each).items() if variable.endswith("_FILE")}
        assert set(files_of(each, secrets)) == named_files, name
    assert not any("owner" in value for value in secrets[RELEASE].values())
