"""What the portal process needs to know, read from the environment at the composition root."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.settings import PORTS, HttpUrl, WrongSettings, base_url, read_environment

PROXIED = ("partners", "agreements", "surveys", "monitoring")
"""The services behind `/api/<service>/v1`."""


class PortalSettings(BaseModel):
    """Settings of the portal. The comment behind a field is its environment variable."""

    model_config = ConfigDict(frozen=True)

    host: str = "127.0.0.1"  # PORTAL_HOST
    port: int = Field(PORTS["portal"], ge=1, le=65535)  # PORTAL_PORT
    metrics_port: int | None = Field(None, ge=1, le=65535)  # PORTAL_METRICS_PORT: its own port is the public's
    urls: dict[str, HttpUrl]  # PORTAL_URL, PARTNERS_URL, AGREEMENTS_URL, SURVEYS_URL, MONITORING_URL
    auth_issuer: HttpUrl  # AUTH_ISSUER
    auth_discovery_url: HttpUrl | None = None  # AUTH_DISCOVERY_URL: where AUTH_ISSUER's document is read from in here
    auth_token_url: HttpUrl | None = None  # AUTH_TOKEN_URL
    auth_jwks_url: HttpUrl | None = None  # AUTH_JWKS_URL
    auth_audience: str = "hamkor"  # AUTH_AUDIENCE
    client_id: str = "hamkor-portal"  # PORTAL_CLIENT_ID
    client_secret: str | None = None  # PORTAL_CLIENT_SECRET
    session_secret: str = Field(min_length=16)  # PORTAL_SESSION_SECRET
    service_client_id: str = "hamkor-services"  # SERVICE_CLIENT_ID
    service_client_secret: str = Field(min_length=16)  # SERVICE_CLIENT_SECRET
    embedded_issuer: bool = False  # PORTAL_EMBEDDED_ISSUER
    issuer_key_file: Path = Path(".hamkor/issuer.pem")  # PORTAL_ISSUER_KEY_FILE
    demo_password: str = "hamkor"  # PORTAL_DEMO_PASSWORD
    log_level: Literal["debug", "info", "warning", "error"] = "info"  # LOG_LEVEL
    log_format: Literal["json", "console"] = "json"  # LOG_FORMAT

    @property
    def url(self) -> str:
        """The portal's public address, without a slash at the end."""
        return self.urls["portal"]

    @property
    def origin(self) -> str:
        """Scheme, host and port of the public address."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def secure(self) -> bool:
        """True where browsers reach the portal over TLS, so that cookies may be limited to it."""
        return self.url.startswith("https://")


VARIABLES = {
    "host": "PORTAL_HOST",
    "port": "PORTAL_PORT",
    "metrics_port": "PORTAL_METRICS_PORT",
    "auth_issuer": "AUTH_ISSUER",
    "auth_discovery_url": "AUTH_DISCOVERY_URL",
    "auth_token_url": "AUTH_TOKEN_URL",
    "auth_jwks_url": "AUTH_JWKS_URL",
    "auth_audience": "AUTH_AUDIENCE",
    "client_id": "PORTAL_CLIENT_ID",
    "client_secret": "PORTAL_CLIENT_SECRET",
    "session_secret": "PORTAL_SESSION_SECRET",
    "service_client_id": "SERVICE_CLIENT_ID",
    "service_client_secret": "SERVICE_CLIENT_SECRET",
    "embedded_issuer": "PORTAL_EMBEDDED_ISSUER",
    "issuer_key_file": "PORTAL_ISSUER_KEY_FILE",
    "demo_password": "PORTAL_DEMO_PASSWORD",
    "log_level": "LOG_LEVEL",
    "log_format": "LOG_FORMAT",
}
"""Setting → environment variable."""

EXPECTED = {
    "session_secret": "a random secret of 16 characters or more, kept over restarts",
    "service_client_secret": "a secret of 16 characters or more that the token issuer knows",
}


def load_portal_settings(environment: Mapping[str, str] = os.environ) -> PortalSettings:
    """The portal's settings; raises WrongSettings with one sentence on the first thing that is wrong."""
    values = read_environment(environment)
    urls = {name: base_url(values, name) for name in PORTS}
    given: dict[str, Any] = {"urls": urls, "auth_issuer": urls["portal"].rstrip("/") + "/oidc"}
    given |= {setting: values[variable] for setting, variable in VARIABLES.items() if variable in values}
    try:
        settings = PortalSettings.model_validate(given)
    except ValidationError as problem:
        first = problem.errors()[0]
        place = [str(part) for part in first["loc"]]
        variable = f"{place[1].upper()}_URL" if place[0] == "urls" else VARIABLES[place[0]]
        if first["type"] == "missing":
            raise WrongSettings(f"{variable} is not set: expected {EXPECTED[place[0]]}.") from None
        reason = EXPECTED.get(place[0]) or first["msg"].removeprefix("Value error, ")
        raise WrongSettings(f"{variable} is wrong: {reason}.") from None
    if settings.embedded_issuer and settings.auth_issuer != settings.url + "/oidc":
        raise WrongSettings(
            f"AUTH_ISSUER is {settings.auth_issuer}, but PORTAL_EMBEDDED_ISSUER=true serves {settings.url}/oidc: "
            "leave AUTH_ISSUER out, or set PORTAL_EMBEDDED_ISSUER=false."
        )
    return settings
