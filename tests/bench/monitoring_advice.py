"""Recommendations: how long every rule takes at every level of a whole country, the first day and a quiet one.

The cells are written by SQL as for monitoring_queries; evaluation and PostgreSQL share the machine, nothing else runs.
"""

import argparse
import asyncio
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import psutil

from services.monitoring.advice.evaluation import Evaluator, Outcome
from services.monitoring.advice.lifecycle import LEVEL_NUMBERS
from services.monitoring.advice.settings import in_force
from services.monitoring.directory import Directory
from shared.clock import local_day
from shared.persistence.engine import dsn_of, make_engine, raw_connection
from shared.persistence.unit_of_work import Database
from shared.scope import SYSTEM
from tests.bench.monitoring_queries import fill
from tests.bench.report import figure
from tests.support.engines import a_postgres

NOW = datetime(2026, 11, 20, 7, tzinfo=UTC)
K = 10


async def evaluate(database: Database) -> Outcome:
    """Every rule at every level it looks at."""
    directory, evaluator, outcome = Directory(), Evaluator(database, K), Outcome()
    async with database.reading(SYSTEM) as session:
        connection = await raw_connection(session)
        await directory.look(connection)
        settings = await in_force(connection)
    for setting in settings.values():
        for level in setting.rule.levels:
            places = directory.at_level(LEVEL_NUMBERS[level])
            outcome.add(await evaluator.level(setting, level, places, local_day(NOW)))
    return outcome


async def run(institutions: int, months: int) -> None:
    """Fill, evaluate twice, measure."""
    with tempfile.TemporaryDirectory(prefix="hamkor-bench-") as folder:
        async with a_postgres(Path(folder) / "postgres") as postgres:
            found = await postgres.database("monitoring")
            await fill(found.url, institutions, months, 0)
            owner = await asyncpg.connect(dsn_of(found.owner_url))
            await owner.execute("vacuum analyze")
            await owner.close()
            engine = make_engine(found.url, application="bench", pool_size=4)
            database = Database("monitoring", engine, lambda: NOW)
            for what in ("first day", "a quiet day"):
                began = time.perf_counter()
                outcome = await evaluate(database)
                figure(
                    f"every rule at every level, {what}",
                    time.perf_counter() - began,
                    "s",
                    institutions=institutions,
                    looked=outcome.looked,
                    made=outcome.made,
                    resolved=outcome.resolved,
                    resident_mib=round(psutil.Process().memory_info().rss / 2**20),
                )
            await engine.dispose()


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--institutions", type=int, default=11_000)
    parser.add_argument("--months", type=int, default=24)
    options = parser.parse_args()
    asyncio.run(run(options.institutions, options.months))


if __name__ == "__main__":
    main()
