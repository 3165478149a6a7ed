"""A client in a process of its own: what it needs for itself is little, and never waits for the service's Python."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from http.client import HTTPConnection
from multiprocessing import get_context
from urllib.parse import urlencode, urlsplit

from tests.support.services import Client

Question = tuple[str, dict[str, object]]
"""A path and its query."""


async def durations(client: Client, questions: Sequence[Question]) -> list[float]:
    """How long each answer took, in milliseconds, one after the other over one connection; raises for a refusal."""
    addresses = [f"{path}?{urlencode(query, doseq=True)}" for path, query in questions]
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return await asyncio.get_running_loop().run_in_executor(process, _ask, client.base, client.token, addresses)


def _ask(base: str, token: str, addresses: Sequence[str]) -> list[float]:
    connection = HTTPConnection(urlsplit(base).netloc, timeout=60)
    headers = {"Authorization": f"Bearer {token}", "Accept-Language": "en"}
    found = []
    for address in addresses:
        began = time.perf_counter()
        connection.request("GET", address, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        found.append((time.perf_counter() - began) * 1000)
        if answer.status != 200:
            raise RuntimeError(f"{address}: {answer.status} {body[:300]!r}")
    return found
