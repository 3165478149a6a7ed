"""The consumer: keeps a FastStream broker connected to Kafka and heals from the feeds what Kafka does not bring."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from shared.contracts.events import topic_of
from shared.ids import SHARDS, new_id
from shared.messaging.feed import Source
from shared.messaging.inbox import FuseBlown, Inbox
from shared.messaging.kafka import KafkaAddress, RecordsHandler, make_broker, subscribe
from shared.messaging.own_log import OwnLog
from shared.messaging.reaching import explained, why_unreachable
from shared.messaging.wire import event_of
from shared.retry import Backoff
from shared.telemetry.metrics import CONSUMER_CONNECTED, INBOX_FAILURES, INBOX_LAG
from shared.telemetry.progress import Progress
from shared.waiting import close, until_set

log = structlog.get_logger(__name__)

LOOK_S = 1.0
LOOK_DISCONNECTED_S = 0.3
TELL_AGAIN_S = 60.0
PATIENCE_LOOKS = 10
"""Looks for which a shard that Kafka has yet to bring, or brings to another member, is not healed from the feed."""
QUIET_LOOKS = 5
"""Looks of healing with nothing from Kafka, after which the connection is made anew."""
HOLD_S = 60.0
"""How long a failing batch is tried again before Kafka is polled in between, so that the group keeps its member."""
HEAL_SHARDS = 8
HEAL_EVENTS = 500
OWN_LINGER_S = 0.1
"""In a steady flow own events are applied in company; the first one after a silence at once."""


@dataclass(frozen=True)
class ConsumerSettings:
    """How much a batch may hold and how long a read waits for its first record (what is there comes at once)."""

    max_records: int = 2000
    batch_timeout_ms: int = 250


class Consumer:
    """Reads the topics of `feeds` into the inbox; a service's own events straight from its log.

    Kafka is where to look first; the inbox positions and the sources' logs are the truth. A watch compares the two
    every second: a shard that does not move although its source's head is ahead is healed from the feed - at once if
    Kafka has nothing more to bring, after some patience otherwise. When only healing brings anything, or the broker's
    address changes, the connection to Kafka is made anew.
    """

    def __init__(
        self,
        inbox: Inbox,
        feeds: Mapping[str, Source],
        kafka: KafkaAddress,
        progress: Progress,
        settings: ConsumerSettings | None = None,
    ) -> None:
        self._inbox = inbox
        self._feeds = {source: feed for source, feed in feeds.items() if not isinstance(feed, OwnLog)}
        self._own = [feed for feed in feeds.values() if isinstance(feed, OwnLog)]
        self._told = asyncio.Event()
        self._kafka = kafka
        # Kafka shares out a group's partitions in the order of its members' names, which begin with this: in the groups
        # of all sources the same process gets the same partitions, and an institution is the business of one.
        self._member = f"hamkor-{inbox.service}-{new_id()}"
        self._progress = progress
        self._settings = settings or ConsumerSettings()
        self._reconnect = asyncio.Event()
        self._subscribers: dict[str, Any] = {}
        self._brought: dict[str, int] = dict.fromkeys(feeds, 0)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._prepare()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._stay_connected())
            for source in self._feeds:
                group.create_task(self._watch(source))
            for log_ in self._own:
                group.create_task(self._follow(log_))

    def look(self) -> None:
        """There is something new in the own log."""
        self._told.set()

    async def _prepare(self) -> None:
        backoff = Backoff(first_s=0.1, most_s=5.0)
        while True:
            self._progress.beat("consumer")
            try:
                await self._inbox.prepare()
                return
            except Exception as problem:
                # Also a database without tables yet: migrations may still run.
                log.warning("consumer.database_not_ready", error=repr(problem)[:300])
            await backoff.wait()

    async def _stay_connected(self) -> None:
        backoff = Backoff(first_s=0.2, most_s=5.0)
        while True:
            self._progress.beat("consumer")
            try:
                await self._connection(backoff)
                log.info("consumer.reconnecting", reason=await why_unreachable(self._kafka))
            except Exception as problem:
                log.warning("consumer.kafka_unreachable", error=repr(problem)[:300])
            await backoff.wait()

    async def _connection(self, backoff: Backoff) -> None:
        """One connection to Kafka, until it has to be made anew."""
        address = self._kafka.resolve()
        broker = make_broker(self._kafka, self._member)
        leaving = self._reconnect = asyncio.Event()
        subscribers = {
            source: subscribe(
                broker,
                topic_of(source),
                # A group of its own for each topic: one member a group is all that the embedded broker can do.
                group_id=f"hamkor.{self._inbox.service}.{source}",
                handler=self._handler(source, leaving),
                max_records=self._settings.max_records,
                batch_timeout_ms=self._settings.batch_timeout_ms,
                embedded=self._kafka.embedded,
            )
            for source in self._feeds
        }
        connected = CONSUMER_CONNECTED.labels(self._inbox.service)
        try:
            async with explained(self._kafka), asyncio.timeout(30):
                await broker.start()
            self._subscribers = subscribers
            connected.set(1)
            log.info("consumer.connected")
            while not leaving.is_set() and self._kafka.resolve() == address:
                self._progress.beat("consumer")
                backoff.reset()
                await until_set(leaving, LOOK_S)
        finally:
            self._subscribers = {}
            connected.set(0)
            leaving.set()
            await close(broker.stop(), 5)

    def _handler(self, source: str, leaving: asyncio.Event) -> "RecordsHandler":
        backoff = Backoff(first_s=0.1, most_s=5.0)

        async def handle(records: "Sequence[ConsumerRecord[bytes, bytes]]") -> None:
            events = [event_of(record) for record in records]
            self._brought[source] += 1
            hold_until = time.monotonic() + HOLD_S
            while True:
                try:
                    await self._inbox.deliver(source, events)
                    backoff.reset()
                    return
                except Exception as problem:
                    # Tried again here: redelivery would come at once, hundreds of times a second. Should another
                    # member have the partition by now, the positions fence this one.
                    INBOX_FAILURES.labels(self._inbox.service, source).inc()
                    report = log.critical if isinstance(problem, FuseBlown) else log.warning
                    report("consumer.batch_failed", source=source, error=repr(problem)[:500])
                    await until_set(leaving, backoff.next_s())
                    if leaving.is_set() or time.monotonic() > hold_until:
                        raise

        return handle

    async def _watch(self, source: str) -> None:
        feed = self._feeds[source]
        loop = f"watch.{source}"
        heads: list[int] | None = None
        applied: list[int] = []
        looks: dict[int, int] = defaultdict(int)
        quiet = 0
        reconnect_after = QUIET_LOOKS
        failing_since = told_at = 0.0
        while True:
            self._progress.beat(loop)
            await asyncio.sleep(LOOK_S if self._subscribers else LOOK_DISCONNECTED_S)
            try:
                before, target = applied, heads
                heads, applied = await feed.heads(), await self._inbox.positions(source)
                if failing_since:
                    log.info("consumer.watch_recovered", source=source, after_s=round(time.monotonic() - failing_since))
                    failing_since = told_at = 0.0
                self._tell_lag(source, heads, applied)
                if target is None:
                    continue
                for shard, position in enumerate(applied):
                    # Behind where the source already was a look ago, and not moving.
                    waits = position == before[shard] and position < target[shard]
                    looks[shard] = looks[shard] + 1 if waits else 0
                stuck = {shard: applied[shard] for shard, count in looks.items() if count}
                due = {
                    shard: position
                    for shard, position in stuck.items()
                    if looks[shard] >= PATIENCE_LOOKS or not await self._may_come(source, shard)
                }
                if due:
                    await self._heal(source, due, heads)
                if not stuck or self._brought[source]:
                    quiet, self._brought[source] = 0, 0
                    reconnect_after = QUIET_LOOKS if not stuck else reconnect_after
                else:
                    quiet += 1
                if quiet >= reconnect_after and self._subscribers:
                    quiet, reconnect_after = 0, min(reconnect_after * 2, 60)
                    self._reconnect.set()
            except FuseBlown as problem:
                log.critical("consumer.fuse_blown", source=source, error=str(problem))
            except Exception as problem:
                # Tried again every second: told when it begins, then once a minute.
                now = time.monotonic()
                failing_since = failing_since or now
                if now - told_at >= TELL_AGAIN_S or not told_at:
                    told_at = now
                    log.warning(
                        "consumer.watch_failed",
                        source=source,
                        error=repr(problem)[:300],
                        since_s=round(now - failing_since),
                    )

    async def _follow(self, own: OwnLog) -> None:
        """Apply the own log as it grows; looks when told and, as a safety net, every second."""
        backoff = Backoff(first_s=0.1, most_s=5.0)
        lag = [INBOX_LAG.labels(self._inbox.service, own.source, str(shard)) for shard in range(SHARDS)]
        while True:
            self._progress.beat(f"watch.{own.source}")
            self._told.clear()
            try:
                passed = await self._inbox.pass_by(own.source)
                # What comes meanwhile is told of again: it is looked at whether anybody needs it, too.
                events, waiting = ([], {}) if passed is not None else await own.next()
                for shard, gauge in enumerate(lag):
                    gauge.set(waiting.get(shard, 0))
                if events:
                    await self._inbox.deliver(own.source, events)
                backoff.reset()
            except Exception as problem:
                INBOX_FAILURES.labels(self._inbox.service, own.source).inc()
                report = log.critical if isinstance(problem, FuseBlown) else log.warning
                report("consumer.batch_failed", source=own.source, error=repr(problem)[:500])
                await backoff.wait()
                continue
            if sum(waiting.values()) > len(events):
                continue  # there is more
            if passed or events:
                await asyncio.sleep(OWN_LINGER_S)
            await until_set(self._told, LOOK_S)

    def _tell_lag(self, source: str, heads: Sequence[int], applied: Sequence[int]) -> None:
        for shard, (head, position) in enumerate(zip(heads, applied, strict=True)):
            INBOX_LAG.labels(self._inbox.service, source, str(shard)).set(max(0, head - position))

    async def _may_come(self, source: str, shard: int) -> bool:
        """True while Kafka has records of the shard's partition that were not read yet, or another member reads it."""
        subscriber = self._subscribers.get(source)
        consumer = subscriber.consumer if subscriber is not None else None
        if consumer is None or not consumer.assignment():
            return False
        partitions = consumer.partitions_for_topic(topic_of(source))
        if not partitions:
            return False
        place = TopicPartition(topic_of(source), shard % len(partitions))
        if place not in consumer.assignment():
            return True
        try:
            end = consumer.highwater(place)
            async with asyncio.timeout(0.2):
                return end is not None and end > await consumer.position(place)
        except (KafkaError, TimeoutError, AssertionError):
            return False

    async def _heal(self, source: str, due: Mapping[int, int], heads: Sequence[int]) -> None:
        """Bring shards from their applied positions to where the source's heads were, several at a time."""
        log.info("consumer.healing", source=source, shards=len(due))
        left = dict(due)
        while left:
            some = list(left.items())[:HEAL_SHARDS]
            feed = self._feeds[source]
            pages = await asyncio.gather(*(feed.events(shard, after, HEAL_EVENTS) for shard, after in some))
            await self._inbox.deliver(source, [event for page in pages for event in page], healed=True)
            for (shard, _), page in zip(some, pages, strict=True):
                left[shard] = page[-1].position if page else heads[shard]
                if left[shard] >= heads[shard]:
                    del left[shard]
            self._progress.beat(f"watch.{source}")
