"""One running service for the chassis' tests: partners as it is, with routes that fail in every way."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, Query, Response

from services.partners.api import PERMISSIONS, ROUTERS
from services.partners.commands.territory import record_territory
from services.partners.domain.territory import RecordTerritory
from shared.errors import FieldError, InvalidInput
from shared.scope import EDUCATION, Role
from shared.settings import Settings
from shared.web.app import create_app, make_chassis
from shared.web.edge import Edge
from tests.support.engines import EmbeddedBroker, Postgres, TestDatabase
from tests.support.issuer import Issuer
from tests.support.logs import plain_logs
from tests.support.services import Running, free_port, serving

SECRET = "only-for-the-tests-of-hamkor"
extra = APIRouter(prefix="/v1/test")


@extra.get("/crash")
async def crash() -> Response:
    """A fault of the program."""
    raise LookupError("a secret detail of the program")


@extra.get("/down")
async def down() -> Response:
    """Something the service needs does not answer."""
    raise ConnectionRefusedError("10.0.0.7:5432")


@extra.get("/refused")
async def refused() -> Response:
    """An expected error with fields."""
    raise InvalidInput(FieldError("a.0.b", "missing"))


@extra.put("/versioned/{soato}")
async def versioned(edge: Edge, soato: str, body: RecordTerritory) -> Response:
    """A command that demands If-Match."""
    return await edge.command("territory.record", lambda uow: record_territory(uow, soato, body), versioned=True)


@extra.get("/number")
async def number(n: Annotated[int, Query(ge=1, le=9)]) -> Response:
    """Validation of a query parameter."""
    return Response(str(n))


def settings_of(service: str, database: TestDatabase, kafka: str, issuer_url: str, port: int) -> Settings:
    """Settings of a process for tests."""
    return Settings.model_validate(
        {
            "service": service,
            "port": port,
            "database_url": database.url,
            "kafka_bootstrap_servers": kafka,
            "kafka_embedded": True,
            "auth_issuer": issuer_url,
            "auth_jwks_url": issuer_url + "/jwks",
            "auth_token_url": issuer_url + "/token",
            "service_client_secret": SECRET,
            "urls": {},
        }
    )


@pytest.fixture(autouse=True)
def _plain_logs() -> Iterator[None]:
    with plain_logs():
        yield


@pytest.fixture(scope="session")
async def chassis_database(postgres: Postgres) -> TestDatabase:
    """The database of the service below."""
    return await postgres.database("partners")


@pytest.fixture(scope="session")
async def service(
    chassis_database: TestDatabase, broker: EmbeddedBroker, issuer: Issuer, http: httpx.AsyncClient
) -> AsyncIterator[Running]:
    """Partners with more permissive territory and the routes above."""
    port = free_port()
    chassis = make_chassis(
        settings_of("partners", chassis_database, broker.setting, issuer.url, port),
        Path(__file__).parents[3] / "services" / "partners",
    )
    permissions = {**PERMISSIONS, "territory.record": EDUCATION | {Role.MINISTRY}}
    app = create_app(chassis, routers=[*ROUTERS, extra], permissions=permissions, max_body_bytes=20_000)
    async with serving(app, port) as base:
        yield Running("partners", base, app, issuer, http)
