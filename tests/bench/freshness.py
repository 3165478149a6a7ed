"""Freshness: from a command's acknowledgement in a service to its value readable in monitoring, under load.

A stack of its own on the embedded engines. A second process carries out 200 commands of partners a second – the
service's own use cases, one event each, without HTTP, which would measure the client – while a prober reports an
enrolment over HTTP, then asks monitoring until the new value stands there. One command a transaction, or `--together`
so many, as bulk endpoints and imports do it: two cores carry out fewer than 1,000 single commands a second.
"""

import argparse
import asyncio
import itertools
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx

from deploy.cli.token import fetch
from deploy.local.environment import ROOT
from deploy.local.ports import Ports
from deploy.local.stack import Stack
from services.partners.commands.institutions import report_enrolment
from services.partners.domain.institutions import ReportEnrolment
from shared.persistence.engine import make_engine
from shared.persistence.unit_of_work import Database
from shared.scope import Role
from shared.settings import load_settings
from shared.waiting import until_set
from tests.bench.report import cpu_of, figure, percentile

DISTRICTS = ("1708201", "1703202", "1726266", "1735401")
YEAR = "2025-26"
WORKERS = 8
QUIET_LOOKS = 6
NAMES = {"uz": "n", "uz-Cyrl": "н", "ru": "н", "en": "n"}


class Caller:
    """Calls the services of a stack directly, as one user."""

    def __init__(self, stack: Stack, http: httpx.AsyncClient, token: str) -> None:
        self._stack = stack
        self._http = http
        self._headers = {"Authorization": f"Bearer {token}"}

    async def command(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """A command to partners; raises on any refusal."""
        answer = await self._http.request(
            method,
            self._stack.url("partners") + path,
            json=body,
            headers=self._headers | {"Idempotency-Key": str(uuid.uuid4())},
        )
        answer.raise_for_status()
        state: dict[str, Any] = answer.json()
        return state

    async def places(self, institution: str) -> float | None:
        """The denominator of I2 of an institution, as monitoring says it now; None while it does not know it."""
        answer = await self._http.get(
            self._stack.url("monitoring") + "/v1/values",
            params={"indicator": "I2", "place": institution, "period": YEAR},
            headers=self._headers,
        )
        if answer.status_code == 404:
            return None
        answer.raise_for_status()
        value: float | None = answer.json()["value"]["denominator"]
        return value


async def measure(rate: float, together: int, seconds: float) -> None:
    """Start the stack, load it, probe it, print the figures."""
    with tempfile.TemporaryDirectory(prefix="hamkor-bench-") as folder:
        async with Stack(Path(folder), ports=Ports.FREE) as stack, httpx.AsyncClient(timeout=30) as http:
            caller = Caller(stack, http, await asyncio.to_thread(fetch, stack.environment, Role.MINISTRY))
            for soato in ("17", *sorted({district[:4] for district in DISTRICTS}), *DISTRICTS):
                await caller.command("PUT", f"/v1/territory/{soato}", {"names": NAMES})
            probed, *loaded = [await an_institution(caller, number) for number in range(400)]
            await settled(stack, http)
            known = await freshness(stack, http)
            loading = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.bench.freshness", "--rate", str(rate), "--together", str(together)),
                *("--load", *loaded),
                env=stack.environment,
                cwd=ROOT,
                stdout=asyncio.subprocess.PIPE,
            )
            assert loading.stdout is not None
            await loading.stdout.readline()  # says when it has begun
            began, before = time.perf_counter(), cores_of(stack, loading.pid)
            latencies_ms = await probe(caller, probed, seconds)
            took = time.perf_counter() - began
            used = {name: round((now - before[name]) / took, 3) for name, now in cores_of(stack, loading.pid).items()}
            loading.send_signal(signal.SIGTERM)
            reached = float((await loading.stdout.read()).decode())
            await loading.wait()
            figure("load", reached, "events/s", wanted=rate, together=together, cores_used=used)
            sums = {name: now - known[name] for name, now in (await freshness(stack, http)).items()}
            figure(
                "visible_mean", sums["sum"] / sums["count"] * 1000, "ms", what="an event's time to its cells' commit"
            )
            figure("freshness_p50", percentile(latencies_ms, 0.50), "ms", samples=len(latencies_ms))
            figure("freshness_p99", percentile(latencies_ms, 0.99), "ms", samples=len(latencies_ms), target=250)


