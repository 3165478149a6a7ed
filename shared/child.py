"""A process that works for the one that started it, and ends with it, however that ends.

One side asks, a line of JSON at a time, and reads lines of JSON until an empty one; the other side answers.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, Self, TextIO

LINE_BYTES = 1 << 20


class ChildEnded(Exception):
    """The process ended before its work was done; its own words stand in the log."""


class Child:
    """`python -m module arguments`, which calls `answer_parent`."""

    def __init__(self, module: str, *arguments: str, environment: Mapping[str, str]) -> None:
        """`environment` goes on top of this process's."""
        self._command = (sys.executable, "-m", module, *arguments)
        self._environment = {**os.environ, **environment}

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,  # closes when this process dies, even by kill -9
            stdout=asyncio.subprocess.PIPE,
            env=self._environment,
            limit=LINE_BYTES,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        await self._process.wait()

    def kill(self) -> None:
        """End it in the middle of whatever."""
        if self._process.returncode is None:
            self._process.kill()

    async def ask(self, request: Any) -> AsyncIterator[Any]:
        """What it answers, piece by piece. Raises ChildEnded."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            await self._process.stdin.drain()
        except ConnectionError as gone:
            raise ChildEnded(f"the process has ended before {request}") from gone
        while line := await self._process.stdout.readline():
            if line == b"\n":
                return
            yield json.loads(line)
        raise ChildEnded(f"the process ended in the middle of {request}")


async def answer_parent(answer: Callable[[Any], AsyncIterator[Any]]) -> None:
    """Answer what is asked on standard input until it closes – then end at once, in the middle of whatever."""
    # Ctrl-C reaches the whole group: the parent hears it, and this process ends with the parent.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What is answered goes this way alone: whatever else is printed joins the messages.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    asked: asyncio.Queue[bytes] = asyncio.Queue()
    reader = await standard_input()

    async def hear() -> None:
        while line := await reader.readline():
            asked.put_nowait(line)

    async def work() -> None:
        while True:
            async for piece in answer(json.loads(await asked.get())):
                _say(out, json.dumps(piece))
            _say(out, "")

    await until_one_ends(hear(), work())


def _say(out: TextIO, line: str) -> None:
    out.write(line + "\n")
    out.flush()


async def standard_input() -> asyncio.StreamReader:
    """What the starting process says; it ends when that process does, even by kill -9."""
    reader = asyncio.StreamReader(LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def until_one_ends(*work: Coroutine[Any, Any, Any]) -> None:
    """Do all of it until any part ends: the others are cancelled, in the middle of whatever. Raises what failed."""
    tasks = {asyncio.create_task(each) for each in work}
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        task.result()
