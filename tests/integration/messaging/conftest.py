"""Each messaging test runs on the embedded broker and, marked `kafka`, on a real Apache Kafka."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from shared.contracts.events import dead_letter_topic_of, topic_of
from tests.integration.messaging.world import World
from tests.support.engines import EmbeddedBroker, Postgres
from tests.support.issuer import Issuer
from tests.support.kafka import RealKafka
from tests.support.logs import plain_logs


@dataclass
class Embedded:
    """librdkafka's broker: topics appear when they are used."""

    broker: EmbeddedBroker
    embedded: bool = True

    @property
    def setting(self) -> str:
        """The file that holds the present address."""
        return self.broker.setting

    async def make_topics(self, service: str) -> None:
        """Nothing to do."""


@dataclass
class Real:
    """Three brokers; topics are made by hand, as in production."""

    cluster: RealKafka
    embedded: bool = False

    @property
    def setting(self) -> str:
        """host:port of every broker."""
        return self.cluster.bootstrap_servers

    async def make_topics(self, service: str) -> None:
        """The two topics of a service, replicated."""
        await asyncio.to_thread(self._make, service)

    def _make(self, service: str) -> None:
        admin = AdminClient({"bootstrap.servers": self.setting, "log_level": 2})
        config = {"min.insync.replicas": "2"}
        events = topic_of(service)
        made = admin.create_topics(
            [NewTopic(events, 4, 3, config=config), NewTopic(dead_letter_topic_of(events), 1, 3, config=config)]
        )
        for future in made.values():
            future.result(60)


@pytest.fixture(autouse=True)
def _plain_logs() -> Iterator[None]:
    with plain_logs():
        yield


@pytest.fixture(scope="session")
async def real_kafka(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealKafka]:
    """The run's cluster of three brokers."""
    async with RealKafka(tmp_path_factory.mktemp("kafka")) as cluster:
        yield cluster


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def engine(request: pytest.FixtureRequest) -> Any:
    """The broker of the test: once embedded, once real."""
    if request.param == "embedded":
        return Embedded(request.getfixturevalue("broker"))
    return Real(request.getfixturevalue("real_kafka"))


@pytest.fixture
def world(engine: Any, postgres: Postgres, issuer: Issuer, http: httpx.AsyncClient) -> World:
    """Services around the test's broker."""
    return World(engine, postgres, issuer, http)
