"""Settings come from the environment, at the composition root only; a wrong one stops the start in one sentence."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from shared.contracts.events import SERVICES

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


PostgresUrl = Annotated[str, AfterValidator(_postgres_url)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
Brokers = Annotated[str, AfterValidator(_brokers)]


class Settings(BaseModel):
    """What one service process needs to know. The comment behind a field is its environment variable."""

    model_config = ConfigDict(frozen=True)

    service: str
    host: str = "127.0.0.1"  # <SERVICE>_HOST
    port: int = Field(ge=1, le=65535)  # <SERVICE>_PORT
    database_url: PostgresUrl  # <SERVICE>_DATABASE_URL
    database_pool: int = Field(10, ge=2, le=200)  # <SERVICE>_DATABASE_POOL
    kafka_bootstrap_servers: Brokers  # KAFKA_BOOTSTRAP_SERVERS
    kafka_embedded: bool = False  # KAFKA_EMBEDDED
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
    "kafka_bootstrap_servers",
    "kafka_embedded",
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
        first = problem.errors()[0]
        place = first["loc"]
        name = f"{str(place[1]).upper()}_URL" if place[0] == "urls" else variable_of(service, str(place[0]))
        if first["type"] == "missing":
            raise WrongSettings(f"{name} is not set: {_expected(str(place[0]))}.") from None
        shown = "its value" if "SECRET" in name or "DATABASE" in name else repr(first["input"])
        reason = first["msg"].removeprefix("Value error, ")
        raise WrongSettings(f"{name} is wrong: {shown} does not do; {reason}.") from None


def _expected(setting: str) -> str:
    return {
        "database_url": "expected postgresql+asyncpg://user:password@host:port/database",
        "kafka_bootstrap_servers": "expected host:port[,host:port…], the Kafka brokers",
        "service_client_secret": "expected a secret of 16 characters or more that the token issuer knows",
    }.get(setting, "expected a value")
