"""`hamkor up` as a person uses it: the real services, the printed address, Ctrl-C, and once more."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.folder import Folder
from tests.support.stack import family, is_alive, until

START_S = 120
STOP_S = 10


async def hamkor(*arguments: str) -> tuple[int, str]:
    """Run a command to its end; its exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.cli.main", *arguments, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    return process.returncode or 0, printed.decode()


@asynccontextmanager
async def up(folder: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """`hamkor up` on a folder, from the moment it prints the dashboard's address; killed if it is still there after."""
    quiet = {name: value for name, value in os.environ.items() if not name.endswith(("_URL", "_PORT"))}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.cli.main", "up", "--no-demo", "--folder", str(folder),
        stdout=asyncio.subprocess.PIPE,
        env=quiet,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_S):
            while not (address := re.search(rb"Dashboard\s+(http://\S+)", line := await process.stdout.readline())):
                assert line, "`hamkor up` ended before it was up"
        yield process, address.group(1).decode()
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def status(folder: Path) -> dict[str, Any]:
    """What `hamkor status --json` says."""
    _, printed = await hamkor("status", "--json", "--folder", str(folder))
    said: dict[str, Any] = json.loads(printed)
    return said


@pytest.mark.e2e
@pytest.mark.slow
async def test_up_serves_says_its_status_and_gives_tokens_until_ctrl_c_and_goes_on_after(tmp_path: Path) -> None:
    folder = tmp_path / "stack"
    async with up(folder) as (process, address):
        said = await status(folder)
        assert said["ready"]
        assert {each["state"] for each in said["processes"].values()} <= {"ready", "stopped"}

        code, token = await hamkor("token", "--role", "region", "--org", "1708", "--folder", str(folder))
        assert code == 0
        async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=30) as client:
            bearer = {"Authorization": f"Bearer {token.strip()}"}
            territory = await client.get("/api/partners/v1/territory", headers=bearer)
            page = await client.get("/", headers={"Accept": "text/html"}, follow_redirects=True)
        assert territory.status_code == 200, territory.text
        assert page.status_code == 200

        pids = family(process.pid)
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(STOP_S):
            assert await process.wait() == 0
        await until(lambda: not any(is_alive(pid) for pid in pids), "nothing is left", timeout_s=5)

    assert not (await status(folder))["running"]
    async with up(folder) as (process, _):
        assert (await status(folder))["ready"]
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_S):
            assert await process.wait() == 0


async def test_second_up_on_the_same_folder_says_who_holds_it(tmp_path: Path) -> None:
    holder = Folder(tmp_path)
    holder.hold()
    holder.write_state({"pid": os.getpid(), "urls": {"portal": "http://127.0.0.1:8100"}})
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "deploy.cli.main", "up", "--folder", str(tmp_path), stderr=asyncio.subprocess.PIPE
        )
        _, said = await process.communicate()
    finally:
        holder.release()

    assert process.returncode == 1
    assert f"already runs on {tmp_path} (process {os.getpid()}, dashboard http://127.0.0.1:8100)" in said.decode()
    assert "Traceback" not in said.decode()


async def test_token_without_a_stack_says_what_to_do(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.cli.main", "token", "--role", "ministry", "--folder", str(tmp_path),
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await process.communicate()

    assert process.returncode == 1
    assert "Nothing runs on" in said.decode()
    assert "`make up`" in said.decode()
