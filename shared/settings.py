"""Settings come from the environment, at the composition root only; a wrong one stops the start in one sentence."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from shared.contracts.events import SERVICES
from shared.messaging.security import KafkaSecurity, Mechanism, Protocol, problems_of

PORTS = {"portal": 8100, "partners": 8101, "agreements": 8102, "surveys": 8103, "monitoring": 8104}


class WrongSettings(SystemExit):
    """Stops the process with one sentence that names the variable and what is expected."""


def _postgres_url(value: str) -> str:
    if not value.startswith("postgresql+asyncpg://"):
        raise ValueError("expected postgresql+asyncpg://user:password@host:port/database")
    return value


def _http_url(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("expected http://host:port or https://host")
    return value.rstrip("/")


def _brokers(value: str) -> str:
    if value.startswith("file:/"):
        return value
    for part in value.split(","):
        host, _, port = part.strip().rpartition(":")
        if not host or not port.isdigit():
            raise ValueError("expected host:port[,host:port…] or file:/path/of/address")
    return value


def _told(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret is not None else None


PostgresUrl = Annotated[str, AfterValidator(_postgres_url)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
Brokers = Annotated[str, AfterValidator(_brokers)]


class KafkaSettings(BaseModel):
    """Where Kafka is and how it is spoken to. The comment behind a field is its environment variable."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    kafka_bootstrap_servers: Brokers  # KAFKA_BOOTSTRAP_SERVERS
    kafka_embedded: bool = False  # KAFKA_EMBEDDED
    kafka_security_protocol: Protocol = "PLAINTEXT"  # KAFKA_SECURITY_PROTOCOL
    kafka_sasl_mechanism: Mechanism | None = None  # KAFKA_SASL_MECHANISM
    kafka_sasl_username: str | None = None  # KAFKA_SASL_USERNAME
    kafka_sasl_password: SecretStr | None = None  # KAFKA_SASL_PASSWORD
    kafka_ca_file: Path | None = None  # KAFKA_CA_FILE: PEM; without it the system's authorities are trusted
    kafka_certificate_file: Path | None = None  # KAFKA_CERTIFICATE_FILE: PEM, where brokers ask for the client's
    kafka_key_file: Path | None = None  # KAFKA_KEY_FILE: PEM
    kafka_key_password: SecretStr | None = None  # KAFKA_KEY_PASSWORD

    @property
    def kafka_security(self) -> KafkaSecurity:
        """How Kafka's clients are to connect."""
        return KafkaSecurity(
            protocol=self.kafka_security_protocol,
            mechanism=self.kafka_sasl_mechanism,
            username=self.kafka_sasl_username,
            password=_told(self.kafka_sasl_password),
            ca_file=self.kafka_ca_file,
            certificate_file=self.kafka_certificate_file,
            key_file=self.kafka_key_file,
            key_password=_told(self.kafka_key_password),
        )

    @model_validator(mode="after")
    def _one_way_to_connect(self) -> Self:
        if self.kafka_embedded and self.kafka_security_protocol != "PLAINTEXT":
            raise ValueError(
                f"KAFKA_SECURITY_PROTOCOL is {self.kafka_security_protocol}, but the embedded broker (KAFKA_EMBEDDED) "
                "knows PLAINTEXT alone"
            )
        for problem in problems_of(self.kafka_security):
            raise ValueError(problem)
        return self


class Settings(KafkaSettings):
    """What one service process needs to know. The comment behind a field is its environment variable."""

    service: str
    host: str = "127.0.0.1"  # <SERVICE>_HOST
    port: int = Field(ge=1, le=65535)  # <SERVICE>_PORT
    database_url: PostgresUrl  # <SERVICE>_DATABASE_URL
    database_pool: int = Field(10, ge=2, le=200)  # <SERVICE>_DATABASE_POOL
    auth_issuer: HttpUrl  # AUTH_ISSUER
    auth_jwks_url: HttpUrl  # AUTH_JWKS_URL
    auth_token_url: HttpUrl  # AUTH_TOKEN_URL
    auth_audience: str = "hamkor"  # AUTH_AUDIENCE
    service_client_id: str = "hamkor-services"  # SERVICE_CLIENT_ID
    service_client_secret: str = Field(min_length=16)  # SERVICE_CLIENT_SECRET
    urls: dict[str, HttpUrl]  # PARTNERS_URL, AGREEMENTS_URL, SURVEYS_URL, MONITORING_URL, PORTAL_URL
    webhooks_loopback: bool = False  # <SERVICE>_WEBHOOKS_LOOPBACK: http and this machine, for development and tests
    privacy_k: int = Field(10, ge=2, le=1000)  # PRIVACY_K
    log_level: Literal["debug", "info", "warning", "error"] = "info"  # LOG_LEVEL
    log_format: Literal["json", "console"] = "json"  # LOG_FORMAT


