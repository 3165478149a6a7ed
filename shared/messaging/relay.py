"""The relay: carries a service's stream to Kafka, shard by shard in order; a crash repeats, never loses or reorders."""

import asyncio
from contextlib import suppress
from typing import Any

import asyncpg
import structlog
from aiokafka import AIOKafkaProducer
from sqlalchemy import text

from shared.contracts.events import dead_letter_topic_of, topic_of
from shared.messaging.dead_letters import mark_published, unpublished
from shared.messaging.kafka import KafkaAddress, make_producer
from shared.messaging.stream import CHANNEL, read_events
from shared.messaging.wire import headers_of
from shared.persistence.engine import dsn_of
from shared.persistence.unit_of_work import Database
from shared.retry import Backoff
from shared.scope import SYSTEM
from shared.telemetry.metrics import RELAY_FAILURES, RELAY_LAG, RELAY_PUBLISHED
from shared.telemetry.progress import Progress

log = structlog.get_logger(__name__)

BATCH = 500
POLL_S = 1.0
LOCK = 0x48616D6B  # advisory lock: one relay works per service database

_BEHIND = text(
    "select c.shard, c.published, h.position from relay_cursor c join stream_head h using (shard) "
    "where h.position > c.published order by c.shard"
)
_ADVANCE = text("update relay_cursor set published = :position where shard = :shard and published = :after")


class Relay:
    """One active relay per service: holds an advisory lock on a direct connection, woken by NOTIFY, polls as a net.

    The producer is rebuilt after any failure: an idempotent producer can stick on an out-of-order sequence, and the
    embedded broker comes back under another address.
    """

    def __init__(self, database: Database, database_url: str, kafka: KafkaAddress, progress: Progress) -> None:
        self._database = database
        self._dsn = dsn_of(database_url)
        self._kafka = kafka
        self._progress = progress
        self._wake = asyncio.Event()

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
        guard: asyncpg.Connection[Any] = await asyncpg.connect(self._dsn, timeout=5)
        try:
            while not await guard.fetchval("select pg_try_advisory_lock($1)", LOCK):
                self._progress.beat("relay")
                await asyncio.sleep(POLL_S)
            await guard.add_listener(CHANNEL, lambda *_: self._wake.set())
            producer = make_producer(self._kafka, f"hamkor-{self._database.service}-relay")
            await producer.start()
            try:
                log.info("relay.started")
                while True:
                    self._progress.beat("relay")
                    self._wake.clear()
                    if guard.is_closed():
                        raise ConnectionError("the connection that holds the relay's lock is gone")
                    carried = await self._carry(producer)
                    backoff.reset()
                    if not carried:
                        with suppress(TimeoutError):
                            await asyncio.wait_for(self._wake.wait(), POLL_S)
            finally:
                with suppress(Exception):
                    await asyncio.wait_for(producer.stop(), 2)
        finally:
            with suppress(Exception):
                await asyncio.wait_for(guard.close(), 2)

    async def _carry(self, producer: AIOKafkaProducer) -> int:
        async with self._database.reading(SYSTEM) as session:
            behind = (await session.execute(_BEHIND)).all()
        RELAY_LAG.labels(self._database.service).set(sum(row.position - row.published for row in behind))
        carried = sum(await asyncio.gather(*(self._carry_shard(producer, row.shard, row.published) for row in behind)))
        if carried:
            RELAY_PUBLISHED.labels(self._database.service).inc(carried)
        return carried + await self._carry_dead_letters(producer)

    async def _carry_shard(self, producer: AIOKafkaProducer, shard: int, published: int) -> int:
        async with self._database.reading(SYSTEM) as session:
            events = await read_events(session, self._database.service, shard, published, BATCH)
        topic = topic_of(self._database.service)
        partition = shard % len(await producer.partitions_for(topic))
        futures = [
            await producer.send(
                topic, value=event.data, key=event.key.encode(), partition=partition, headers=headers_of(event)
            )
            for event in events
        ]
        await asyncio.gather(*futures)
        async with self._database.unit_of_work(SYSTEM) as uow:
            await uow.session.execute(_ADVANCE, {"shard": shard, "position": events[-1].position, "after": published})
        return len(events)

    async def _carry_dead_letters(self, producer: AIOKafkaProducer) -> int:
        async with self._database.unit_of_work(SYSTEM) as uow:
            letters = await unpublished(uow.session, BATCH)
            for letter in letters:
                headers = [(name, value.encode()) for name, value in letter.headers.items()]
                headers += [("dlq_reason", letter.reason.encode()), ("dlq_detail", letter.detail.encode()[:1000])]
                headers.append(("dlq_consumer", self._database.service.encode()))
                await producer.send_and_wait(
                    dead_letter_topic_of(topic_of(letter.source)), value=letter.data, headers=headers
                )
            await mark_published(uow.session, [letter.id for letter in letters], uow.now)
        return len(letters)
