"""The surveys service with a database of its own; k is 5, so that tests need few respondents."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import httpx
import pytest

from shared.persistence.engine import dsn_of
from tests.integration.surveys.support import K, Office
from tests.support.engines import EmbeddedBroker, Postgres, TestDatabase
from tests.support.issuer import Issuer
from tests.support.services import Neighbourhood, Running, environment_of

EMPTIED = (
    "institution, campaign, code_batch, access_code, spent_mark, intake, token_key, staged_answer, response, tally, "
    "released_result, choice, released_choice, released_step, pool, pooled_campaign, held_text, released_text, "
    "idempotency, wave, invitation, invitation_rule, occasion, redemption, graduate_status, consent, "
    "enterprise_ref, employment_ref, followed, own_instrument"
)


@dataclass
class Service:
    """The running service and its database."""

    running: Running
    database: TestDatabase


@pytest.fixture(scope="session")
async def surveys_service(
    postgres: Postgres, issuer: Issuer, http: httpx.AsyncClient, broker: EmbeddedBroker
) -> AsyncIterator[Service]:
    """Started once a run."""
    database = await postgres.database("surveys")
    environment = environment_of(issuer.url, {"surveys": database.url}, broker.setting, True)
    near = Neighbourhood(issuer, environment, http)
    own = {"PRIVACY_K": str(K), "SURVEYS_CODE_PEPPER": "pepper-of-the-tests-of-surveys"}
    async with near.service("surveys", **own) as running:
        yield Service(running, database)


@pytest.fixture
async def office(surveys_service: Service) -> Office:
    """The service with empty tables, knowing two institutions in two districts."""
    owner: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(dsn_of(surveys_service.database.owner_url))
    try:
        await owner.execute(f"truncate {EMPTIED}")
    finally:
        await owner.close()
    office = Office(surveys_service.running, surveys_service.database.url, surveys_service.database.owner_url)
    await office.hear_of_institutions()
    return office
