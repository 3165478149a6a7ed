"""How Kafka is connected to: what the settings must say, in one sentence where they do not, and what clients get."""

import ssl
from pathlib import Path

import pytest
from aiokafka.conn import AIOKafkaConnection
from confluent_kafka.admin import AdminClient
from faststream.kafka.security import parse_security

from shared.messaging.kafka import KafkaAddress
from shared.messaging.security import KafkaSecurity, Mechanism, Protocol
from shared.settings import WrongSettings, load_kafka_settings, load_settings
from tests.support.certificates import Authority

PASSWORD = "top-secret word"
SERVERS = {"KAFKA_BOOTSTRAP_SERVERS": "a:9092,b:9092"}
LOGIN = {
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "KAFKA_SASL_USERNAME": "hamkor",
    "KAFKA_SASL_PASSWORD": PASSWORD,
}


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of a client with a certificate."""
    authority = Authority(tmp_path_factory.mktemp("certificates"))
    own = authority.sign("client", PASSWORD)
    return {
        "KAFKA_SECURITY_PROTOCOL": "SSL",
        "KAFKA_CA_FILE": str(authority.file),
        "KAFKA_CERTIFICATE_FILE": str(own.certificate),
        "KAFKA_KEY_FILE": str(own.key),
        "KAFKA_KEY_PASSWORD": PASSWORD,
    }


def refused(environment: dict[str, str]) -> str:
    """The sentence on what is wrong."""
    with pytest.raises(WrongSettings) as caught:
        load_kafka_settings(SERVERS | environment)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert PASSWORD not in sentence
    return sentence


def test_without_a_word_kafka_is_spoken_to_in_the_clear() -> None:
    assert load_kafka_settings(SERVERS).kafka_security == KafkaSecurity()


@pytest.mark.parametrize("variable", ["KAFKA_SASL_MECHANISM", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"])
@pytest.mark.parametrize("protocol", ["SASL_SSL", "SASL_PLAINTEXT"])
def test_a_login_is_whole(protocol: str, variable: str) -> None:
    said = refused(LOGIN | {"KAFKA_SECURITY_PROTOCOL": protocol, variable: ""})

    assert said == f"{variable} is not set: KAFKA_SECURITY_PROTOCOL={protocol} needs it."


@pytest.mark.parametrize("protocol", ["", "SSL"])
def test_a_login_is_not_forgotten_in_silence(protocol: str) -> None:
    assert refused(LOGIN | {"KAFKA_SECURITY_PROTOCOL": protocol}).startswith("KAFKA_SASL_MECHANISM is set, but ")


def test_files_are_there_and_are_what_they_are_said_to_be(certified: dict[str, str], tmp_path: Path) -> None:
    nothing, empty = tmp_path / "nothing", tmp_path / "empty"
    empty.write_text("")
    other = Authority(tmp_path).sign("other")
    for changes, said in (
        ({"KAFKA_SECURITY_PROTOCOL": "PLAINTEXT"}, "KAFKA_CA_FILE is set, but"),
        ({"KAFKA_CA_FILE": str(nothing)}, f"KAFKA_CA_FILE names the file {nothing}, which cannot be read: No such"),
        ({"KAFKA_CA_FILE": str(tmp_path)}, f"KAFKA_CA_FILE names the file {tmp_path}, which cannot be read: Is a"),
        ({"KAFKA_CA_FILE": str(empty)}, f"KAFKA_CA_FILE names the file {empty}, which holds no certificate"),
        ({"KAFKA_CERTIFICATE_FILE": ""}, "KAFKA_CERTIFICATE_FILE is not set"),
        ({"KAFKA_KEY_FILE": ""}, "KAFKA_KEY_FILE is not set"),
        ({"KAFKA_KEY_FILE": str(other.key)}, f"KAFKA_KEY_FILE names the file {other.key}, which is not the key"),
        ({"KAFKA_KEY_PASSWORD": ""}, "KAFKA_KEY_FILE names the file"),
        ({"KAFKA_KEY_PASSWORD": "wrong"}, "KAFKA_KEY_FILE names the file"),
        ({"KAFKA_KEY_FILE": "", "KAFKA_CERTIFICATE_FILE": ""}, "KAFKA_KEY_PASSWORD is set, but"),
    ):
        assert refused(certified | changes).startswith(said)
    assert load_kafka_settings(SERVERS | certified).kafka_security.ssl_context()


def test_the_embedded_broker_knows_no_security() -> None:
    assert refused(LOGIN | {"KAFKA_EMBEDDED": "true"}).startswith("KAFKA_SECURITY_PROTOCOL is SASL_SSL, but")


def test_the_login_comes_from_files(tmp_path: Path) -> None:
    environment = SERVERS | {name: LOGIN[name] for name in ("KAFKA_SECURITY_PROTOCOL", "KAFKA_SASL_MECHANISM")}
    for name in ("KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"):
        (tmp_path / name).write_text(f"{LOGIN[name]}\n")
        environment[f"{name}_FILE"] = str(tmp_path / name)

    assert load_kafka_settings(environment).kafka_security == load_kafka_settings(SERVERS | LOGIN).kafka_security
    (tmp_path / "KAFKA_SASL_PASSWORD").unlink()
    with pytest.raises(WrongSettings, match=r"^KAFKA_SASL_PASSWORD_FILE names the file .*, which cannot be read"):
        load_kafka_settings(environment)


def test_a_service_has_the_same_settings(certified: dict[str, str]) -> None:
    given = SERVERS | certified | LOGIN
    own = {
        "PARTNERS_DATABASE_URL": "postgresql+asyncpg://u:p@h/d",
        "SERVICE_CLIENT_SECRET": "sixteen-characters",
    }

    assert load_settings("partners", given | own).kafka_security == load_kafka_settings(given).kafka_security


def test_no_password_is_in_what_is_shown(certified: dict[str, str]) -> None:
    settings = load_kafka_settings(SERVERS | certified | LOGIN)
    address = KafkaAddress(settings.kafka_bootstrap_servers, security=settings.kafka_security)

    assert settings.kafka_security.password == settings.kafka_security.key_password == PASSWORD
    for shown in (repr(settings), str(settings), settings.model_dump_json(), repr(address), f"{address}"):
        assert PASSWORD not in shown


PROTOCOLS: tuple[Protocol, ...] = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS: tuple[Mechanism, ...] = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_all_kinds_of_clients_are_told_the_same(
    protocol: Protocol, mechanism: Mechanism, certified: dict[str, str]
) -> None:
    sasl, tls = protocol.startswith("SASL"), protocol.endswith("SSL")
    given = {name: value for name, value in LOGIN.items() if sasl} | (certified if tls else {})
    given |= {"KAFKA_SECURITY_PROTOCOL": protocol} | ({"KAFKA_SASL_MECHANISM": mechanism} if sasl else {})
    security = load_kafka_settings(SERVERS | given).kafka_security
    plain, context = security.for_aiokafka(), security.ssl_context()
    by_faststream, librdkafka = parse_security(security.for_faststream()), security.for_librdkafka()

    assert isinstance(plain.pop("ssl_context"), ssl.SSLContext) == tls
    assert isinstance(by_faststream.pop("ssl_context"), ssl.SSLContext) == tls
    assert by_faststream == plain
    assert context is None or (context.check_hostname and context.verify_mode is ssl.CERT_REQUIRED)
    login = {"sasl_mechanism": mechanism, "sasl_plain_username": "hamkor", "sasl_plain_password": PASSWORD}
    assert plain == {"security_protocol": protocol, **(login if sasl else {})}
    assert librdkafka["security.protocol"] == protocol
    assert {librdkafka.get(f"sasl.{name}") for name in ("mechanism", "username", "password")} == (
        {mechanism, "hamkor", PASSWORD} if sasl else {None}
    )
    assert librdkafka.get("ssl.ca.location") == (certified["KAFKA_CA_FILE"] if tls else None)
    # Names and values are those that the clients know.
    AIOKafkaConnection("a", 1, **security.for_aiokafka())
    AdminClient({"bootstrap.servers": "127.0.0.1:1", "log_level": 0, **librdkafka})
