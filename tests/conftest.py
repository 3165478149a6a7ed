"""Fixtures of every suite: real engines once a run, fresh databases and services for each test that asks."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from tests.support.engines import EmbeddedBroker, Postgres, TestDatabase, a_broker, a_postgres
from tests.support.issuer import Issuer
from tests.support.services import Neighbourhood, environment_of, free_port, serving


def pytest_configure(config: pytest.Config) -> None:
    """Give the run a temporary folder of its own.

    pytest's usual one is closed again to all but its owner whenever another run starts; PostgreSQL, which runs as
    another user when the tests run as root, could no longer reach its files then.
    """
    if config.option.basetemp is None:
        config.option.basetemp = config.stash[FOLDER] = tempfile.mkdtemp(prefix="hamkor-tests-")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Remove the folder of a run in which all went well; keep the logs of any other."""
    folder = session.config.stash.get(FOLDER, None)
    if folder is not None and exitstatus == pytest.ExitCode.OK:
        shutil.rmtree(folder, ignore_errors=True)


FOLDER = pytest.StashKey[str]()
Databases = Callable[[str], Awaitable[TestDatabase]]


@pytest.fixture(scope="session")
async def postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Postgres]:
    """The run's PostgreSQL server."""
    async with a_postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(scope="session")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedBroker]:
    """The run's embedded broker. Topics are shared: tests that count what is on them start their own."""
    async with a_broker(tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture(scope="session")
async def issuer() -> AsyncIterator[Issuer]:
    """The run's token issuer."""
    issuer = Issuer()
    port = free_port()
    async with serving(issuer.app(), port) as url:
        issuer.url = url
        yield issuer


@pytest.fixture(scope="session")
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client that follows nothing and trusts no proxy."""
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture(scope="session")
def neighbourhood(
    postgres: Postgres, issuer: Issuer, http: httpx.AsyncClient, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Any]:
    """`async with neighbourhood("partners", "agreements") as near:` – fresh databases and a broker of their own."""

    @asynccontextmanager
    async def make(*services: str) -> AsyncIterator[Neighbourhood]:
        databases = {service: (await postgres.database(service)).url for service in services}
        async with a_broker(tmp_path_factory.mktemp("broker")) as broker:
            yield Neighbourhood(issuer, environment_of(issuer.url, databases, broker.setting, True), http)

    return make


@pytest.fixture
async def partners(neighbourhood: Callable[..., Any]) -> AsyncIterator[Any]:
    """The partners service alone, with its own database and broker."""
    async with neighbourhood("partners") as near, near.service("partners") as running:
        yield running
