"""Dashboards on the change stream: what 500 of them cost monitoring while values keep moving.

The service runs as it is, in a process of its own; the dashboards, spread over nation, regions, districts and
institutions, hold their streams open over HTTP. Batches of events are applied beside it, so that what the service
itself uses is spent on the streams alone; the same time with nobody watching is taken off.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from random import Random

import httpx

from shared.clock import local_day, now
from shared.scope import Role
from tests.bench.monitoring_load import Nation
from tests.bench.monitoring_queries import NO_ADVICE, settled
from tests.bench.report import cpu_of, figure, percentile
from tests.bench.serving import a_service
from tests.integration.monitoring.support import Bench, Worker
from tests.support.engines import a_broker, a_postgres
from tests.support.issuer import Issuer
from tests.support.services import environment_of, eventually, free_port, serving

BATCH_S = 0.02
"""Between batches, as live ones come."""


class Dashboards:
    """Many open streams, and what they heard."""

    def __init__(self) -> None:
        self.messages = 0
        self.gaps_s: list[float] = []
        self._open = 0
        self.all_open = asyncio.Event()

    async def watch(self, http: httpx.AsyncClient, url: str, headers: dict[str, str], place: str, wanted: int) -> None:
        """One dashboard, until cancelled."""
        heard = 0.0
        async with http.stream("GET", f"{url}/v1/changes", params={"place": place}, headers=headers) as answer:
            answer.raise_for_status()
            self._open += 1
            if self._open == wanted:
                self.all_open.set()
            async for line in answer.aiter_lines():
                if line.startswith("data:"):
                    self.messages += 1
                    now = time.perf_counter()
                    if heard:
                        self.gaps_s.append(now - heard)
                    heard = now


async def load(worker: Worker, nation: Nation, rate: int, seconds: float) -> float:
    """Apply events at a steady rate; returns the rate that was reached."""
    began, done = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - began) < seconds:
        due = int(elapsed * rate) - done
        if due > 0:
            await worker.take(list(nation.work(due)))
            done += due
        await asyncio.sleep(BATCH_S)
    return done / (time.perf_counter() - began)


async def run(dashboards: int, rate: int, institutions: int, seconds: float) -> None:
    """Serve, watch, move values, measure."""
    with tempfile.TemporaryDirectory(prefix="hamkor-bench-") as folder:
        async with a_postgres(Path(folder) / "postgres") as postgres, a_broker(Path(folder) / "broker") as broker:
            database = await postgres.database("monitoring")
            nation = Nation(institutions)
            issuer = Issuer()
            async with Bench(database) as bench, serving(issuer.app(), free_port()) as url:
                worker = await bench.worker()
                await worker.take(list(nation.places()))
                issuer.url = url
                environment = environment_of(url, {"monitoring": database.url}, broker.setting, True)
                await bench.rows(NO_ADVICE, local_day(now()))
                async with a_service("monitoring", environment | {"LOG_LEVEL": "error"}) as service:
                    await settled(database.url)
                    await measure(
                        environment["MONITORING_URL"], issuer, service.pid, worker, nation, dashboards, rate, seconds
                    )


async def measure(
    url: str, issuer: Issuer, pid: int, worker: Worker, nation: Nation, count: int, rate: int, seconds: float
) -> None:
    """The service's processor time while values move, at first with nobody watching."""
    random = Random(3)
    headers = {"Authorization": f"Bearer {issuer.token(Role.MINISTRY, '17')}"}
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(timeout=httpx.Timeout(30, read=None), trust_env=False, limits=limits) as http:
        await eventually(lambda: _answers(http, url), "the service answers", 60)
        alone_s = cpu_of(pid)
        await load(worker, nation, rate, seconds)
        alone_s = cpu_of(pid) - alone_s
        watching = Dashboards()
        units = ["17", *(f"17{region:02d}" for region in range(14))]
        places = [
            random.choice(units)
            if number % 2
            else random.choice([f"17{number % 14:02d}{number % 15:03d}", *nation.ids[:99]])
            for number in range(count)
        ]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(watching.watch(http, url, headers, place, count)) for place in places]
            async with asyncio.timeout(60):
                await watching.all_open.wait()
            used_s = cpu_of(pid)
            watching.messages = 0
            reached = await load(worker, nation, rate, seconds)
            used_s = cpu_of(pid) - used_s
            messages = watching.messages
            for task in tasks:
                task.cancel()
    figure(
        "change stream",
        max(0.0, used_s - alone_s) / seconds * 100,
        "% of a core",
        dashboards=count,
        events_per_s=round(reached),
        messages_per_s=round(messages / seconds),
        told_again_after_s_p95=round(percentile(watching.gaps_s, 0.95), 2),
        service_alone=round(alone_s / seconds * 100, 1),
        target=10,
    )


async def _answers(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(f"{url}/live")).status_code == 200
    except httpx.HTTPError:
        return False


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dashboards", type=int, default=500)
    parser.add_argument("--rate", type=int, default=200, help="events a second")
    parser.add_argument("--institutions", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    asyncio.run(run(options.dashboards, options.rate, options.institutions, options.seconds))


if __name__ == "__main__":
    main()
