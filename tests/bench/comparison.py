"""Comparison: how long rankings of a whole level, spreads, peers and exports take with 11,000 institutions.

The cells are written by SQL as for monitoring_queries, the requests go over HTTP; client and server share the machine.
`first` is what makes the table, the others are served from it or while it is made anew; processor times are those of
service and client together, without PostgreSQL.
"""

import argparse
import asyncio
import time

from shared.scope import Role
from tests.bench.monitoring_queries import a_nation
from tests.bench.report import figure, percentile
from tests.support.services import Client

PERIOD, YEAR = "2026-06", "2025-26"


async def timed(client: Client, path: str, **params: object) -> float:
    """How long an answer takes, in milliseconds."""
    began = time.perf_counter()
    answer = await client.get(path, **params)
    answer.raise_for_status()
    return (time.perf_counter() - began) * 1000


async def measure(ministry: Client, district: Client, school: str, count: int) -> None:
    """Time what people ask for."""
    whole = {"level": "institution"}
    for name, path, params in (
        ("ranking of all institutions, F2", "/v1/ranking", {"indicator": "F2", "period": PERIOD, **whole}),
        ("ranking of all institutions, I2", "/v1/ranking", {"indicator": "I2", "period": YEAR, **whole}),
        ("ranking of all institutions, F1", "/v1/ranking", {"indicator": "F1", "period": PERIOD, **whole}),
        ("spread of all institutions, I2", "/v1/distribution", {"indicator": "I2", "period": YEAR, **whole}),
        ("one among its peers, I2", "/v1/peers", {"indicator": "I2", "period": YEAR, "place": school}),
        ("ranking of all districts, F1", "/v1/ranking", {"indicator": "F1", "period": PERIOD, "level": "district"}),
        ("ranking of all institutions, INDEX", "/v1/ranking", {"indicator": "INDEX", "period": YEAR, **whole}),
    ):
        began = time.process_time()
        first = await timed(ministry, path, **params)
        made = time.process_time()
        rest = [await timed(ministry, path, **params) for _ in range(count)]
        figure(
            name,
            percentile(rest, 0.95),
            "ms p95",
            p50_ms=round(percentile(rest, 0.5), 1),
            first_ms=round(first),
            first_cpu_ms=round((made - began) * 1000),
            cpu_ms=round((time.process_time() - made) * 1000 / count, 1),
            requests=count,
        )
    rest = [await timed(district, "/v1/ranking", indicator="F2", period=PERIOD) for _ in range(count)]
    figure("ranking of a district's institutions, F2", percentile(rest, 0.95), "ms p95", requests=count)
    for form in ("csv", "parquet"):
        began = time.perf_counter()
        answer = await ministry.get("/v1/values/export", indicator=["F1", "F2"], level="institution", format=form)
        answer.raise_for_status()
        size = len(answer.content)
        figure(f"values as {form}", 22_000 / (time.perf_counter() - began), "rows/s", bytes=size)


async def run(institutions: int, months: int, count: int) -> None:
    """Fill, serve, measure."""
    async with a_nation(institutions, months) as (running, nation):
        district = running.as_(Role.DISTRICT, "1700000")
        await measure(running.as_(Role.MINISTRY, "17"), district, nation.ids[0], count)


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--institutions", type=int, default=11_000)
    parser.add_argument("--months", type=int, default=24)
    parser.add_argument("--requests", type=int, default=60)
    options = parser.parse_args()
    asyncio.run(run(options.institutions, options.months, options.requests))


if __name__ == "__main__":
    main()
