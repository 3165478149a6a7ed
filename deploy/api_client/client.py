"""Sends requests until they are answered: the same command, the same Idempotency-Key, however often."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from deploy.api_client.answers import Answer, Unreachable, answer_of, problem_of
from deploy.api_client.tokens import DEMO_PASSWORD, PasswordTokens, Tokens
from shared.ids import new_id
from shared.retry import Backoff

TRY_AGAIN = frozenset({429, 500, 502, 503, 504})
"""Answers after which the same command is sent again; whether it took effect before doesn't matter."""
MOST_INTERNAL = 5
"""A 500 may be a fault that stays: so often it is tried again."""

Door = Callable[[str], str]
"""A service's name → the base address of its API."""


@dataclass(frozen=True)
class Patience:
    """How long a request is tried, in seconds: over all its repetitions, and each time."""

    total_s: float = 60.0
    request_s: float = 30.0
    first_pause_s: float = 0.1
    most_pause_s: float = 2.0


def portal_door(url: str) -> Door:
    """The services behind the portal's one door."""
    base = url.rstrip("/")
    return lambda service: f"{base}/api/{service}"


class Api:
    """The public API on behalf of any number of users.

    Commands raise Problem when they are refused and Unreachable when no answer came within the patience.
    """

    def __init__(
        self, http: httpx.AsyncClient, door: Door, tokens: Tokens, *, lang: str = "en", patience: Patience | None = None
    ) -> None:
        self.http = http
        self.patience = patience or Patience()
        self._door = door
        self._tokens = tokens
        self._lang = lang

    async def get(self, user: str, service: str, path: str, **parameters: str | int) -> Answer:
        """A read."""
        return await self.send(user, "GET", service, path, parameters=parameters)

    async def command(
        self,
        user: str,
        method: str,
        service: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        version: int | None = None,
    ) -> Answer:
        """A command under `key` (a new one where none is given); `version` goes as If-Match."""
        return await self.send(user, method, service, path, body=body, key=key or new_id(), version=version)

    async def send(
        self,
        user: str,
        method: str,
        service: str,
        path: str,
        *,
        body: Any = None,
        key: str | None = None,
        version: int | None = None,
        parameters: dict[str, str | int] | None = None,
        file: tuple[bytes, str] | None = None,
    ) -> Answer:
        """Send until answered; `file` is a body with its media type, in place of JSON."""
        headers = {"Accept-Language": self._lang}
        if file is not None:
            headers["Content-Type"] = file[1]
        if key is not None:
            headers["Idempotency-Key"] = key
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        deadline = time.monotonic() + self.patience.total_s
        pause = Backoff(self.patience.first_pause_s, self.patience.most_pause_s)
        attempts = internal = refused_tokens = 0
        while True:
            attempts += 1
            try:
                headers["Authorization"] = f"Bearer {await self._tokens(user)}"
                response = await self.http.request(
                    method,
                    self._door(service) + path,
                    params=parameters or None,  # an empty mapping would take away the query in the path
                    json=body,
                    content=file[0] if file is not None else None,
                    headers=headers,
                    timeout=self.patience.request_s,
                )
            except (httpx.TransportError, Unreachable) as error:
                reason = str(error) if isinstance(error, Unreachable) else repr(error)
            else:
                if response.is_success:
                    return answer_of(response, attempts)
                reason = f"{response.status_code}"
                internal += response.status_code == 500
                again = response.status_code in TRY_AGAIN and internal <= MOST_INTERNAL
                if response.status_code == 401 and refused_tokens == 0:
                    refused_tokens += 1
                    again = self._renew(user)
                if not again:
                    raise problem_of(response)
            if time.monotonic() > deadline:
                raise Unreachable(f"{method} {self._door(service)}{path}: {reason}, {attempts} times")
            await pause.wait()

    def _renew(self, user: str) -> bool:
        if isinstance(self._tokens, PasswordTokens):
            self._tokens.forget(user)
            return True
        return False


@asynccontextmanager
async def api_client(
    url: str,
    *,
    tokens: Tokens | None = None,
    password: str = DEMO_PASSWORD,
    connections: int = 32,
    lang: str = "en",
    patience: Patience | None = None,
) -> AsyncIterator[Api]:
    """The API behind the portal at `url`; without `tokens`, users sign in with the demonstration's password."""
    # The portal closes idle connections after 5 s: give them up before it does.
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=4)
    timeout = httpx.Timeout(30, connect=5, pool=None)
    async with httpx.AsyncClient(limits=limits, timeout=timeout, trust_env=False) as http:
        chosen = tokens or PasswordTokens(http, f"{url.rstrip('/')}/oidc/token", password)
        yield Api(http, portal_door(url), chosen, lang=lang, patience=patience)
