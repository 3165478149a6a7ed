"""A process that works for the one that started it, and ends with it, however that ends."""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any


async def standard_input() -> asyncio.StreamReader:
    """What the starting process says; it ends when that process does, even by kill -9."""
    reader = asyncio.StreamReader()
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