async def told(stack: Stack, http: httpx.AsyncClient, metric: str) -> float:
    """A metric of monitoring, summed over its labels."""
    lines = (await http.get(stack.url("monitoring") + "/metrics")).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(metric))


async def freshness(stack: Stack, http: httpx.AsyncClient) -> dict[str, float]:
    """Seconds from events' times to the commit of what they changed, and of how many events."""
    metric = "hamkor_indicator_freshness_seconds_"
    return {what: await told(stack, http, metric + what) for what in ("sum", "count")}


async def settled(stack: Stack, http: httpx.AsyncClient) -> None:
    """Wait until monitoring has opened the reports of so many new institutions and has said nothing for a while."""
    quiet, before = 0, -1.0
    while quiet < QUIET_LOOKS:
        now = await told(stack, http, "hamkor_relay_published_events_total")
        quiet, before = (quiet + 1 if now and now == before else 0), now
        await asyncio.sleep(1)


def cores_of(stack: Stack, load: int) -> dict[str, float]:
    """Seconds of processor that every process has used."""
    return {"load": cpu_of(load)} | {
        name: cpu_of(process.pid) for name, process in stack.processes.items() if process.pid
    }


async def an_institution(caller: Caller, number: int) -> str:
    """Register an institution; returns its id."""
    body = {
        "code": f"B-{number}",
        "name": f"Texnikum {number}",
        "kind": "technikum",
        "district": DISTRICTS[number % len(DISTRICTS)],
        "opened_on": "2020-09-01",
    }
    return str((await caller.command("POST", "/v1/institutions", body))["id"])


async def load(institutions: list[str], rate: float, together: int) -> None:
    """Carry out commands at a steady rate until SIGTERM; prints "begun", and at the end the rate that was reached."""
    settings = load_settings("partners")
    database = Database("partners", make_engine(settings.database_url, application="bench-load"))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    async def report(numbers: Iterable[int]) -> None:
        async with database.unit_of_work() as uow:
            for number in sorted(numbers, key=lambda number: number % len(institutions)):  # locks in one order
                command = ReportEnrolment(places=60 + number % 90, first_choice=number % 200)
                await report_enrolment(uow, institutions[number % len(institutions)], YEAR, command)

    sys.stdout.write("begun\n")
    sys.stdout.flush()
    began, taken, done = time.perf_counter(), itertools.count(0, together), 0

    async def work() -> None:
        # Each command has its time; eight transactions at once may be late, but never pile up.
        nonlocal done
        while not stop.is_set():
            number = next(taken)
            await until_set(stop, max(0.0, began + number / rate - time.perf_counter()))
            await report(range(number, number + together))
            done += together

    async with asyncio.TaskGroup() as group:
        for _ in range(WORKERS):
            group.create_task(work())
    sys.stdout.write(f"{done / (time.perf_counter() - began)}\n")
    await database.engine.dispose()


async def probe(caller: Caller, institution: str, seconds: float) -> list[float]:
    """Milliseconds from acknowledgement to visibility, one probe after the other."""
    latencies: list[float] = []
    until = time.perf_counter() + seconds
    number = 0
    while time.perf_counter() < until:
        number += 1
        path = f"/v1/institutions/{institution}/enrolments/{YEAR}"
        await caller.command("PUT", path, {"places": number, "first_choice": 1})
        acknowledged = time.perf_counter()
        while await caller.places(institution) != number:  # noqa: ASYNC110 - the value lies in another process
            await asyncio.sleep(0.005)
        latencies.append((time.perf_counter() - acknowledged) * 1000)
    return latencies


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=200.0, help="events a second")
    parser.add_argument("--together", type=int, default=1, help="commands in one transaction of the load")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--load", nargs="+", metavar="INSTITUTION", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    rate, together = arguments.rate, arguments.together
    if arguments.load:
        asyncio.run(load(arguments.load, rate, together))
    else:
        asyncio.run(measure(rate, together, arguments.seconds))


if __name__ == "__main__":
    main()
