"""Freshness: from a command's acknowledgement in a service to its value readable in monitoring, under load.

A stack of its own on the embedded engines; 200 commands a second go to the services, each appending one event, while a
prober reports an enrolment, then asks monitoring until the new value stands there.
"""

import argparse
import asyncio
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import httpx

from deploy.cli.token import fetch
from deploy.local.ports import Ports
from deploy.local.stack import Stack
from shared.scope import Role
from tests.bench.report import figure, percentile

DISTRICTS = ("1708201", "1703202", "1726266", "1735401")
YEAR = "2025-26"
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


async def measure(rate: float, seconds: float) -> None:
    """Start the stack, load it, probe it, print the figures."""
    with tempfile.TemporaryDirectory(prefix="hamkor-bench-") as folder:
        limits = httpx.Limits(max_connections=100)
        async with Stack(Path(folder), ports=Ports.FREE) as stack, httpx.AsyncClient(timeout=30, limits=limits) as http:
            caller = Caller(stack, http, await asyncio.to_thread(fetch, stack.environment, Role.MINISTRY))
            for soato in ("17", *sorted({district[:4] for district in DISTRICTS}), *DISTRICTS):
                await caller.command("PUT", f"/v1/territory/{soato}", {"names": NAMES})
            institutions = [
                (
                    await caller.command(
                        "POST",
                        "/v1/institutions",
                        {
                            "code": f"B-{number}",
                            "name": f"Texnikum {number}",
                            "kind": "technikum",
                            "district": DISTRICTS[number % len(DISTRICTS)],
                            "opened_on": "2020-09-01",
                        },
                    )
                )["id"]
                for number in range(100)
            ]
            probed, *loaded = institutions
            stop = asyncio.Event()
            load = asyncio.create_task(drive(caller, loaded, rate, stop))
            latencies_ms = await probe(caller, probed, seconds)
            stop.set()
            sent, elapsed_s = await load
            figure("load", sent / elapsed_s, "events/s", wanted=rate)
            figure("freshness_p50", percentile(latencies_ms, 0.50), "ms", samples=len(latencies_ms))
            figure("freshness_p99", percentile(latencies_ms, 0.99), "ms", samples=len(latencies_ms), target=250)


async def drive(caller: Caller, institutions: list[str], rate: float, stop: asyncio.Event) -> tuple[int, float]:
    """Send commands at a steady rate, open loop: a slow answer delays no later command."""
    began = time.perf_counter()
    sent = 0
    async with asyncio.TaskGroup() as group:
        while not stop.is_set():
            due = int((time.perf_counter() - began) * rate)
            while sent < due:
                path = f"/v1/institutions/{institutions[sent % len(institutions)]}/enrolments/{YEAR}"
                group.create_task(caller.command("PUT", path, {"places": 60 + sent % 90, "first_choice": sent % 200}))
                sent += 1
            await asyncio.sleep(0.005)
    return sent, time.perf_counter() - began


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
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.rate, arguments.seconds))


if __name__ == "__main__":
    main()
