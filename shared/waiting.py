"""Waiting with a limit, in a way that a cancelled task notices.

`asyncio.wait_for` of Python 3.11 forgets that its task was cancelled when what it waits for ends at the same moment:
a loop around it goes on for ever, and the TaskGroup it belongs to cannot even be cancelled a second time. Its other
fault: it waits on for what takes no notice of being cancelled (fixed in 3.12 by means of `asyncio.timeout`).
"""

import asyncio
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from io import StringIO
from typing import Any

import structlog

log = structlog.get_logger(__name__)

CANCEL_AGAIN_S = 1.0


async def until_set(event: asyncio.Event, limit_s: float) -> bool:
    """Wait until the event is set, for `limit_s` seconds at most; whether it is."""
    with suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            await event.wait()
    return event.is_set()


async def close(closing: Coroutine[Any, Any, Any], limit_s: float) -> None:
    """Await the closing of something that is of no use any more; what fails or takes too long is left to itself."""
    task = asyncio.ensure_future(closing)
    try:
        await asyncio.wait([task], timeout=limit_s)
    finally:
        task.cancel()
        task.add_done_callback(_heard)


async def end(tasks: Iterable["asyncio.Task[Any]"], limit_s: float) -> set["asyncio.Task[Any]"]:
    """Cancel tasks until they have ended, for `limit_s` seconds at most; those that have not, told in the log."""
    left = set(tasks)
    until = asyncio.get_running_loop().time() + limit_s
    while left and (remaining := until - asyncio.get_running_loop().time()) > 0:
        for task in left:
            task.cancel()
        ended, left = await asyncio.wait(left, timeout=min(remaining, CANCEL_AGAIN_S))
        for task in ended:
            _heard(task)
    for task in left:
        log.error("task.does_not_end", task=task.get_name(), stack=stack_of(task))
    return left


def stack_of(task: "asyncio.Task[Any]") -> str:
    """Where a task stands, as a traceback's text."""
    text = StringIO()
    task.print_stack(file=text)
    return text.getvalue()


def _heard(task: "asyncio.Future[Any]") -> None:
    """Nobody asks how it ended: asyncio need not tell that nobody did."""
    if not task.cancelled():
        task.exception()
