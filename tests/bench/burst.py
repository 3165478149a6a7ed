"""A burst: how long after its time an event is visible while far more come at once than usual, and what it takes.

Real Kafka, PostgreSQL, and monitoring as it is deployed: `--services` processes that share the partitions. What the
other services tell is produced here, every event with the time at which it is sent: a steady flow, the burst, a steady
flow again. Twenty milliseconds at most pass before it is noticed that an event's position was applied. A dashboard
asks ten times a second meanwhile.
"""

import argparse
import asyncio
import itertools
import tempfile
import threading
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import httpx
import msgspec
import psutil
from confluent_kafka import Producer

from services.monitoring.domain.definitions import INDICATORS
from services.monitoring.domain.periods import period_at
from shared.contracts.events import Event, topic_of
from shared.messaging.wire import headers_of
from shared.persistence.engine import dsn_of
from shared.scope import Role
from shared.waiting import until_set
from tests.bench.monitoring_backlog import PARTITIONS, an_inbox, batches_of, deliver
from tests.bench.monitoring_load import Nation
from tests.bench.monitoring_queries import LAST, at_rest, settled
from tests.bench.report import cpu_of, figure, percentile
from tests.bench.serving import a_service
from tests.support.engines import a_postgres
from tests.support.issuer import Issuer
from tests.support.kafka import RealKafka
from tests.support.services import Client, environment_of, free_port, serving

TICK_S = 0.01
LOOK_S = 0.02
PATIENCE_S = 300.0
Sent = dict[tuple[str, int], tuple[list[int], list[float]]]
"""By (source, shard): positions in their order, and when each was sent."""


class Telling(threading.Thread):
    """Sends events at the given rates, each with its time, as relays do: shard by shard in order."""

    def __init__(self, kafka: str, events: Sequence[Event], phases: Sequence[tuple[float, float]]) -> None:
        super().__init__(daemon=True)
        self._producer = Producer(
            {
                "bootstrap.servers": kafka,
                "enable.idempotence": True,
                "linger.ms": 2,
                "queue.buffering.max.messages": 1_000_000,
            }
        )
        self._events = iter(events)
        self._phases = phases
        self.sent: Sent = defaultdict(lambda: ([], []))
        self.late_s = 0.0
        """How far the sending itself fell behind its plan at worst."""
        self.begins: list[float] = []
        """When each phase began."""

    def run(self) -> None:
        """Send everything."""
        for rate, seconds in self._phases:
            began, done = time.time(), 0
            self.begins.append(began)
            while done < rate * seconds:
                due = min(rate * seconds, (time.time() - began) * rate)
                self.late_s = max(self.late_s, (due - done) / rate - TICK_S)
                for event in itertools.islice(self._events, int(due) - done):
                    self._send(event)
                done = int(due)
                self._producer.poll(0)
                time.sleep(TICK_S)  # the pace of the sending, which waits for nothing
        self._producer.flush()
        del self._producer  # or it complains of the broker's end

    def _send(self, event: Event) -> None:
        at = time.time()
        told = msgspec.structs.replace(event, time=datetime.fromtimestamp(at, UTC))
        headers: Any = headers_of(told)
        partition = event.shard % PARTITIONS
        self._producer.produce(topic_of(event.source), event.data, event.key, partition, headers=headers)
        positions, times = self.sent[event.source, event.shard]
        positions.append(event.position)
        times.append(at)


class Watching:
    """Looks how far everything is applied, and notes for every event how old it was when that was seen."""

    def __init__(self, connection: Any, sent: Sent) -> None:
        self._connection = connection
        self._sent = sent
        self._seen: dict[tuple[str, int], int] = defaultdict(int)
        self.ages: list[tuple[float, float]] = []
        """(when it was sent, seconds until it was seen)."""

    async def look(self) -> None:
        """Once."""
        rows = await self._connection.fetch("select source, shard, position from inbox")
        at = time.time()
        for source, shard, position in rows:
            if (source, shard) not in self._sent:
                continue
            positions, times = self._sent[source, shard]
            before, reached = self._seen[source, shard], bisect_right(positions, position)
            self.ages += [(sent, at - sent) for sent in times[before:reached]]
            self._seen[source, shard] = reached


