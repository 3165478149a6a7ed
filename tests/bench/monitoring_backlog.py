"""A backlog worked off: events a second that monitoring applies, exactly once, into PostgreSQL on this machine.

The whole engine with the inbox in front – decoding, positions, event log, contributions, distinct members, derived I5 –
on a country of 10,000 institutions; only Kafka is left out. With --live more events come behind the backlog in small
batches, as when monitoring keeps up. With --rebuild a new generation is built from the log afterwards; with --check the
cells are compared with the recomputation, those of the new generation too.
"""

import argparse
import asyncio
import cProfile
import gc
import os
import pstats
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
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

    def say(self, name: str, events: int, **more: Any) -> float:
        """Print a figure; returns the microseconds of processor time an event took."""
        elapsed_s, cpu_s = time.perf_counter() - self.started, cpu_here() - self.cpu
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


async def run(institutions: int, months: int, options: argparse.Namespace) -> tuple[bool, float]:
    """One measurement: whether the checks held, and the processor time of an event in microseconds."""
    nation = Nation(institutions, months)
    places = list(nation.places())
    work = list(nation.work(options.events + options.live))
    with tempfile.TemporaryDirectory(prefix="hamkor-bench-") as folder:
        async with a_postgres(Path(folder)) as postgres:
            test_database = await postgres.database("monitoring")
            database = Database("monitoring", make_engine(test_database.url, application="bench"))
            feeds: dict[str, Any] = dict.fromkeys(LISTENS_TO)  # positions are dense: nobody asks a feed
            lanes = [Indicators(Applier(10)) for _ in range(options.lanes)]
            inbox = Inbox(database, lanes[0], feeds, lanes[1:])
            await inbox.prepare()
            for source, batch in batches_of(places, 20_000, 1):
                await inbox.deliver(source, batch)
            profiler = cProfile.Profile()
            gc.freeze()  # what the bench holds is no garbage of the service
            gc.set_threshold(100_000, 50, 100)  # as services.monitoring.app does
            meter = Meter(postgres)
            if options.profile:
                profiler.enable()
            applied = 0
            for source, batch in batches_of(work[: options.events], options.batch, options.partitions):
                applied += await inbox.deliver(source, batch)
            profiler.disable()
            shape = {
                "institutions": institutions,
                "months": months,
                "batch": options.batch,
                "partitions": options.partitions,
                "lanes": options.lanes,
            }
            cost_us = meter.say("monitoring backlog", applied, **shape)
            if options.live:
                meter = Meter(postgres)
                for source, batch in batches_of(work[options.events :], LIVE_BATCH, options.partitions):
                    applied += await inbox.deliver(source, batch)
                cost_us = meter.say("monitoring, a few events at a time", options.live, **shape | {"batch": LIVE_BATCH})
            await database.engine.dispose()
            if options.profile:
                pstats.Stats(profiler).sort_stats("tottime").print_stats(45)
            fine = applied == len(work)
            async with Bench(test_database) as bench:
                proof = final_states([*places, *work]) if options.check else None
                fine &= await proven(bench, proof, "live")
                if options.rebuild:
                    meter = Meter(postgres)
                    await Rebuild(dsn_of(test_database.url)).run()
                    took_s = time.perf_counter() - meter.started
                    national_s = took_s / (len(work) + len(places)) * NATIONAL_YEAR
                    meter.say(
                        "monitoring rebuild", len(work) + len(places), national_year_minutes=round(national_s / 60, 1)
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
    parser.add_argument("--rebuild", action="store_true", help="build a new generation from the log afterwards")
    parser.add_argument("--check", action="store_true", help="compare every cell with the recomputation (slow)")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    shapes = [(institutions, months) for institutions in options.institutions for months in options.months]
    found = [asyncio.run(run(*shape, options)) for shape in shapes]
    if len(found) > 1:
        figure("cost of an event, last to first", found[-1][1] / found[0][1], "ratio", shapes=shapes)
    raise SystemExit(not all(fine for fine, _ in found))


if __name__ == "__main__":
    main()
