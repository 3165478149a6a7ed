"""A backlog worked off: events a second that monitoring applies, exactly once, into PostgreSQL on this machine.

The whole engine with the inbox in front – decoding, positions, event log, contributions, distinct members, derived I5 –
on a country of 10,000 institutions; only Kafka is left out. As many processes share the partitions as there are cores,
as several monitoring services on one Kafka would. With --live more events come behind the backlog in small batches, as
when monitoring keeps up. With --rebuild a new generation is built from the log afterwards; with --check the cells are
compared with the recomputation, those of the new generation too.
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
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
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
START_S = 300
"""Within which every worker has started."""
_begin: Barrier
"""In a worker: when all of them begin."""
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


def shares_of(batches: "Batches", workers: int, partitions: int) -> list["Batches"]:
    """As a group's members share the partitions, each of which one member reads in order; no member goes without."""
    shares: list[Batches] = [[] for _ in range(workers)]
    numbers: dict[tuple[str, int], int] = {}
    for source, batch in batches:
        partition = numbers.setdefault((source, batch[0].shard % partitions), len(numbers))
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


async def deliver(inbox: Inbox, batches: Batches) -> int:
    """How many events took effect."""
    return sum([await inbox.deliver(source, batch) for source, batch in batches])


def as_the_service() -> None:
    """Look for garbage as services.monitoring.app does; what the bench holds is none of the service's."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def work(url: str, lanes: int, batches: Batches) -> tuple[int, float]:
    """In a process of its own: what took effect of a share of the backlog, and the processor time in seconds."""

    async def take() -> tuple[int, float]:
        database, inbox = an_inbox(url, lanes)
        await inbox.positions(batches[0][0])  # connected
        _begin.wait(START_S)
        before = cpu_here()
        applied = await deliver(inbox, batches)
        used_s = cpu_here() - before
        await database.engine.dispose()
        return applied, used_s

    as_the_service()
    return asyncio.run(take())


def _start(begin: Barrier) -> None:
    global _begin
    _begin = begin


async def shared(postgres: Postgres, url: str, lanes: int, shares: list[Batches]) -> tuple[Meter, int, float]:
    """The backlog worked off by a process for each share: since when, events that took effect, processor time."""
    context = multiprocessing.get_context("spawn")
    begin = context.Barrier(len(shares) + 1)
    with ProcessPoolExecutor(len(shares), context, _start, (begin,)) as pool:
        shares_done = [asyncio.wrap_future(pool.submit(work, url, lanes, share)) for share in shares]
        await asyncio.to_thread(begin.wait, START_S)
        meter = Meter(postgres)
        found = await asyncio.gather(*shares_done)
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
            await deliver(inbox, batches_of(places, 20_000, 1))
            profiler = cProfile.Profile()
            as_the_service()
            backlog = batches_of(events[: options.events], options.batch, options.partitions)
            shares = shares_of(backlog, options.workers, options.partitions)
            meter, applied, cpu_s = Meter(postgres), 0, None
            if len(shares) > 1:
                meter, applied, cpu_s = await shared(postgres, test_database.url, options.lanes, shares)
            else:
                if options.profile:
                    profiler.enable()
                applied = await deliver(inbox, shares[0])
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
            await database.engine.dispose()
            if options.live:
                database, inbox = an_inbox(test_database.url, options.lanes)  # others have moved the positions
                meter = Meter(postgres)
                applied += await deliver(inbox, batches_of(events[options.events :], LIVE_BATCH, options.partitions))
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
