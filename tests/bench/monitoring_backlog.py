"""A backlog worked off: events a second that monitoring applies, exactly once, into PostgreSQL on this machine.

The whole engine with the inbox in front – decoding, positions, event log, contributions, distinct members, derived I5 –
on a country of 10,000 institutions; only Kafka is left out. As many processes share the partitions as there are cores,
which is how monitoring is deployed. With --live more events come behind the backlog in small
batches, as when monitoring keeps up. With --rebuild a new generation is built from the log afterwards; with --check the
cells are compared with the recomputation, those of the new generation too.
"""

import argparse
import asyncio
import cProfile
import gc
import multiprocessing
import os
import pstats
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from services.monitoring import LISTENS_TO
from services.monitoring.commands import Applier
from services.monitoring.generation import Rebuild
from services.monitoring.recompute.country import Country
from services.monitoring.subscribers import Indicators
from shared.contracts.events import Event
from shared.messaging.inbox import Inbox
from shared.persistence.engine import dsn_of, make_engine
from shared.persistence.unit_of_work import Database
from tests.bench.monitoring_load import Nation
from tests.bench.report import cpu_of, figure
from tests.integration.monitoring.support import Bench, compared
from tests.support.engines import Postgres, a_postgres
from tests.support.monitoring import final_states

NATIONAL_YEAR = 11_000_000
"""Events."""
LIVE_BATCH = 20
PARTITIONS = 12
"""Of a topic, as deploy/kafka has it."""


def batches_of(events: Sequence[Event], size: int, partitions: int = PARTITIONS) -> list[tuple[str, list[Event]]]:
    """As a consumer with a backlog fetches them: source by source and partition by partition, in order."""
    lanes: dict[tuple[str, int], list[Event]] = defaultdict(list)
    for event in events:
        lanes[event.source, event.shard % partitions].append(event)
    return [
        (source, lane[start : start + size])
        for (source, _), lane in sorted(lanes.items())
        for start in range(0, len(lane), size)
    ]


def shares_of(batches: "Batches", workers: int) -> list["Batches"]:
    """As a group's members share the partitions; no member goes without."""
    shares: list[Batches] = [[] for _ in range(workers)]
    numbers: dict[tuple[str, int], int] = {}
    for source, batch in batches:
        partition = numbers.setdefault((source, batch[0].shard % PARTITIONS), len(numbers))
        shares[partition % workers].append((source, batch))
    return [share for share in shares if share]


def cpu_here() -> float:
    """Seconds of processor of this process and of those that it has started and waited for."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


@dataclass(frozen=True)
class Meter:
    """Wall clock and processor time, ours and PostgreSQL's, since it was made."""

    postgres: Postgres
    started: float = field(default_factory=time.perf_counter)
    cpu: float = field(default_factory=cpu_here)
    server: float = -1.0

    def __post_init__(self) -> None:
        """Read PostgreSQL's."""
        object.__setattr__(self, "server", cpu_of(self.postgres.process.pid))

    def say(self, name: str, events: int, cpu_s: float | None = None, **more: Any) -> float:
        """Print a figure; returns the microseconds of processor time an event took.

        `cpu_s`: our processor time where somebody else has measured it.
        """
        elapsed_s = time.perf_counter() - self.started
        cpu_s = cpu_here() - self.cpu if cpu_s is None else cpu_s
        server_s = cpu_of(self.postgres.process.pid) - self.server
        figure(
            name,
            events / elapsed_s,
            "events/s",
            events=events,
            python_cpu_us=round(cpu_s / events * 1e6, 1),
            postgres_cpu_us=round(server_s / events * 1e6, 1),
            **more,
        )
        return (cpu_s + server_s) / events * 1e6


Batches = list[tuple[str, list[Event]]]


def an_inbox(url: str, lanes: int) -> tuple[Database, Inbox]:
    """As services.monitoring.app has it."""
    database = Database("monitoring", make_engine(url, application="bench"))
    feeds: dict[str, Any] = dict.fromkeys(LISTENS_TO)  # positions are dense: nobody asks a feed
    projections = [Indicators(Applier(10)) for _ in range(lanes)]
    return database, Inbox(database, projections[0], feeds, projections[1:])


def work(url: str, lanes: int, batches: Batches, begins: Barrier, done: "SimpleQueue[tuple[int, float]]") -> None:
    """A process's share of the backlog; says how many events took effect, and its processor time in seconds."""

    async def deliver() -> None:
        database, inbox = an_inbox(url, lanes)
        await inbox.positions(batches[0][0])  # connected
        await asyncio.to_thread(begins.wait)
        before = cpu_here()
        applied = 0
        for source, batch in batches:
            applied += await inbox.deliver(source, batch)
        done.put((applied, cpu_here() - before))
        await database.engine.dispose()

    gc.freeze()  # what the bench holds is no garbage of the service
    gc.set_threshold(100_000, 50, 100)  # as services.monitoring.app does
    asyncio.run(deliver())


