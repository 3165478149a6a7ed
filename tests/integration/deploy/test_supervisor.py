"""The supervisor with real child processes: PostgreSQL, the broker, and stand-ins for the services."""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from deploy.local.errors import AlreadyRunning, PortTaken, ProcessFailed, StackError
from deploy.local.folder import Folder
from deploy.local.process import Process, Program, State
from deploy.local.stack import Stack
from tests.support.stack import QUICK, Changes, a_stack, family, is_alive, until

NAMES = {"postgres", "broker", "partners", "agreements", "surveys", "monitoring", "portal"}


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """One running stack of stand-ins."""
    async with a_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


async def connect(stack: Stack, database: str, kind: str = "DATABASE_URL") -> asyncpg.Connection:
    """A connection with the URL that a service would get."""
    return await asyncpg.connect(stack.environment[f"{database.upper()}_{kind}"].replace("+asyncpg", ""))


async def test_every_process_is_ready_and_written_down(stack: Stack) -> None:
    written = json.loads(stack.folder.state.read_text())

    assert written["pid"] == os.getpid()
    assert {name for name, each in written["processes"].items() if each["state"] == "ready"} == NAMES
    assert all(is_alive(written["processes"][name]["pid"]) for name in NAMES)


async def test_services_connect_as_a_role_that_owns_nothing(stack: Stack) -> None:
    owner, app = await connect(stack, "partners", "MIGRATION_URL"), await connect(stack, "partners")
    try:
        await owner.execute("create table if not exists things (id int)")
        role = await app.fetchrow("select rolsuper, rolbypassrls from pg_roles where rolname = current_user")
        assert role is not None
        assert (role["rolsuper"], role["rolbypassrls"]) == (False, False)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.execute("select * from things")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.execute("create table mine (id int)")
    finally:
        await owner.close()
        await app.close()


async def test_secrets_are_for_their_owner_alone(stack: Stack) -> None:
    files = [*stack.folder.secrets.iterdir(), stack.folder.environment]

    assert {file.stat().st_mode & 0o077 for file in files} == {0}


@pytest.mark.parametrize("name", ["partners", "postgres", "broker"])
async def test_killed_process_comes_back_while_the_others_go_on(stack: Stack, name: str) -> None:
    others = {each: stack.process(each).pid for each in NAMES - {name}}
    killed, restarts = stack.process(name).pid, stack.process(name).restarts
    assert killed is not None

    os.kill(killed, signal.SIGKILL)
    process = stack.process(name)
    await until(lambda: process.restarts > restarts and process.state is State.READY, f"{name} is back")

    assert process.pid != killed
    assert {each: stack.process(each).pid for each in others} == others
    async with asyncio.timeout(10):
        (await connect(stack, "partners")).terminate()


@pytest.mark.parametrize("name", ["partners", "postgres", "broker"])
async def test_frozen_process_is_noticed_and_replaced(stack: Stack, name: str) -> None:
    frozen = stack.process(name).pid
    assert frozen is not None

    os.kill(frozen, signal.SIGSTOP)
    process = stack.process(name)
    await until(lambda: process.pid not in (frozen, None) and process.state is State.READY, f"{name} is replaced")

    assert not is_alive(frozen)


async def test_data_outlives_a_killed_server(stack: Stack) -> None:
    owner = await connect(stack, "surveys", "MIGRATION_URL")
    await owner.execute("create table kept (id int)")
    await owner.execute("insert into kept values (7)")
    owner.terminate()
    killed = stack.process("postgres").pid
    assert killed is not None

    os.kill(killed, signal.SIGKILL)
    process = stack.process("postgres")
    await until(lambda: process.pid not in (killed, None) and process.state is State.READY, "postgres is back")

    owner = await connect(stack, "surveys", "MIGRATION_URL")
    assert await owner.fetchval("select id from kept") == 7
    await owner.close()


async def test_second_supervisor_of_a_folder_is_refused(stack: Stack) -> None:
    with pytest.raises(AlreadyRunning, match=rf"already runs on .* \(process {os.getpid()}, dashboard http"):
        await a_stack(stack.folder.path).start()


async def test_stop_ends_all_within_ten_seconds_and_frees_the_folder(tmp_path: Path) -> None:
    stack = a_stack(tmp_path / "stack")
    await stack.start()
    pids = [pid for process in stack.processes.values() if process.pid for pid in family(process.pid)]
    frozen = stack.process("agreements").pid
    assert frozen is not None
    os.kill(frozen, signal.SIGSTOP)

    began = time.monotonic()
    await stack.stop()

    assert time.monotonic() - began < 10
    await until(lambda: not any(is_alive(pid) for pid in pids), "nothing is left", timeout_s=10)
    assert not Folder(stack.folder.path).is_held()


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
async def test_nothing_outlives_its_supervisor(tmp_path: Path, how: signal.Signals) -> None:
    folder = Folder(tmp_path / "stack")
    supervisor = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.stack.supervisor", str(folder.path)
    )
    await until(lambda: folder.read_state().get("state") == "ready", "the stack is up", timeout_s=60)
    pids = family(supervisor.pid)

    supervisor.send_signal(how)
    await supervisor.wait()
    await until(lambda: not any(is_alive(pid) for pid in pids), "all have ended", timeout_s=10)

    async with a_stack(folder.path) as again:
        assert again.process("postgres").state is State.READY


async def test_service_that_cannot_start_stops_the_start_and_says_why(tmp_path: Path) -> None:
    changes = Changes()
    stack = a_stack(tmp_path / "stack", on_change=changes, STAND_IN_FAILS="surveys")

    with pytest.raises(ProcessFailed, match=r"surveys ended with exit code 3"):
        await stack.start()

    assert changes.of("surveys").count(State.STARTING) == 3
    assert all(process.pid is None for process in stack.processes.values())


async def test_program_whose_preparation_fails_is_tried_again_and_then_given_up_with_the_reason(tmp_path: Path) -> None:
    tries = 0

    async def refuse() -> None:
        nonlocal tries
        tries += 1
        raise StackError("the disk is full")

    program = Program("doomed", ("/bin/true",), {}, tmp_path, prepare=refuse)
    process = Process(program, tmp_path / "doomed.log", Changes(), QUICK)
    process.start()

    with pytest.raises(ProcessFailed, match=r"doomed could not start: the disk is full"):
        await process.until_ready()
    assert tries == QUICK.tries_at_start


async def test_named_port_that_is_taken_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=rf"SURVEYS_PORT={port} can't be used: Address already in use"):
            await a_stack(tmp_path / "stack", SURVEYS_PORT=str(port)).start()
