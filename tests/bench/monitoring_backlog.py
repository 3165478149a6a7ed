"""A backlog worked off: events a second that monitoring applies, exactly once, into PostgreSQL on this machine.

The whole engine with the inbox in front – decoding, positions, event log, contributions, distinct members, derived I5 –
on a country of 10,000 institutions; only Kafka is left out. With --check the cells are compared with the recomputation.
"""

import argparse
import asyncio
import cProfile
import gc
import pstats
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from services.monitoring import LISTENS_TO
from services.monitoring.commands import Applier
from services.monitoring.subscribers import Indicators
from shared.contracts.events import Event
from shared.messaging.inbox import Inbox
from shared.persistence.engine import make_engine
from shared.persistence.unit_of_work import Database
from tests.bench.monitoring_load import Nation
from tests.bench.report import figure
from tests.integration.monitoring.support import Bench, compared
from tests.support.engines import Postgres, a_postgres
from tests.support.monitoring import final_states

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


def cpu_of(postgres: Postgres) -> float:
    """Seconds of processor that the server and its connections have used."""
    assert postgres.process.pid is not None
    server = psutil.Process(postgres.process.pid)
    times = [each.cpu_times() for each in [server, *server.children(recursive=True)]]
    ended = server.cpu_times()
    return sum(each.user + each.system for each in times) + ended.children_user + ended.children_system


async def run(institutions: int, count: int, size: int, partitions: int, *, check: bool, profile: bool) -> bool:
    """One measurement; False where the check fails."""
    nation = Nation(institutions)
    places = list(nation.places())
    work = list(nation.work(count))
    with tempfile.TemporaryDirectory(prefix="hamkor-bench-") as folder:
        async with a_postgres(Path(folder)) as postgres:
            test_database = await postgres.database("monitoring")
            database = Database("monitoring", make_engine(test_database.url, application="bench"))
            feeds: dict[str, Any] = dict.fromkeys(LISTENS_TO)  # positions are dense: nobody asks a feed
            inbox = Inbox(database, Indicators(Applier(10)), feeds)
            await inbox.prepare()
            for source, batch in batches_of(places, 20_000, 1):
                await inbox.deliver(source, batch)
            profiler = cProfile.Profile()
            gc.freeze()  # what the bench holds is no garbage of the service
            gc.set_threshold(100_000, 50, 100)  # as services.monitoring.app does
            started, cpu, server = time.perf_counter(), time.process_time(), cpu_of(postgres)
            if profile:
                profiler.enable()
            applied = 0
            for source, batch in batches_of(work, size, partitions):
                applied += await inbox.deliver(source, batch)
            profiler.disable()
            elapsed_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu
            server_s = cpu_of(postgres) - server
            await database.engine.dispose()
            if profile:
                pstats.Stats(profiler).sort_stats("tottime").print_stats(45)
            mismatches = 0
            if check:
                async with Bench(test_database) as bench:
                    values, proof = compared(await bench.cells(), final_states([*places, *work]))
                mismatches = sum(values.get(key) != proof.get(key) for key in values.keys() | proof.keys())
    figure(
        "monitoring backlog",
        applied / elapsed_s,
        "events/s",
        events=applied,
        institutions=institutions,
        batch=size,
        partitions=partitions,
        python_cpu_us=round(cpu_s / applied * 1e6, 1),
        postgres_cpu_us=round(server_s / applied * 1e6, 1),
        mismatches=mismatches if check else None,
    )
    return applied == count and not mismatches


def main() -> None:
    """Read the options, measure, say what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--institutions", type=int, default=10_000)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--batch", type=int, default=20_000)
    parser.add_argument("--partitions", type=int, default=PARTITIONS, help="of a topic; 1: batches in order of time")
    parser.add_argument("--check", action="store_true", help="compare every cell with the recomputation (slow)")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    fine = asyncio.run(
        run(
            options.institutions,
            options.events,
            options.batch,
            options.partitions,
            check=options.check,
            profile=options.profile,
        )
    )
    raise SystemExit(not fine)


if __name__ == "__main__":
    main()
