"""The one factory of Kafka clients; its settings are those that lose nothing."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import CorruptRecordException, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka import TopicPartition as Place
from faststream.kafka.message import KafkaAckableMessage
from faststream.message import StreamMessage

from shared.messaging.security import PLAINTEXT, KafkaSecurity

RecordsHandler = Callable[[Sequence["ConsumerRecord[bytes, bytes]"]], Awaitable[None]]

MAX_REQUEST_BYTES = 1_048_576
FETCH_WAIT_MS = 100
# The embedded broker answers an empty fetch only when its wait is over, even if records came meanwhile.
EMBEDDED_FETCH_WAIT_MS = 20
EMBEDDED_PARTITIONS = 4
STEP_MS = 100
COMMIT_S = 1.0
GATHER_S = 0.05
GATHER_MS = 10
"""So long a batch grows while more is known to wait, and so long it waits for each fetch."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class KafkaAddress:
    """Where the brokers are: "host:port,host:port", or "file:/path" that holds it and may change (embedded broker)."""

    setting: str
    embedded: bool = False
    security: KafkaSecurity = PLAINTEXT

    def resolve(self) -> list[str]:
        """The present bootstrap servers; raises OSError while the file is not there."""
        text = self.setting
        if text.startswith("file:"):
            text = Path(text.removeprefix("file:")).read_text(encoding="utf-8").strip()
            if not text:
                raise OSError(f"{self.setting} is empty")
        return [server.strip() for server in text.split(",") if server.strip()]


def make_producer(address: KafkaAddress, client_id: str) -> AIOKafkaProducer:
    """An idempotent producer that counts a record as sent when all in-sync replicas have it."""
    return AIOKafkaProducer(
        bootstrap_servers=address.resolve(),
        client_id=client_id,
        acks="all",
        enable_idempotence=True,
        linger_ms=2,
        max_batch_size=262_144,
        max_request_size=MAX_REQUEST_BYTES,
        request_timeout_ms=10_000,
        retry_backoff_ms=100,
        **address.security.for_aiokafka(),
    )


def make_broker(address: KafkaAddress, client_id: str) -> KafkaBroker:
    """A FastStream broker for consuming; handlers get what the decoder made, nothing is injected."""
    return KafkaBroker(
        address.resolve(),
        client_id=client_id,
        allow_auto_create_topics=address.embedded,
        # Else it would be a producer and an administrator, too: connections and rights (ACLs) that nothing here needs.
        consumer_only=not address.embedded,
        apply_types=False,
        request_timeout_ms=10_000,
        # A whole session's clean-up must not outlast the ten seconds in which Ctrl-C ends everything.
        graceful_timeout=4.0,
        logger=None,
        security=address.security.for_faststream(),
    )


def subscribe(
    broker: KafkaBroker,
    topic: str,
    *,
    group_id: str,
    handler: RecordsHandler,
    max_records: int,
    batch_timeout_ms: int,
    embedded: bool = False,
) -> Any:
    """The one way to subscribe: whole batches of raw records, offsets kept on error, nothing published in reply.

    On the embedded broker, which knows groups of one member only and takes three seconds to form one, the partitions
    are taken without asking.

    The parser looks at no header: FastStream's own would lose a whole batch to one header that is not UTF-8. Records
    are read past damage, see DamageProof.
    """
    place: dict[str, Any] = {"partitions": [Place(topic, n) for n in range(EMBEDDED_PARTITIONS)]} if embedded else {}
    subscriber = broker.subscriber(
        *(() if embedded else (topic,)),
        **place,
        batch=True,
        group_id=group_id,
        ack_policy=AckPolicy.NACK_ON_ERROR,
        auto_offset_reset="earliest",
        no_reply=True,
        max_records=max_records,
        batch_timeout_ms=batch_timeout_ms,
        fetch_max_wait_ms=EMBEDDED_FETCH_WAIT_MS if embedded else FETCH_WAIT_MS,
        max_partition_fetch_bytes=4 * MAX_REQUEST_BYTES,
        session_timeout_ms=10_000,
        max_poll_interval_ms=300_000,
    )

    async def parse(message: Any) -> KafkaAckableMessage:
        return _Acked(reader, body=b"", raw_message=message, consumer=subscriber.consumer)

    async def decode(message: KafkaAckableMessage) -> Any:
        return message.raw_message

    async def handle(records: Any) -> None:
        await handler(records)

    reader = DamageProof(batch_timeout_ms, max_records, answers_at_once=not embedded)
    subscriber(handle, parser=parse, decoder=decode)
    subscriber.get_msg = reader.read  # FastStream has no hook for reading
    return subscriber


class _Acked(KafkaAckableMessage):
    """A batch whose offsets its reader commits."""

    def __init__(self, reader: "DamageProof", **message: Any) -> None:
        super().__init__(**message)
        self._reader = reader

    async def ack(self) -> None:
        """Note that the batch is done."""
        if not self.committed:
            await self._reader.done(self.consumer)
        await StreamMessage.ack(self)


DAMAGE = (ValueError, IndexError, CorruptRecordException)


