"""The relay: carries a service's stream to Kafka, shard by shard in order; a crash repeats, never loses or reorders."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import asyncpg
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder
from sqlalchemy import text

from shared.contracts.events import MAX_DATA_BYTES, Event, dead_letter_topic_of, topic_of
from shared.messaging.dead_letters import DeadLetter, mark_published, unpublished
from shared.messaging.kafka import KafkaAddress, make_producer
from shared.messaging.reaching import explained
from shared.messaging.stream import CHANNEL, behind, event_of_row
from shared.messaging.wire import headers_of
from shared.persistence.engine import dsn_of, raw_connection
from shared.persistence.unit_of_work import Database
from shared.retry import Backoff
from shared.scope import SYSTEM
from shared.telemetry.metrics import RELAY_FAILURES, RELAY_LAG, RELAY_PUBLISHED
from shared.telemetry.progress import Progress
from shared.waiting import close, until_set

log = structlog.get_logger(__name__)

BATCH = 500
"""Events of one shard in one round; all shards that are behind travel in the same round."""
SHARD_BYTES = 1_000_000
LETTERS = 50
LETTERS_AGAIN_S = 10.0
POLL_S = 1.0
LINGER_S = 0.05
SEND_S = 30.0
LOCK = 0x48616D6B  # advisory lock: one relay works per service database

_BEHIND = behind("select shard, published as reached from relay_cursor")
_ADVANCE = text(
    "update relay_cursor set published = new.position "
    "from unnest(cast(:shards as smallint[]), cast(:positions as bigint[]), cast(:after as bigint[])) "
    "as new(shard, position, after) where relay_cursor.shard = new.shard and relay_cursor.published = new.after"
)


class Relay:
    """One active relay per service: holds an advisory lock on a direct connection, woken by NOTIFY, polls as a net.

    The producer is rebuilt after any failure: an idempotent producer can stick on an out-of-order sequence, and the
    embedded broker comes back under another address.
    """

    def __init__(
        self,
        database: Database,
        database_url: str,
        kafka: KafkaAddress,
        progress: Progress,
        also_woken: Callable[[], None] = lambda: None,
    ) -> None:
        self._also_woken = also_woken
        self._database = database
        self._dsn = dsn_of(database_url)
        self._kafka = kafka
        self._progress = progress
        self._wake = asyncio.Event()
        self._letters_at = 0.0

    async def run(self) -> None:
        """Work until cancelled; every failure is logged, counted, and tried again with back-off."""
        backoff = Backoff(first_s=0.1, most_s=5.0)
        while True:
            self._progress.beat("relay")
            try:
                await self._session(backoff)
            except Exception as problem:
                RELAY_FAILURES.labels(self._database.service).inc()
                log.warning("relay.failed", error=repr(problem)[:500])
            await backoff.wait()

    async def _session(self, backoff: Backoff) -> None:
        guard: asyncpg.Connection[Any] = await asyncpg.connect(self._dsn, timeout=5, command_timeout=10)
        try:
            while not await guard.fetchval("select pg_try_advisory_lock($1)", LOCK):
                self._progress.beat("relay")
                RELAY_LAG.labels(self._database.service).set(0)  # who works tells it; what was known here grows old
                await asyncio.sleep(POLL_S)
            await guard.add_listener(CHANNEL, self._woken)
            address = self._kafka.resolve()
            producer = make_producer(self._kafka, f"hamkor-{self._database.service}-relay")
            try:
                async with explained(self._kafka):
                    async with asyncio.timeout(SEND_S):
                        await producer.start()
                    log.info("relay.started")
                    while self._kafka.resolve() == address:
                        await self._round(guard, producer)
                        backoff.reset()
            finally:
                await close(producer.stop(), 2)
        finally:
            await close(guard.close(), 2)

    def _woken(self, *_: object) -> None:
        self._wake.set()
        self._also_woken()

    async def _round(self, guard: "asyncpg.Connection[Any]", producer: AIOKafkaProducer) -> None:
        self._progress.beat("relay")
        self._wake.clear()
        if guard.is_closed():
            raise ConnectionError("the connection that holds the relay's lock is gone")
        carried = await self._carry(producer)
        if 0 < carried < BATCH:
            # In a steady flow events travel in company: every consumer pays by the batch, not by the event. The first
            # one after a silence never waits.
            await asyncio.sleep(LINGER_S)
        if time.monotonic() >= self._letters_at:
            self._letters_at = time.monotonic() + await self._carry_dead_letters(producer)
        if not carried and not await until_set(self._wake, POLL_S):
            await guard.execute("select 1")  # a connection that died in silence is noticed here

    async def _carry(self, producer: AIOKafkaProducer) -> int:
        """Publish what is behind, then advance the cursors: one read, one wait for Kafka, one write a round."""
        async with self._database.reading(SYSTEM) as session:
            rows = await (await raw_connection(session)).fetch(_BEHIND, BATCH, SHARD_BYTES)
        last = {row["shard"]: row for row in rows}
        lag = sum(row["head"] - row["reached"] for row in last.values())
        RELAY_LAG.labels(self._database.service).set(lag)
        if not rows:
            return 0
        await self._while_the_address_holds(self._send(producer, rows))
        parameters = {
            "shards": list(last),
            "positions": [row["position"] for row in last.values()],
            "after": [row["reached"] for row in last.values()],
        }
        async with self._database.unit_of_work(SYSTEM) as uow:
            await uow.session.execute(_ADVANCE, parameters)
        RELAY_PUBLISHED.labels(self._database.service).inc(len(rows))
        RELAY_LAG.labels(self._database.service).set(lag - len(rows))
        return len(rows)

    async def _while_the_address_holds(self, sending: Coroutine[Any, Any, None]) -> None:
        """Await what is being sent; raises as soon as the broker has moved, or when it takes too long."""
        address = self._kafka.resolve()
        task = asyncio.ensure_future(sending)
        deadline = time.monotonic() + SEND_S
        try:
            while not (await asyncio.wait([task], timeout=0.5))[0]:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"Kafka has not taken the events within {SEND_S:.0f} s")
                if self._kafka.resolve() != address:
                    raise ConnectionError("the broker has moved")
            task.result()
        finally:
            task.cancel()

    async def _send(self, producer: AIOKafkaProducer, rows: Sequence[Any]) -> None:
        """Await the acknowledgement of all; whole batches are made here: a future for each event costs more than it."""
        topic = topic_of(self._database.service)
        partitions = len(await producer.partitions_for(topic))
        batches: dict[int, BatchBuilder] = {}
        sent: list[asyncio.Future[Any]] = []

        async def submit(partition: int) -> None:
            batch = batches.pop(partition)
            batch.close()
            # Waits until the batch before it is on its way: a partition's batches never overtake one another.
            sent.append(await producer.send_batch(batch, topic, partition=partition))
            await asyncio.sleep(0)  # requests are answered in between

        try:
            for row in rows:
                event = event_of_row(self._database.service, row)
                partition = event.shard % partitions
                if partition in batches and not _added(batches[partition], event):
                    await submit(partition)
                if partition not in batches:
                    batches[partition] = producer.create_batch()
                    _added(batches[partition], event)  # the first one always fits
            for partition in list(batches):
                await submit(partition)
            await asyncio.gather(*sent)
        finally:
            for each in sent:
                each.cancel()  # nobody waits for what is left of a round that failed

    async def _carry_dead_letters(self, producer: AIOKafkaProducer) -> float:
        """Publish dead letters and answer in how many seconds to look again; a failure here holds no event up."""
        try:
            async with self._database.reading(SYSTEM) as session:
                letters = await unpublished(session, LETTERS)
            for letter in letters:
                async with asyncio.timeout(SEND_S):
                    await self._send_dead_letter(producer, letter)
            if letters:
                async with self._database.unit_of_work(SYSTEM) as uow:
                    await mark_published(uow.session, [letter.id for letter in letters], uow.now)
        except KafkaError as problem:
            RELAY_FAILURES.labels(self._database.service).inc()
            log.warning("relay.dead_letters_failed", error=repr(problem)[:500])
            return LETTERS_AGAIN_S
        return 0.0 if len(letters) == LETTERS else POLL_S

    async def _send_dead_letter(self, producer: AIOKafkaProducer, letter: DeadLetter) -> None:
        headers = [(name, value.encode()) for name, value in letter.headers.items()]
        headers += [("dlq_id", letter.id.encode()), ("dlq_reason", letter.reason.encode())]
        headers += [("dlq_detail", letter.detail.encode()[:1000]), ("dlq_consumer", self._database.service.encode())]
        value = letter.data
        if len(value) > MAX_DATA_BYTES:
            # The whole of it stands in the table; with its headers it would not fit into a record.
            value = value[:MAX_DATA_BYTES]
            headers.append(("dlq_truncated", b"true"))
        await producer.send_and_wait(dead_letter_topic_of(topic_of(letter.source)), value=value, headers=headers)


def _added(batch: BatchBuilder, event: Event) -> bool:
    """False where the batch is full."""
    key, headers = event.key.encode(), headers_of(event)
    return batch.append(timestamp=None, key=key, value=event.data, headers=headers) is not None
