"""Services run for tests as they are: the composition root's app on uvicorn, on a TCP port, in this process."""

import asyncio
import importlib
import os
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import httpx
import uvicorn
from fastapi import FastAPI

from deploy.local import ports
from shared.scope import Role
from shared.waiting import stack_of
from tests.support.issuer import Issuer

STOP_S = 60.0


def free_port() -> int:
    """A TCP port that was free a moment ago, and that the kernel gives to nobody by itself."""
    return ports.free(1)[0]


@asynccontextmanager
async def serving(app: Any, port: int) -> AsyncIterator[str]:
    """Serve an ASGI app; yields its base URL."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
        # As in shared/web/serve.py: longer than a client keeps an idle connection, which else may be cut in use.
        timeout_keep_alive=30,
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # the test run keeps its own
    with patch.object(server, "capture_signals", _no_signals):
        task = asyncio.create_task(server.serve())
        try:
            async with asyncio.timeout(30):
                while not server.started:
                    if task.done():
                        task.result()
                        raise RuntimeError("the server ended before it started")
                    await asyncio.sleep(0.01)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            await asyncio.wait([task], timeout=STOP_S)
            if not task.done():
                stacks = "\n".join(f"{each.get_name()}\n{stack_of(each)}" for each in asyncio.all_tasks())
                raise RuntimeError(f"the server has not stopped within {STOP_S:.0f} s; all tasks:\n{stacks}")
            task.result()


def _no_signals() -> Any:
    from contextlib import nullcontext

    return nullcontext()


@dataclass
class Client:
    """A caller of one service with one token; commands get an Idempotency-Key by themselves."""

    http: httpx.AsyncClient
    base: str
    token: str

    async def get(self, path: str, **params: Any) -> httpx.Response:
        """GET."""
        return await self.http.get(self.base + path, params=params, headers=self._headers())

    async def send(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, version: int | None = None
    ) -> httpx.Response:
        """A command; the same `key` again is the same command."""
        headers = self._headers() | {"Idempotency-Key": key or str(uuid.uuid4())}
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        return await self.http.request(method, self.base + path, json=body, headers=headers)

    async def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """POST a command."""
        return await self.send("POST", path, body, **options)

    async def put(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """PUT a command."""
        return await self.send("PUT", path, body, **options)

    async def patch(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """PATCH a command."""
        return await self.send("PATCH", path, body, **options)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Accept-Language": "en"}


@dataclass
class Running:
    """A running service."""

    name: str
    base: str
    app: FastAPI
    issuer: Issuer
    http: httpx.AsyncClient

    def as_(self, role: Role | str, org: str = "") -> Client:
        """A caller with this role and organisation."""
        return Client(self.http, self.base, self.issuer.token(role, org))


@dataclass
class Neighbourhood:
    """Issuer, ports and environment that the services of one test share."""

    issuer: Issuer
    environment: dict[str, str]
    http: httpx.AsyncClient

    @asynccontextmanager
    async def service(self, name: str, **environment: str) -> AsyncIterator[Running]:
        """Run a service by its own composition root, as in production."""
        with patch.dict(os.environ, {**self.environment, **environment}):
            app = importlib.import_module(f"services.{name}.app").build()
        port = int(self.environment[f"{name.upper()}_PORT"])
        async with serving(app, port) as base:
            yield Running(name, base, app, self.issuer, self.http)


def environment_of(issuer_url: str, databases: Mapping[str, str], kafka: str, embedded: bool) -> dict[str, str]:
    """The environment of a neighbourhood: fresh ports, the given databases (service -> URL) and broker."""
    environment = {
        "AUTH_ISSUER": issuer_url,
        "SERVICE_CLIENT_SECRET": "only-for-the-tests-of-hamkor",
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "KAFKA_EMBEDDED": str(embedded).lower(),
        "LOG_LEVEL": "warning",
    }
    for service in ("partners", "agreements", "surveys", "monitoring", "portal"):
        port = free_port()
        environment[f"{service.upper()}_PORT"] = str(port)
        environment[f"{service.upper()}_URL"] = f"http://127.0.0.1:{port}"
    for service, url in databases.items():
        environment[f"{service.upper()}_DATABASE_URL"] = url
    return environment


async def eventually(condition: Any, what: str, timeout_s: float = 30.0) -> Any:
    """Await `condition()` until it is true and return its value; says what it waited for when it never is."""
    try:
        async with asyncio.timeout(timeout_s):
            while not (value := await condition()):  # noqa: ASYNC110 - the condition lies in another process
                await asyncio.sleep(0.05)
            return value
    except TimeoutError:
        raise AssertionError(f"not within {timeout_s:.0f} s: {what}") from None
