"""A Kafka that wants TLS and a login: events pass, a refusal is told in words, and what is put right is noticed."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from confluent_kafka import KafkaException
from confluent_kafka.admin import NewTopic

from deploy.kafka.topics import ensure, topics
from deploy.local.environment import ROOT
from shared.contracts.events import dead_letter_topic_of, topic_of
from shared.messaging.kafka import KafkaAddress, make_producer
from shared.messaging.reaching import why_unreachable
from shared.messaging.security import KafkaSecurity
from tests.integration.messaging.world import Source, World, eventually, in_shard_order, settled
from tests.support.certificates import Authority
from tests.support.engines import Postgres
from tests.support.issuer import Issuer
from tests.support.kafka import SecuredKafka
from tests.support.logs import told_logs

pytestmark = pytest.mark.kafka

USER, PASSWORD = "hamkor", "let-me-in, it = me"
WRONG = "not-the-password"


@dataclass
class Secured:
    """The broker's listener with TLS and a login, as the messaging tests use a broker."""

    cluster: SecuredKafka
    security: KafkaSecurity
    embedded: bool = False

    @property
    def setting(self) -> str:
        """host:port."""
        return self.cluster.sasl_ssl

    async def make_topics(self, service: str) -> None:
        """As the step of an installation makes them."""
        events = topic_of(service)
        wanted = [NewTopic(events, 4, 1), NewTopic(dead_letter_topic_of(events), 1, 1)]
        assert await asyncio.to_thread(ensure, self.setting, wanted, security=self.security) == [
            each.topic for each in wanted
        ]


@pytest.fixture(scope="module")
async def kafka(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SecuredKafka]:
    """A broker with one user."""
    async with SecuredKafka(tmp_path_factory.mktemp("secured")) as running:
        await asyncio.to_thread(running.let_in, USER, PASSWORD)
        yield running


@pytest.fixture
def login(kafka: SecuredKafka) -> dict[str, Any]:
    """The settings that fit."""
    return {
        "kafka_security_protocol": "SASL_SSL",
        "kafka_sasl_mechanism": "SCRAM-SHA-512",
        "kafka_sasl_username": USER,
        "kafka_sasl_password": PASSWORD,
        "kafka_ca_file": kafka.authority.file,
    }


@pytest.fixture
def security(kafka: SecuredKafka) -> KafkaSecurity:
    """The same, for clients."""
    return KafkaSecurity("SASL_SSL", "SCRAM-SHA-512", USER, PASSWORD, kafka.authority.file)


@pytest.fixture
def world(
    kafka: SecuredKafka,
    security: KafkaSecurity,
    login: dict[str, Any],
    postgres: Postgres,
    issuer: Issuer,
    http: httpx.AsyncClient,
) -> World:
    """Services around that listener."""
    return World(Secured(kafka, security), postgres, issuer, http, more=login)


async def published(source: Source) -> bool:
    """True when the relay has nothing left."""
    return (
        await source.sql("select 1 from relay_cursor join stream_head using (shard) where published < position") == []
    )


async def test_events_pass_from_relay_to_consumer(world: World, security: KafkaSecurity) -> None:
    address = KafkaAddress(world.engine.setting, security=security)
    async with world.source() as source, world.sink(source.name) as sink:
        await sink.connected()
        for start in range(0, 60, 6):
            await source.tell(*range(start, start + 6))
        await settled(source, sink)
        await eventually(lambda: published(source), "all is on Kafka")
        assert sorted((await sink.numbers()).items()) == [(n, 1) for n in range(60)]
        assert in_shard_order(await sink.effects())
        assert await why_unreachable(address) == ""
        # Kafka brought them, not the feed.
        assert await sink.metric("hamkor_inbox_healed_events_total", source=source.name) == 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [("password", "the login is refused"), ("authority", "the certificate is not trusted")],
)
async def test_a_refusal_is_told_in_words_while_http_serves(
    world: World, tmp_path: Path, wrong: str, said: str
) -> None:
    name = await world.new_name()
    setting, value = {
        "password": ("kafka_sasl_password", WRONG),
        "authority": ("kafka_ca_file", Authority(tmp_path, "another").file),
    }[wrong]
    world.more = world.more | {setting: value}
    with told_logs() as told:
        async with world.source(name) as source, world.sink(name) as sink:
            await source.tell(1, 2, 3)

            async def both_say_why() -> bool:
                reasons = {each["event"] for each in told if said in each.get("error", "")}
                return {"relay.failed", "consumer.kafka_unreachable"} <= reasons

            await eventually(both_say_why, f"relay and consumer say that {said}", 30)
            for path in ("/ready", "/live"):
                assert (await world.http.get(source.base + path)).status_code == 200
            await settled(source, sink)  # by the feed
            assert await sink.metric("hamkor_consumer_connected") == 0

    failures = [each["error"] for each in told if each["event"] == "relay.failed"]
    assert all(world.engine.setting in each and setting.upper() in each for each in failures)
    assert len(failures) < 20, "attempts wait longer and longer"
    assert not any(secret in json.dumps(told, default=repr) for secret in (WRONG, PASSWORD))


