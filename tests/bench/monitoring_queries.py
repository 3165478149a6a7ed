"""Dashboard queries: how long any value, map and series takes with 10,000 institutions × 24 months in the cells.

The cells are written by SQL, the requests go over HTTP to the service as it is, from a process of their own. They begin
when the reports of so many new institutions are open and their places reminded, which is told first.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import asyncpg
import httpx

from services.monitoring.domain.definitions import INDICATORS
from services.monitoring.domain.disclosure import EVERY_SEGMENT
from services.monitoring.domain.periods import SEPTEMBER, period_at
from services.monitoring.domain.persons import BY_NUMBER, HELD_SLOTS
from shared.clock import local_day, now
from shared.persistence.engine import dsn_of
from shared.scope import Role
from tests.bench.asking import Question, durations
from tests.bench.monitoring_load import Nation
from tests.bench.report import figure, percentile
from tests.integration.monitoring.support import Bench
from tests.support.engines import a_broker, a_postgres
from tests.support.issuer import Issuer
from tests.support.services import Client, Neighbourhood, Running, environment_of, free_port, serving

QUIET_LOOKS = 5
WARMING = 20
AT_ONCE = 20_000
LAST = 2026 * 12 + 9
"""October 2026."""

_FILL = """
insert into cell (place, slot, period, v0, v1, v2, v3, as_of)
select p.id, slot, month, 1 + random() * 3, random() * 4, random() * 2, random() * 5, 1790000000000000
from place p, unnest(array[1, 2, 4, 6, 11, 12, 20, 21, 24, 25, 26, 27, 33]) slot,
    generate_series($1::int, $2::int) month
where p.level = 3
union all
select p.id, slot, 300000 + (month - 8) / 12, sum(2), 0, 0, 0, 1790000000000000
from place p, unnest(array[1, 2, 4, 6, 11, 12, 20, 21, 24, 25, 26, 27]) slot, generate_series($1::int, $2::int) month
where p.level = 3 group by 1, 2, 3
union all
select p.id, 22, codes.period, 20 + random() * 3, 15, 0, 0, 1790000000000000 from place p,
    (select unnest(array[month, 200000 + month / 3, 300000 + (month - 8) / 12]) period
     from generate_series($1::int, $2::int) month group by 1) codes where p.level = 3
union all
select p.id, 23, month, 150, 100, 1, 0, 1790000000000000 from place p,
    generate_series($1::int, $2::int) month where p.level = 3 and month % 12 = 8
on conflict do nothing
"""
_SUM = """
insert into cell (place, slot, period, v0, v1, v2, v3, as_of)
select above.id, slot, period, sum(v0), sum(v1), sum(v2), sum(v3), max(as_of)
from cell join place p on p.id = cell.place
cross join unnest(array[p.parent, left(p.parent, 4), '17']) up join place above on above.code = up
where p.level = 3 group by 1, 2, 3 on conflict do nothing
"""
_HOLD = "insert into held select * from cell where slot = any($1) on conflict do nothing"
_DISCLOSE = """
insert into disclosed
select p.id, family, year, $4, 255, 1, 4095, 0, 0
from place p, unnest($1::smallint[]) family, generate_series($2::integer, $3::integer) year
"""
"""Everything is released and may be shown: that is read as what may not."""


NO_ADVICE = "insert into advice_run (day, began_at, ended_at, steps) values ($1, now(), now(), 0)"
"""The day's recommendations are not what is measured here."""


async def at_rest(owner_url: str) -> None:
    """Leave a filled database nothing to do of its own, the day's recommendations neither."""
    owner = await asyncpg.connect(dsn_of(owner_url))
    await owner.execute("select set_config('app.scope', 'all', false)")
    await owner.execute(NO_ADVICE, local_day(now()))
    await owner.execute("vacuum analyze")
    await owner.close()


async def settled(url: str) -> float:
    """Wait until monitoring has opened the reports of new institutions and said nothing for a while; the seconds."""
    began, quiet, before = time.perf_counter(), 0, -1
    connection = await asyncpg.connect(dsn_of(url))
    try:
        await connection.execute("select set_config('app.scope', 'all', false)")
        while quiet < QUIET_LOOKS:
            said = await connection.fetchval("select sum(position)::bigint from stream_head") or 0
            quiet, before = (quiet + 1 if said and said == before else 0), said
            await asyncio.sleep(1.5)
    finally:
        await connection.close()
    return time.perf_counter() - began


