"""One supervised process: started, watched, restarted with back-off, ended in good order."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psutil

from deploy.local.errors import ProcessFailed, StackError

LEASH = Path(__file__).with_name("leash.py")
EXIT_WRONG_SETTINGS = 78  # EX_CONFIG of sysexits.h: trying again can't help
LOG_LIMIT_BYTES = 10_000_000

Probe = Callable[[], Awaitable[None]]
"""Returns when all is well; raises anything otherwise."""


class State(StrEnum):
    """What a process is doing, as `hamkor status` shows it."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    BACKING_OFF = "backing off"
    STOPPED = "stopped"
    FAILED = "failed"


async def _nothing() -> None:
    """The probe and the preparation of a program that needs none."""


@dataclass(frozen=True)
class Program:
    """What to run, how to know that it is well, and how to end it."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    port: int | None = None
    ready: Probe = _nothing
    live: Probe = _nothing
    prepare: Probe = _nothing
    user: str = "-"
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals = signal.SIGKILL
    grace_s: float = 4.0
    ends_by_itself: bool = False


@dataclass(frozen=True)
class Patience:
    """The supervisor's times, in seconds. Tests shorten them."""

    probe_every_s: float = 2.0
    probe_timeout_s: float = 5.0
    frozen_after_s: float = 20.0
    start_timeout_s: float = 90.0
    backoff_first_s: float = 0.5
    backoff_most_s: float = 30.0
    steady_after_s: float = 60.0
    tries_at_start: int = 3


