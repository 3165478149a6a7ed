"""The consumer: keeps a FastStream broker connected to Kafka and heals from the feeds what Kafka does not bring."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog
from aiokafka import ConsumerRecord

from shared.contracts.events import topic_of
from shared.messaging.feed import Feed
from shared.messaging.inbox import FuseBlown, Inbox
from shared.messaging.kafka import KafkaAddress, make_broker, subscribe
from shared.messaging.wire import event_of
from shared.persistence.engine import is_transient
from shared.retry import Backoff
from shared.telemetry.metrics import CONSUMER_CONNECTED, INBOX_FAILURES, INBOX_LAG
from shared.telemetry.progress import Progress

log = structlog.get_logger(__name__)

LOOK_S = 1.0
HEALS_BEFORE_RECONNECT = 3


@dataclass(frozen=True)
class ConsumerSettings:
    """How much a batch may hold and how long it may wait for company."""

    max_records: int = 2000
    batch_timeout_ms: int = 10


class Consumer:
    """Reads the topics of `feeds` into the inbox.

    Kafka is where to look first; the inbox positions and the sources' logs are the truth. A watch compares the two
    every second: a shard that does not move although its source's head is ahead is healed from the feed, and when
    that repeats, or the broker's address changes, the connection to Kafka is made anew.
    """

    def __init__(
        self,
        inbox: Inbox,
        feeds: Mapping[str, Feed],
        kafka: KafkaAddress,
        progress: Progress,
        settings: ConsumerSettings | None = None,
    ) -> None:
        self._inbox = inbox
        self._feeds = feeds
        self._kafka = kafka
        self._progress = progress
        self._settings = settings or ConsumerSettings()
        self._reconnect = asyncio.Event()
        self._backoffs = {source: Backoff(first_s=0.1, most_s=5.0) for source in feeds}

    async def run(self) -> None:
        """Work until cancelled."""
        await self._prepare()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._stay_connected())
            for source in self._feeds:
                group.create_task(self._watch(source))

    async def _prepare(self) -> None:
        backoff = Backoff(first_s=0.1, most_s=5.0)
        while True:
            self._progress.beat("consumer")
            try:
                await self._inbox.prepare()
                return
            except Exception as problem:
                if not is_transient(problem):
                    raise
                log.warning("consumer.database_unreachable", error=repr(problem)[:300])
            await backoff.wait()

    async def _stay_connected(self) -> None:
        backoff = Backoff(first_s=0.2, most_s=5.0)
        connected = CONSUMER_CONNECTED.labels(self._inbox.service)
        while True:
            self._progress.beat("consumer")
            try:
                address = self._kafka.resolve()
                broker = make_broker(self._kafka, f"hamkor-{self._inbox.service}")
                for source in self._feeds:
                    subscribe(
                        broker,
                        topic_of(source),
                        group_id=f"hamkor.{self._inbox.service}.{source}",
                        handler=self._handler(source),
                        max_records=self._settings.max_records,
                        batch_timeout_ms=self._settings.batch_timeout_ms,
                    )
                self._reconnect.clear()
                try:
                    await asyncio.wait_for(broker.start(), 30)
                    connected.set(1)
                    log.info("consumer.connected")
                    while not self._reconnect.is_set() and self._kafka.resolve() == address:
                        self._progress.beat("consumer")
                        backoff.reset()
                        with suppress(TimeoutError):
                            await asyncio.wait_for(self._reconnect.wait(), LOOK_S)
                    log.info("consumer.reconnecting")
                finally:
                    connected.set(0)
                    with suppress(Exception):
                        await asyncio.wait_for(broker.stop(), 5)
            except Exception as problem:
                log.warning("consumer.kafka_unreachable", error=repr(problem)[:300])
            await backoff.wait()

    def _handler(self, source: str):  # type: ignore[no-untyped-def]  # a closure FastStream calls with raw records
        backoff = self._backoffs[source]

        async def handle(records: "Sequence[ConsumerRecord[bytes, bytes]]") -> None:
            try:
                await self._inbox.deliver(source, [event_of(record) for record in records])
                backoff.reset()
            except Exception as problem:
                INBOX_FAILURES.labels(self._inbox.service, source).inc()
                log.warning("consumer.batch_failed", source=source, error=repr(problem)[:500])
                # NACK redelivers at once, hundreds of times a second, unless we wait here.
                await backoff.wait()
                raise

        return handle

    async def _watch(self, source: str) -> None:
        feed = self._feeds[source]
        before: list[int] | None = None
        target: list[int] = []
        heals = 0
        loop = f"watch.{source}"
        while True:
            self._progress.beat(loop)
            await asyncio.sleep(LOOK_S)
            try:
                heads = await feed.heads()
                applied = await self._inbox.positions(source)
                for shard, (head, position) in enumerate(zip(heads, applied, strict=True)):
                    INBOX_LAG.labels(self._inbox.service, source, str(shard)).set(max(0, head - position))
                if before is not None:
                    stuck = [
                        shard
                        for shard, position in enumerate(applied)
                        if position == before[shard] and position < target[shard]
                    ]
                    for shard in stuck:
                        await self._heal(source, shard, applied[shard])
                        self._progress.beat(loop)
                    heals = heals + 1 if stuck else 0
                    if heals >= HEALS_BEFORE_RECONNECT:
                        heals = 0
                        self._reconnect.set()
                before, target = applied, heads
            except FuseBlown as problem:
                log.critical("consumer.fuse_blown", source=source, error=str(problem))
            except Exception as problem:
                log.warning("consumer.watch_failed", source=source, error=repr(problem)[:300])

    async def _heal(self, source: str, shard: int, applied: int) -> None:
        while True:
            events = await self._feeds[source].events(shard, applied)
            if not events:
                return
            await self._inbox.deliver(source, events, healed=True)
            applied = events[-1].position
            self._progress.beat(f"watch.{source}")
