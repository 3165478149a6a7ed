"""What is measured, at work: a service as a process of its own."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import httpx
import psutil

from shared.persistence.migrate import ROOT

CALM_LOOKS, CALM_PERCENT = 5, 60


@asynccontextmanager
async def a_service(
    name: str, environment: Mapping[str, str], program: Sequence[str] = ()
) -> AsyncIterator[psutil.Process]:
    """A service as a process, ready; `program` replaces `-m shared.web.serve NAME`."""
    arguments = program or ("-m", "shared.web.serve", name)
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, env={**os.environ, **environment}, cwd=ROOT
    )
    try:
        async with httpx.AsyncClient(trust_env=False) as http, asyncio.timeout(60):
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    if (await http.get(environment[f"{name.upper()}_URL"] + "/ready")).status_code == 200:
                        break
                await asyncio.sleep(0.1)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        await process.wait()


async def calm(services: Sequence[psutil.Process]) -> None:
    """Wait until the services have caught up with one another and do nothing any more."""
    looks = 0
    for each in services:
        each.cpu_percent()
    while looks < CALM_LOOKS:
        await asyncio.sleep(1)
        looks = looks + 1 if sum(each.cpu_percent() for each in services) < CALM_PERCENT else 0
