"""Whole stacks for tests: the supervisor with stand-in services, or the real services in a folder of their own."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import psutil

from deploy.local.ports import Ports
from deploy.local.process import Patience, Process, State
from deploy.local.stack import Modules, Stack

STAND_INS = Modules(serve="tests.support.stack.stand_in", migrate="tests.support.stack.stand_in_migrate")
QUICK = Patience(
    probe_every_s=0.2,
    probe_timeout_s=1.0,
    frozen_after_s=1.5,
    start_timeout_s=60.0,
    backoff_first_s=0.1,
    backoff_most_s=0.5,
)


class Changes:
    """Every change of state that a stack announced, in order."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, State, str]] = []

    def __call__(self, process: Process) -> None:
        self.seen.append((process.name, process.state, process.detail))

    def of(self, name: str) -> list[State]:
        """The states that one process went through."""
        return [state for each, state, _ in self.seen if each == name]


def a_stack(
    folder: Path,
    *,
    modules: Modules = STAND_INS,
    patience: Patience = QUICK,
    on_change: Callable[[Process], None] | None = None,
    **environment: str,
) -> Stack:
    """A stack on free ports, deaf to the environment of the test run; stand-ins for the services unless told else."""
    outer = {"PATH": os.environ.get("PATH", os.defpath), "HOME": os.environ.get("HOME", "/"), **environment}
    return Stack(
        folder, ports=Ports.FREE, outer=outer, modules=modules, patience=patience, on_change=on_change or Changes()
    )


async def until(condition: Callable[[], bool], what: str, timeout_s: float = 30.0) -> None:
    """Wait for a condition; says what it waited for when it doesn't come."""
    try:
        async with asyncio.timeout(timeout_s):
            while not condition():  # noqa: ASYNC110 - other processes' state has no event to wait for
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not within {timeout_s:.0f} s: {what}") from None


def is_alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def family(pid: int) -> list[int]:
    """A process and all it started, with what those started."""
    root = psutil.Process(pid)
    return [root.pid, *(child.pid for child in root.children(recursive=True))]