async def test_a_user_who_is_let_in_later_is_waited_for(world: World, kafka: SecuredKafka) -> None:
    name = await world.new_name()
    world.more = world.more | {"kafka_sasl_username": name}
    with told_logs() as told:
        async with world.source(name) as source:
            await source.tell(1, 2, 3)

            async def refused() -> bool:
                return any(each["event"] == "relay.failed" for each in told)

            await eventually(refused, "the login is refused", 30)
            await asyncio.to_thread(kafka.let_in, name, PASSWORD)
            await eventually(lambda: published(source), "the relay gets through", 30)


async def test_a_client_s_certificate_is_enough_where_it_is_asked_for(kafka: SecuredKafka) -> None:
    own = kafka.authority.sign("client", "a key's password")
    certified = KafkaSecurity(
        "SSL",
        ca_file=kafka.authority.file,
        certificate_file=own.certificate,
        key_file=own.key,
        key_password="a key's password",
    )
    topic = NewTopic("certified", 1, 1)
    assert await asyncio.to_thread(ensure, kafka.ssl, [topic], security=certified) == [topic.topic]
    producer: AIOKafkaProducer = make_producer(KafkaAddress(kafka.ssl, security=certified), "certified")
    await producer.start()
    try:
        assert (await producer.send_and_wait(topic.topic, b"1")).offset == 0
    finally:
        await producer.stop()

    nobody = KafkaSecurity("SSL", ca_file=kafka.authority.file)
    assert "KAFKA_CERTIFICATE_FILE" in await why_unreachable(KafkaAddress(kafka.ssl, security=nobody))


async def test_what_does_not_fit_the_listener_is_told(kafka: SecuredKafka, security: KafkaSecurity) -> None:
    plain = KafkaSecurity("SASL_SSL", "PLAIN", USER, PASSWORD, kafka.authority.file)
    for server, given, said in (
        (kafka.sasl_ssl, KafkaSecurity(), "KAFKA_SECURITY_PROTOCOL"),
        (kafka.sasl_ssl, plain, "KAFKA_SASL_MECHANISM"),
        (kafka.bootstrap_servers, security, "KAFKA_SECURITY_PROTOCOL"),
    ):
        reason = await why_unreachable(KafkaAddress(server, security=given))
        assert reason.startswith(f"{server}: "), reason
        assert said in reason


@pytest.mark.parametrize(("wrong", "said"), [("password", "invalid credentials"), ("authority", "certificate")])
async def test_topics_are_not_waited_for_where_the_broker_refuses(
    kafka: SecuredKafka, tmp_path: Path, wrong: str, said: str
) -> None:
    password = WRONG if wrong == "password" else PASSWORD
    authority = Authority(tmp_path, "another") if wrong == "authority" else kafka.authority
    given = KafkaSecurity("SASL_SSL", "SCRAM-SHA-512", USER, password, authority.file)
    began = time.monotonic()

    with pytest.raises(KafkaException, match=said) as refused:
        await asyncio.to_thread(ensure, kafka.sasl_ssl, topics(replication=1), security=given)

    assert time.monotonic() - began < 15
    assert password not in str(refused.value)


async def test_the_step_of_an_installation_makes_them_or_ends_with_one_sentence(
    kafka: SecuredKafka, login: dict[str, Any]
) -> None:
    given = {name.upper(): str(value) for name, value in login.items()}
    given |= {"KAFKA_BOOTSTRAP_SERVERS": kafka.sasl_ssl, "KAFKA_REPLICATION": "1", "PATH": os.environ["PATH"]}
    for environment, status, said in (
        (given, 0, "topics made: none, all were there"),
        (given | {"KAFKA_SASL_PASSWORD": WRONG}, 1, f"The topics could not be made on {kafka.sasl_ssl}: "),
        (given | {"KAFKA_SASL_PASSWORD": ""}, 1, "KAFKA_SASL_PASSWORD is not set"),
    ):
        step = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "deploy.kafka.topics"),
            cwd=ROOT,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await step.communicate()
        (line,) = output.decode().splitlines()
        assert step.returncode == status, line
        assert line.startswith(said)
        assert WRONG not in line