class DamageProof:
    """Reads batches and commits their offsets.

    A record that cannot even be parsed (a header's name that is not UTF-8) comes as an empty one: aiokafka
    raises at such a record for ever, and drops what it had already drained from other partitions.
    """

    def __init__(self, timeout_ms: int, max_records: int, *, answers_at_once: bool = True) -> None:
        """`answers_at_once`: the broker answers a fetch when there is something, not when its wait is over."""
        self._answers_at_once = answers_at_once
        self._timeout_ms = timeout_ms
        self._max_records = max_records
        self._reached: dict[TopicPartition, int] = {}
        self._turn = 0
        self._uncommitted = False
        self._commit_at = 0.0
        self._dry: dict[TopicPartition, int] = {}

    async def read(self, consumer: AIOKafkaConsumer) -> tuple[Any, ...]:
        """The next records, or none within the timeout.

        In a backlog every other batch comes from one partition, in turn: what belongs together is then applied
        together. The batches between come from wherever something is, so that no partition waits for another's backlog.
        """
        try:
            self._turn += 1
            behind = self._behind(consumer) if self._turn % 2 else []
            if behind:
                partition = behind[self._turn // 2 % len(behind)]
                found = await self._drain(consumer, partition)
                if found:
                    return found
                self._dry[partition] = self._reached[partition]  # another member read on from there
            one = await consumer.getmany(timeout_ms=0, max_records=self._max_records)
            waited = not one
            if waited:
                one = await consumer.getmany(timeout_ms=self._timeout_ms, max_records=self._max_records)
        except DAMAGE:
            return await self._step_over(consumer)
        self._remember(one)
        if not one:
            await self._commit_idle(consumer)
        records = list(chain.from_iterable(one.values()))
        return await self._gather(consumer, records, again=self._answers_at_once and not waited)

    async def done(self, consumer: Any) -> None:
        """Records were processed: commit their offsets, though not more often than is of use.

        They are where another process begins to look; what took effect it knows from the positions.
        """
        self._uncommitted = True
        if time.monotonic() >= self._commit_at:
            await self._commit(consumer)

    async def _commit(self, consumer: Any) -> None:
        await consumer.commit()
        self._uncommitted = False
        self._commit_at = time.monotonic() + COMMIT_S

    async def _commit_idle(self, consumer: AIOKafkaConsumer) -> None:
        """Whoever looks at the group sees no lag where there is none."""
        if not self._uncommitted:
            return
        try:
            await self._commit(consumer)
        except KafkaError as problem:
            # Whoever has the partitions by now commits; until then some records come twice and are skipped.
            log.warning("consumer.offsets_not_committed", error=repr(problem)[:300])

    async def _gather(self, consumer: AIOKafkaConsumer, records: list[Any], *, again: bool) -> tuple[Any, ...]:
        """The records, with what else is known to wait and comes at once.

        A fetch may bring little of much: the embedded broker answers with what one request of a producer held, so that
        a consumer that takes a while for each batch would fall behind for good. What was fetched while the last batch
        was at work is as old as that took: what has come since is worth a fetch (`again`), or waits for the next batch.
        """
        until = time.monotonic() + GATHER_S
        while records and time.monotonic() < until and (again or self._waits(consumer)):
            again = False
            most = self._max_records - len(records)
            if most <= 0:
                break
            try:
                found = await consumer.getmany(timeout_ms=GATHER_MS, max_records=most)
            except DAMAGE:
                records += await self._step_over(consumer)
                break
            if not found:
                break
            self._remember(found)
            records += chain.from_iterable(found.values())
        return tuple(records)

    def _waits(self, consumer: AIOKafkaConsumer) -> bool:
        """Whether any partition has more than was read, as far as the last fetches told."""
        return any(
            (end := consumer.highwater(partition)) is not None and end > self._reached.get(partition, end)
            for partition in consumer.assignment()
        )

    def _behind(self, consumer: AIOKafkaConsumer) -> list[TopicPartition]:
        """The partitions of which more than a whole batch is still to come."""
        found = []
        for partition in sorted(consumer.assignment()):
            end, reached = consumer.highwater(partition), self._reached.get(partition)
            if end is None or reached is None or self._dry.get(partition) == reached:
                continue
            if end - reached > self._max_records:
                found.append(partition)
        return found

    async def _drain(self, consumer: AIOKafkaConsumer, partition: TopicPartition) -> tuple[Any, ...]:
        """A batch of one partition, over as many fetches as it takes."""
        records: list[Any] = []
        while len(records) < self._max_records:
            most = self._max_records - len(records)
            try:
                found = await consumer.getmany(partition, timeout_ms=self._timeout_ms, max_records=most)
            except DAMAGE:
                if records:
                    break  # met again at the next read, with nothing in hand
                raise
            if not found:
                break
            self._remember(found)
            records.extend(chain.from_iterable(found.values()))
        return tuple(records)

    def _remember(self, found: "Mapping[TopicPartition, Sequence[ConsumerRecord[bytes, bytes]]]") -> None:
        for partition, records in found.items():
            if records:
                self._reached[partition] = records[-1].offset + 1

    async def _step_over(self, consumer: AIOKafkaConsumer) -> tuple[Any, ...]:
        """Read record by record, partition by partition, until the damaged one is behind."""
        result: list[Any] = []
        for partition in consumer.assignment():
            reached = self._reached.get(partition)
            if reached is not None and reached < await consumer.position(partition):
                consumer.seek(partition, reached)
            while True:
                try:
                    found = await consumer.getmany(partition, timeout_ms=STEP_MS, max_records=1)
                except DAMAGE:
                    offset = await consumer.position(partition)
                    log.warning("consumer.damaged_record", topic=partition.topic, partition=partition.partition)
                    consumer.seek(partition, offset + 1)
                    self._reached[partition] = offset + 1
                    result.append(_empty_record(partition, offset))
                    break
                if not found:
                    break
                self._remember(found)
                result.extend(chain.from_iterable(found.values()))
        return tuple(result)


def _empty_record(partition: TopicPartition, offset: int) -> "ConsumerRecord[bytes, bytes]":
    return ConsumerRecord(
        topic=partition.topic,
        partition=partition.partition,
        offset=offset,
        timestamp=0,
        timestamp_type=0,
        key=None,
        value=b"",
        checksum=None,
        serialized_key_size=-1,
        serialized_value_size=0,
        headers=(),
    )