def most_resident(pid: int) -> int:
    """The most bytes that a process ever had resident."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


async def reading(client: Client, nation: Nation, stop: asyncio.Event) -> list[float]:
    """A dashboard that asks ten times a second; milliseconds of each answer."""
    random, took = Random(3), []
    while not stop.is_set():
        indicator = random.choice(["F1", "F2", "I2", "I5", "S3"])
        period = period_at(random.choice(INDICATORS[indicator].period_kinds), LAST).text
        began = time.perf_counter()
        answer = await client.get("/v1/values", indicator=indicator, place=random.choice(nation.ids), period=period)
        answer.raise_for_status()
        took.append((time.perf_counter() - began) * 1000)
        await until_set(stop, 0.1)
    return took


async def measure(options: argparse.Namespace) -> None:
    """A country, the services, the flow; print the figures."""
    nation = Nation(options.institutions)
    places = list(nation.places())
    before = list(nation.work(options.before))
    phases = [(options.rate, options.steady), (options.burst, options.seconds), (options.rate, options.steady)]
    flow = list(nation.work(int(sum(rate * seconds for rate, seconds in phases)) + 1))
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hamkor-bench-")))
        postgres = await stack.enter_async_context(a_postgres(folder / "postgres"))
        kafka = await stack.enter_async_context(RealKafka(folder / "kafka", 1))
        database = await postgres.database("monitoring")
        await prepared(database.url, database.owner_url, places, before)
        issuer = Issuer()
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=60, trust_env=False))
        issuer.url = await stack.enter_async_context(serving(issuer.app(), free_port()))
        environment = environment_of(issuer.url, {"monitoring": database.url}, kafka.bootstrap_servers, False)
        services: dict[str, psutil.Process] = {}
        for _ in range(options.services):
            port = free_port()
            url = f"http://127.0.0.1:{port}"
            own = {"MONITORING_PORT": str(port), "MONITORING_URL": url, "LOG_LEVEL": "error"}
            services[url] = await stack.enter_async_context(a_service("monitoring", environment | own))
        figure("settled", await settled(database.url), "s", institutions=options.institutions)
        connection = await asyncpg.connect(dsn_of(database.url))
        stack.push_async_callback(connection.close)
        telling = Telling(kafka.bootstrap_servers, flow, phases)
        watching = Watching(connection, telling.sent)
        at_work = {"postgres": postgres.process.pid, "kafka": kafka.pids[0]}
        at_work |= {f"monitoring-{number}": each.pid for number, each in enumerate(services.values())}

        def used_s() -> dict[str, float]:
            return {"bench": time.process_time(), **{name: cpu_of(pid) for name, pid in at_work.items()}}

        stop = asyncio.Event()
        client = Client(http, next(iter(services)), issuer.token(Role.MINISTRY, "17"))
        dashboard = asyncio.create_task(reading(client, nation, stop))
        began, before_s = time.perf_counter(), used_s()
        telling.start()
        until = time.monotonic() + PATIENCE_S
        while telling.is_alive() or len(watching.ages) < sum(len(times) for _, times in telling.sent.values()):
            if time.monotonic() > until:
                raise SystemExit(f"{len(watching.ages)} events were seen within {PATIENCE_S:.0f} s")
            await watching.look()
            await asyncio.sleep(LOOK_S)
        seconds = time.perf_counter() - began
        cores = {name: round((now_s - before_s[name]) / seconds, 2) for name, now_s in used_s().items()}
        stop.set()
        say(options, telling, watching, await dashboard)
        figure("cores used by all", sum(cores.values()), "cores", each=cores)
        most = [round(most_resident(each.pid) / 2**20) for each in services.values()]
        figure("memory of a service at most", max(most), "MiB", each=most)


async def prepared(url: str, owner_url: str, places: Sequence[Event], before: Sequence[Event]) -> None:
    """Let what came before the measurement take effect."""
    database, inbox = an_inbox(url, 2)
    await inbox.prepare()
    await deliver(inbox, batches_of(places, 20_000, 1))
    await deliver(inbox, batches_of(before, 20_000))
    await database.engine.dispose()
    await at_rest(owner_url)


def say(options: argparse.Namespace, telling: Telling, watching: Watching, took: Sequence[float]) -> None:
    """Print what was found."""
    shape = {"services": options.services, "sent_late_ms": round(telling.late_s * 1000)}
    for name, (rate, begin), end in zip(
        ("steady before", "burst", "steady after"),
        zip((options.rate, options.burst, options.rate), telling.begins, strict=True),
        [*telling.begins[1:], float("inf")],
        strict=True,
    ):
        ages = [age * 1000 for sent, age in watching.ages if begin <= sent < end]
        figure(
            f"freshness, {name}",
            percentile(ages, 0.99),
            "ms p99",
            p50_ms=round(percentile(ages, 0.5)),
            most_ms=round(max(ages)),
            events=len(ages),
            rate=rate,
            **shape,
        )
    figure("a value meanwhile", percentile(took, 0.95), "ms p95", p50_ms=round(percentile(took, 0.5), 1))


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--institutions", type=int, default=11_000)
    parser.add_argument("--before", type=int, default=200_000, help="events that came before")
    parser.add_argument("--rate", type=float, default=1_000.0, help="events a second before and after the burst")
    parser.add_argument("--steady", type=float, default=15.0, help="seconds before and after the burst")
    parser.add_argument("--burst", type=float, default=20_000.0, help="events a second")
    parser.add_argument("--seconds", type=float, default=5.0, help="of the burst")
    parser.add_argument("--services", type=int, default=2, help="processes of monitoring")
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