async def shared(postgres: Postgres, url: str, lanes: int, shares: list[Batches]) -> tuple[Meter, int, float]:
    """The backlog worked off by a process for each share: since when, events that took effect, processor time."""
    context = multiprocessing.get_context("spawn")
    begins, done = context.Barrier(len(shares) + 1), context.SimpleQueue()
    processes = [context.Process(target=work, args=(url, lanes, share, begins, done)) for share in shares]
    for process in processes:
        process.start()
    await asyncio.to_thread(begins.wait, 300)
    meter = Meter(postgres)
    found = [await asyncio.to_thread(done.get) for _ in processes]
    return meter, sum(applied for applied, _ in found), sum(cpu_s for _, cpu_s in found)


async def run(institutions: int, months: int, options: argparse.Namespace) -> tuple[bool, float]:
    """One measurement: whether the checks held, and the processor time of an event in microseconds."""
    nation = Nation(institutions, months)
    places = list(nation.places())
    events = list(nation.work(options.events + options.live))
    with tempfile.TemporaryDirectory(prefix="hamkor-bench-") as folder:
        async with a_postgres(Path(folder)) as postgres:
            test_database = await postgres.database("monitoring")
            database, inbox = an_inbox(test_database.url, options.lanes)
            await inbox.prepare()
            for source, batch in batches_of(places, 20_000, 1):
                await inbox.deliver(source, batch)
            profiler = cProfile.Profile()
            gc.freeze()  # what the bench holds is no garbage of the service
            gc.set_threshold(100_000, 50, 100)  # as services.monitoring.app does
            shares = shares_of(batches_of(events[: options.events], options.batch, options.partitions), options.workers)
            meter, applied, cpu_s = Meter(postgres), 0, None
            if len(shares) > 1:
                meter, applied, cpu_s = await shared(postgres, test_database.url, options.lanes, shares)
            else:
                if options.profile:
                    profiler.enable()
                for source, batch in shares[0]:
                    applied += await inbox.deliver(source, batch)
                profiler.disable()
            shape = {
                "institutions": institutions,
                "months": months,
                "batch": options.batch,
                "partitions": options.partitions,
                "lanes": options.lanes,
                "workers": len(shares),
            }
            cost_us = meter.say("monitoring backlog", applied, cpu_s, **shape)
            if options.live:
                meter = Meter(postgres)
                for source, batch in batches_of(events[options.events :], LIVE_BATCH, options.partitions):
                    applied += await inbox.deliver(source, batch)
                cost_us = meter.say("monitoring, a few events at a time", options.live, **shape | {"batch": LIVE_BATCH})
            await database.engine.dispose()
            if options.profile:
                pstats.Stats(profiler).sort_stats("tottime").print_stats(45)
            fine = applied == len(events)
            async with Bench(test_database) as bench:
                proof = final_states([*places, *events]) if options.check else None
                fine &= await proven(bench, proof, "live")
                if options.rebuild:
                    meter = Meter(postgres)
                    await Rebuild(dsn_of(test_database.url)).run()
                    took_s = time.perf_counter() - meter.started
                    national_s = took_s / (len(events) + len(places)) * NATIONAL_YEAR
                    meter.say(
                        "monitoring rebuild", len(events) + len(places), national_year_minutes=round(national_s / 60, 1)
                    )
                    fine &= await proven(bench, proof, "rebuilt")
    return fine, cost_us


async def proven(bench: Bench, country: Country | None, name: str) -> bool:
    """Whether the cells equal the recomputation; true where nobody asked."""
    if country is None:
        return True
    values, proof = compared(await bench.cells(), country)
    mismatches = sum(values.get(key) != proof.get(key) for key in values.keys() | proof.keys())
    figure(f"mismatches, {name}", mismatches, "values", values=len(proof))
    return mismatches == 0


def main() -> None:
    """Read the options, measure, say what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--institutions", type=int, nargs="+", default=[10_000], help="several: each in turn")
    parser.add_argument("--months", type=int, nargs="+", default=[24], help="over which events spread; several too")
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--live", type=int, default=0, help="so many more events afterwards, a few at a time")
    parser.add_argument("--batch", type=int, default=20_000)
    parser.add_argument("--partitions", type=int, default=PARTITIONS, help="of a topic; 1: batches in order of time")
    parser.add_argument("--lanes", type=int, default=2, help="transactions at a time; the service has two")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--workers", type=int, default=cores, help="processes that share the partitions")
    parser.add_argument("--rebuild", action="store_true", help="build a new generation from the log afterwards")
    parser.add_argument("--check", action="store_true", help="compare every cell with the recomputation (slow)")
    parser.add_argument("--profile", action="store_true", help="of one worker")
    options = parser.parse_args()
    if options.profile:
        options.workers = 1
    shapes = [(institutions, months) for institutions in options.institutions for months in options.months]
    found = [asyncio.run(run(*shape, options)) for shape in shapes]
    if len(found) > 1:
        figure("cost of an event, last to first", found[-1][1] / found[0][1], "ratio", shapes=shapes)
    raise SystemExit(not all(fine for fine, _ in found))


if __name__ == "__main__":
    main()
