"""Three real Kafka brokers under our hand: topics as designed, and no acknowledged record lost with a broker."""

from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource

from deploy.kafka.topics import MIN_INSYNC, PARTITIONS, REPLICATION, ensure, topics
from shared.contracts.topics import DEAD_LETTER_TOPICS, EVENT_TOPICS, TOPICS
from tests.support.kafka import RealKafka
from tests.support.stack import until

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
async def kafka(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealKafka]:
    """One running cluster."""
    async with RealKafka(tmp_path_factory.mktemp("kafka")) as running:
        yield running


async def test_topics_are_made_once_and_as_designed(kafka: RealKafka) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    # The broker that is asked may hear of a new topic a moment after the controller has made it.
    await until(lambda: set(TOPICS) <= admin.list_topics(timeout=10).topics.keys(), "every broker knows the topics")
    there = admin.list_topics(timeout=10).topics

    assert {name: len(there[name].partitions) for name in EVENT_TOPICS} == dict.fromkeys(EVENT_TOPICS, PARTITIONS)
    assert {name: len(there[name].partitions) for name in DEAD_LETTER_TOPICS} == dict.fromkeys(DEAD_LETTER_TOPICS, 1)
    assert {len(p.replicas) for name in EVENT_TOPICS for p in there[name].partitions.values()} == {REPLICATION}
    asked = ConfigResource(ConfigResource.Type.TOPIC, EVENT_TOPICS[0])
    assert admin.describe_configs([asked])[asked].result()["min.insync.replicas"].value == str(MIN_INSYNC)
    assert ensure(kafka.bootstrap_servers, topics()) == []


async def test_acknowledged_records_outlive_a_killed_broker(kafka: RealKafka) -> None:
    place = TopicPartition(EVENT_TOPICS[0], 0)
    servers = kafka.bootstrap_servers.split(",")
    async with AIOKafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True) as producer:
        for number in range(60):
            if number == 20:
                kafka.kill(1)
            await producer.send_and_wait(place.topic, str(number).encode(), partition=place.partition)
        await kafka.start(1)

        async with AIOKafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest") as consumer:
            consumer.assign([place])
            got = [int((await consumer.getone()).value or b"") for _ in range(60)]

    assert got == list(range(60))
