"""One running country for the suite; every test makes institutions and enterprises of its own."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.integration.agreements.support import Country
from tests.support.engines import Postgres, a_broker
from tests.support.issuer import Issuer
from tests.support.services import Neighbourhood, environment_of


@pytest.fixture(scope="session")
async def country(
    postgres: Postgres, issuer: Issuer, http: httpx.AsyncClient, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Country]:
    """Partners and agreements with databases and a broker of their own."""
    databases = {service: await postgres.database(service) for service in ("partners", "agreements")}
    urls = {service: database.url for service, database in databases.items()}
    async with a_broker(tmp_path_factory.mktemp("broker")) as broker:
        near = Neighbourhood(issuer, environment_of(issuer.url, urls, broker.setting, True), http)
        async with near.service("partners") as partners, near.service("agreements") as agreements:
            country = Country(partners, agreements, urls["agreements"])
            await country.settle()
            yield country