COMMON = (
    *KafkaSettings.model_fields,
    "auth_issuer",
    "auth_jwks_url",
    "auth_token_url",
    "auth_audience",
    "service_client_id",
    "service_client_secret",
    "privacy_k",
    "log_level",
    "log_format",
)
OWN = ("host", "port", "database_url", "database_pool", "webhooks_loopback")


def variable_of(service: str, setting: str) -> str:
    """The environment variable of a setting of `service`."""
    return setting.upper() if setting in COMMON else f"{service}_{setting}".upper()


def read_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment with every X_FILE=path read into X, so that secrets may come as files."""
    values = {name: value for name, value in environment.items() if value != ""}
    for name, path in list(values.items()):
        if name.endswith("_FILE") and name.removesuffix("_FILE") not in values:
            try:
                values[name.removesuffix("_FILE")] = Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as problem:
                if name in SECRET_FILES:
                    reason = problem.strerror if isinstance(problem, OSError) else "it is not text in UTF-8"
                    raise WrongSettings(f"{name} names the file {path}, which cannot be read: {reason}.") from None
    return values


SECRET_FILES = frozenset(
    {"SERVICE_CLIENT_SECRET_FILE", "PORTAL_SESSION_SECRET_FILE", "PORTAL_CLIENT_SECRET_FILE"}
    | {"KAFKA_SASL_USERNAME_FILE", "KAFKA_SASL_PASSWORD_FILE", "KAFKA_KEY_PASSWORD_FILE"}
    | {f"{service.upper()}_{kind}_URL_FILE" for service in SERVICES for kind in ("DATABASE", "MIGRATION")}
)


def base_url(values: Mapping[str, str], service: str) -> str:
    """How others reach a service: <SERVICE>_URL or its default address."""
    port = values.get(f"{service.upper()}_PORT", str(PORTS[service]))
    return values.get(f"{service.upper()}_URL", f"http://127.0.0.1:{port}")


def load_settings(service: str, environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of a service process; raises WrongSettings with one sentence on the first thing that is wrong."""
    values = read_environment(environment)
    issuer = values.get("AUTH_ISSUER", base_url(values, "portal") + "/oidc")
    given: dict[str, Any] = {
        "service": service,
        "port": PORTS[service],
        "urls": {name: base_url(values, name) for name in PORTS},
        "auth_issuer": issuer,
        "auth_jwks_url": issuer + "/jwks",
        "auth_token_url": issuer + "/token",
    }
    for setting in (*COMMON, *OWN):
        value = values.get(variable_of(service, setting))
        if value is not None:
            given[setting] = value
    try:
        return Settings.model_validate(given)
    except ValidationError as problem:
        raise _named(problem, service) from None


def load_kafka_settings(environment: Mapping[str, str] = os.environ) -> KafkaSettings:
    """How Kafka is reached, for who is no service; raises WrongSettings as `load_settings`."""
    values = read_environment(environment)
    given = {name: values[name.upper()] for name in KafkaSettings.model_fields if name.upper() in values}
    try:
        return KafkaSettings.model_validate(given)
    except ValidationError as problem:
        raise _named(problem) from None


def _named(problem: ValidationError, service: str = "") -> WrongSettings:
    """The first thing that is wrong, in a sentence that names its variable."""
    first = problem.errors()[0]
    place = first["loc"]
    reason = first["msg"].removeprefix("Value error, ")
    if not place:  # settings that do not go together: the reason names them
        return WrongSettings(f"{reason}.")
    name = f"{str(place[1]).upper()}_URL" if place[0] == "urls" else variable_of(service, str(place[0]))
    if first["type"] == "missing":
        return WrongSettings(f"{name} is not set: {_expected(str(place[0]))}.")
    hidden = any(word in name for word in ("SECRET", "PASSWORD", "DATABASE"))
    shown = "its value" if hidden else repr(first["input"])
    return WrongSettings(f"{name} is wrong: {shown} does not do; {reason}.")


def _expected(setting: str) -> str:
    return {
        "database_url": "expected postgresql+asyncpg://user:password@host:port/database",
        "kafka_bootstrap_servers": "expected host:port[,host:port…], the Kafka brokers",
        "service_client_secret": "expected a secret of 16 characters or more that the token issuer knows",
    }.get(setting, "expected a value")
