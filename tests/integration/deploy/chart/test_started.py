"""What the chart starts, started: on a real PostgreSQL, without Kafka."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from deploy.local.environment import ROOT
from tests.integration.deploy.chart.support import VALUES, unpacked
from tests.support.engines import Postgres, a_postgres
from tests.support.helm import Chart, Manifest, container_of, named, pod_of, with_
from tests.support.services import free_port

pytestmark = [pytest.mark.helm, pytest.mark.slow]

START_S = 60


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Postgres]:
    """A PostgreSQL over TCP that has neither our roles' passwords nor tables yet."""
    async with a_postgres(tmp_path_factory.mktemp("postgres"), free_port()) as running:
        yield running


@asynccontextmanager
async def running(manifest: Manifest, environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """The container's process, with the image's entry point; killed if it is still there after."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *container_of(manifest)["args"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    reading = asyncio.create_task(_read(process))
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await reading
        await process.wait()


async def _read(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    return await process.stdout.read()


async def _until_ok(http: httpx.AsyncClient, url: str, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(START_S):
        while True:
            assert process.returncode is None, f"it ended before {url} answered"
            with contextlib.suppress(httpx.HTTPError):
                if (await http.get(url)).status_code == 200:
                    return
            await asyncio.sleep(0.1)


@pytest.fixture
def for_this_machine(chart: Chart, server: Postgres) -> list[Manifest]:
    """The chart for that server; there is no Kafka, and no provider."""
    admin = server.server._password("postgres")
    return chart.render(
        with_(
            VALUES,
            postgresql={"host": server.server.host, "port": server.server.port},
            kafka__bootstrapServers=f"127.0.0.1:{free_port()}",
            secrets__values__postgres_admin=admin,
        )
    )


async def test_steps_prepare_a_server_and_processes_are_live_ready_and_end_in_time(
    for_this_machine: list[Manifest], tmp_path: Path, http: httpx.AsyncClient
) -> None:
    jobs, deployments = named(for_this_machine, "Job"), named(for_this_machine, "Deployment")
    for _ in range(2):  # an upgrade repeats them
        for step in ("roles", "migrations"):
            async with running(jobs[step], unpacked(jobs[step], for_this_machine, tmp_path / step)) as process:
                assert await process.wait() == 0, step

    async with AsyncExitStack() as stack:
        processes = {}
        for name, deployment in deployments.items():
            port = free_port()
            environment = unpacked(deployment, for_this_machine, tmp_path / name) | {
                f"{name.upper()}_HOST": "127.0.0.1",
                f"{name.upper()}_PORT": str(port),
            }
            processes[name] = (port, await stack.enter_async_context(running(deployment, environment)))

        for name, (port, process) in processes.items():
            for kind in ("startup", "liveness", "readiness"):
                path = container_of(deployments[name])[f"{kind}Probe"]["httpGet"]["path"]
                await _until_ok(http, f"http://127.0.0.1:{port}{path}", process)

        for _, process in processes.values():
            process.send_signal(signal.SIGTERM)
        spec = pod_of(deployments["partners"])
        pause_s = container_of(deployments["partners"])["lifecycle"]["preStop"]["sleep"]["seconds"]
        async with asyncio.timeout(spec["terminationGracePeriodSeconds"] - pause_s):
            await asyncio.gather(*(process.wait() for _, process in processes.values()))