async def fill(url: str, institutions: int, months: int, events: int) -> Nation:
    """A country in the tables."""
    nation = Nation(institutions)

    class Database:
        """What Bench needs to know of a database."""

    database = Database()
    database.url = url  # type: ignore[attr-defined]  # the one thing
    async with Bench(database) as bench:  # type: ignore[arg-type]  # as above
        worker = await bench.worker()
        await worker.take(nation.places())
        for part in range(0, events, AT_ONCE):
            await worker.take(nation.work(min(AT_ONCE, events - part)), release=False)
        connection = await bench.connection()
        async with connection.transaction():
            await connection.execute("select set_config('app.scope', 'all', true)")
            await connection.execute(_FILL, LAST - months + 1, LAST)
            await connection.execute(_SUM)
            await connection.execute(_HOLD, sorted(HELD_SLOTS))
            years = [(month - SEPTEMBER) // 12 for month in (LAST - months + 1, LAST)]
            await connection.execute(_DISCLOSE, sorted(BY_NUMBER), *years, EVERY_SEGMENT)
    return nation


async def measure(client: Client, nation: Nation, count: int) -> None:
    """Time requests of each kind, one after the other."""
    random = Random(5)
    districts = sorted({f"17{region:02d}{district:03d}" for region in range(14) for district in range(15)})
    regions = sorted({code[:4] for code in districts})

    def place() -> str:
        kind = random.random()
        if kind < 0.1:
            return "17"
        return random.choice(regions if kind < 0.4 else districts if kind < 0.7 else nation.ids)

    def period(indicator: str) -> str:
        kinds = INDICATORS[indicator].period_kinds
        return period_at(random.choice(kinds), LAST - random.randrange(12)).text

    def indicator() -> str:
        return random.choice(["F1", "F2", "F3", "I2", "I5", "S3"])

    def value() -> Question:
        code = indicator()
        return "/v1/values", {"indicator": code, "place": place(), "period": period(code)}

    def children() -> Question:
        code = indicator()
        where = random.choice(["17", *regions, *districts])
        return "/v1/values", {"indicator": code, "place": where, "period": period(code), "children": True}

    def series() -> Question:
        code = indicator()
        return "/v1/series", {"indicator": code, "place": place(), "kind": INDICATORS[code].period_kinds[0]}

    def lineage() -> Question:
        code = indicator()
        return "/v1/lineage", {"indicator": code, "place": place(), "period": period(code)}

    kinds: list[tuple[str, Callable[[], Question]]] = [
        ("value of any place and period", value),
        ("values of all places below", children),
        ("series of 24 months", series),
        ("first page of what is behind a value", lineage),
    ]
    for name, ask in kinds:
        found = (await durations(client, [ask() for _ in range(count + WARMING)]))[WARMING:]
        figure(name, percentile(found, 0.95), "ms p95", p50_ms=round(percentile(found, 0.5), 1), requests=count)


@asynccontextmanager
async def a_nation(institutions: int, months: int, events: int = 0) -> AsyncIterator[tuple[Running, Nation]]:
    """Monitoring in this process on a filled country, when it has nothing to do of its own any more."""
    with tempfile.TemporaryDirectory(prefix="hamkor-bench-") as folder:
        async with a_postgres(Path(folder) / "postgres") as postgres, a_broker(Path(folder) / "broker") as broker:
            database = await postgres.database("monitoring")
            nation = await fill(database.url, institutions, months, events)
            await at_rest(database.owner_url)
            issuer = Issuer()
            async with (
                httpx.AsyncClient(timeout=60, trust_env=False) as http,
                serving(issuer.app(), free_port()) as url,
            ):
                issuer.url = url
                environment = environment_of(url, {"monitoring": database.url}, broker.setting, True)
                near = Neighbourhood(issuer, environment | {"LOG_LEVEL": "error"}, http)
                async with near.service("monitoring") as running:
                    figure("settled", await settled(database.url), "s", institutions=institutions, months=months)
                    yield running, nation


async def run(institutions: int, months: int, count: int, events: int) -> None:
    """Fill, serve, measure."""
    async with a_nation(institutions, months, events) as (running, nation):
        await measure(running.as_(Role.MINISTRY, "17"), nation, count)


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--institutions", type=int, default=10_000)
    parser.add_argument("--months", type=int, default=24)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--events", type=int, default=100_000, help="whose records lie behind the values")
    options = parser.parse_args()
    asyncio.run(run(options.institutions, options.months, options.requests, options.events))


if __name__ == "__main__":
    main()