class Process:
    """Keeps one program running until told to stop; says every change of state to `on_change`."""

    def __init__(
        self, program: Program, log: Path, on_change: Callable[["Process"], None], patience: Patience | None = None
    ) -> None:
        self.program = program
        self.name = program.name
        self.log = log
        self.state = State.WAITING
        self.detail = ""
        self.pid: int | None = None
        self.restarts = 0
        self._log_begins = 0
        self.since = time.time()
        self._patience = patience or Patience()
        self._on_change = on_change
        self._stopping = asyncio.Event()
        self._settled = asyncio.Event()
        self._was_ready = False
        self._task: asyncio.Task[None] | None = None
        self._child: asyncio.subprocess.Process | None = None

    def start(self) -> None:
        """Begin; `until_ready` tells when it got there."""
        self._task = asyncio.create_task(self._keep_running(), name=f"supervise {self.name}")

    async def until_ready(self) -> None:
        """Wait for the first readiness. Raises ProcessFailed with the log's last words when it doesn't come."""
        try:
            async with asyncio.timeout(self._patience.start_timeout_s):
                await self._settled.wait()
        except TimeoutError:
            raise ProcessFailed(
                f"{self.name} was not ready after {self._patience.start_timeout_s:.0f} s.{self.last_words()}"
            ) from None
        if self.state is State.FAILED:
            raise ProcessFailed(f"{self.name} {self.detail}.{self.last_words()}")

    async def ended(self) -> None:
        """Wait until a program that ends by itself has ended, or any has been stopped."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def stop(self) -> None:
        """End the process: its stop signal, and SIGKILL to all of it when its grace is over."""
        self._stopping.set()
        if self._task is None or self.state in (State.STOPPED, State.FAILED):
            return
        child = self._child
        if child is not None and child.returncode is None:
            # Not `child.send_signal`: it asks whether the process has ended, and the event loop misses the answer.
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, self.program.stop_signal)
                os.kill(child.pid, signal.SIGCONT)
        done, _ = await asyncio.wait([self._task], timeout=self.program.grace_s)
        if not done:
            self.kill()
            await asyncio.wait([self._task], timeout=2.0)
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._become(State.STOPPED)

    def kill(self) -> None:
        """SIGKILL to the process and everything it started."""
        if self._child is not None and self._child.returncode is None:
            kill_tree(self._child.pid)

    def last_words(self, lines: int = 12) -> str:
        """The end of the last run's log, for an error a person reads."""
        with contextlib.suppress(FileNotFoundError):
            with self.log.open("rb") as file:
                file.seek(self._log_begins)
                tail = file.read().decode(errors="replace").strip().splitlines()[-lines:]
            if tail:
                return "\n  " + "\n  ".join(tail) + f"\n(whole log: {self.log})"
        return f" Its log is {self.log}."

    # -- the loop

    async def _keep_running(self) -> None:
        backoff_s = self._patience.backoff_first_s
        tries = 0
        while not self._stopping.is_set():
            started = time.monotonic()
            reason, code = await self._run_once()
            if self._stopping.is_set():
                break
            if self.program.ends_by_itself and code is not None:
                self._become(State.STOPPED if code == 0 else State.FAILED, reason)
                self._settled.set()
                break
            tries += 1
            hopeless = code == EXIT_WRONG_SETTINGS or tries >= self._patience.tries_at_start
            if not self._was_ready and hopeless:
                self._become(State.FAILED, reason)
                self._settled.set()
                break
            if time.monotonic() - started > self._patience.steady_after_s:
                backoff_s = self._patience.backoff_first_s
            self.restarts += 1
            self._become(State.BACKING_OFF, f"{reason}, again in {backoff_s:.1f} s")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(backoff_s):
                    await self._stopping.wait()
            backoff_s = min(backoff_s * 2, self._patience.backoff_most_s)

    async def _run_once(self) -> tuple[str, int | None]:
        """Run until it ends or has to be ended. Answers why, and the exit code when it ended by itself."""
        try:
            await self.program.prepare()
            child = await self._spawn()
        except (OSError, StackError) as error:
            return f"could not start: {error}", None
        try:
            exit_ = asyncio.create_task(child.wait())
            watch = asyncio.create_task(self._watch())
            await asyncio.wait([exit_, watch], return_when=asyncio.FIRST_COMPLETED)
            if exit_.done():
                watch.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await watch
                code = exit_.result()
                return _reason(code), code
            reason = watch.result()
            kill_tree(child.pid)
            await exit_
            return reason, None
        finally:
            self.pid = None
            if child.returncode is None:
                kill_tree(child.pid)

    async def _spawn(self) -> asyncio.subprocess.Process:
        leash = (str(os.getpid()), str(int(self.program.orphan_signal)), self.program.user)
        limit_log(self.log, keep_bytes=0 if self.restarts == 0 else LOG_LIMIT_BYTES)
        with self.log.open("ab") as output:
            self._log_begins = output.tell()
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", str(LEASH), *leash, *self.program.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.program.folder,
                env=dict(self.program.environment),
                start_new_session=True,  # Ctrl-C in the terminal is for the supervisor alone
            )  # fmt: skip
        self._child, self.pid = child, child.pid
        self._become(State.STARTING)
        return child

    async def _watch(self) -> str:
        """Probe until the process has to be ended; answers why."""
        last_well = time.monotonic()
        pause_s = 0.05
        while not await self._well(self.program.ready):
            # Alive and waiting for something else (an engine that is down) is no reason to end it.
            if await self._well(self.program.live):
                last_well = time.monotonic()
            elif time.monotonic() - last_well > self._patience.start_timeout_s:
                return f"no sign of life for {time.monotonic() - last_well:.0f} s"
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.3, 0.5)
        self._was_ready = True
        self._become(State.READY)
        self._settled.set()
        last_well = time.monotonic()
        failures = 0
        while True:
            await asyncio.sleep(self._patience.probe_every_s)
            limit_log(self.log, keep_bytes=LOG_LIMIT_BYTES)
            if await self._well(self.program.live):
                last_well, failures = time.monotonic(), 0
                continue
            failures += 1
            # Both, so that a supervisor that was itself held up doesn't blame its children.
            if failures >= 3 and time.monotonic() - last_well > self._patience.frozen_after_s:
                return f"no sign of life for {time.monotonic() - last_well:.0f} s"

    async def _well(self, probe: Probe) -> bool:
        try:
            async with asyncio.timeout(self._patience.probe_timeout_s):
                await probe()
        except Exception:  # whatever the probe raises means one thing: not well
            return False
        return True

    def _become(self, state: State, detail: str = "") -> None:
        self.state, self.detail, self.since = state, detail, time.time()
        self._on_change(self)


def kill_tree(pid: int) -> None:
    """SIGKILL to a process and all its descendants, whatever sessions they made for themselves."""
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for each in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()


def limit_log(log: Path, keep_bytes: int) -> None:
    """Move a log beyond `keep_bytes` to `<name>.1` and go on in an empty file; the writer appends and needn't know."""
    if log.exists() and log.stat().st_size > keep_bytes:
        shutil.copyfile(log, log.with_name(log.name + ".1"))
        os.truncate(log, 0)


def _reason(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
