"""Access tokens of the users a client acts for, fetched once and again before they end."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

import httpx

from deploy.api_client.answers import Problem, Unreachable, problem_of

CLIENT = "hamkor-cli"
DEMO_PASSWORD = "hamkor"
"""What every user of the demonstration signs in with, unless PORTAL_DEMO_PASSWORD says otherwise."""
RENEW_BEFORE_S = 60.0
MOST_USERS = 5_000

Tokens = Callable[[str], Awaitable[str]]
"""A username → an access token."""


def fixed_token(token: str) -> Tokens:
    """The same token whoever is asked for."""

    async def answer(_: str) -> str:
        return token

    return answer


class PasswordTokens:
    """Tokens of demo users by the password grant.

    Raises Unreachable while the issuer doesn't answer and Problem when it refuses.
    """

    def __init__(self, http: httpx.AsyncClient, url: str, password: str) -> None:
        self._http = http
        self._url = url
        self._password = password
        self._kept: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._locks: dict[str, asyncio.Lock] = {}

    async def __call__(self, username: str) -> str:
        """A token that is valid for another minute at least."""
        kept = self._kept.get(username)
        if kept is None or kept[1] < time.monotonic():
            async with self._locks.setdefault(username, asyncio.Lock()):
                kept = self._kept.get(username)
                if kept is None or kept[1] < time.monotonic():
                    kept = await self._fetch(username)
        return kept[0]

    def forget(self, username: str) -> None:
        """The token was refused: fetch another next time."""
        self._kept.pop(username, None)

    async def _fetch(self, username: str) -> tuple[str, float]:
        form = {"grant_type": "password", "client_id": CLIENT, "username": username, "password": self._password}
        try:
            response = await self._http.post(self._url, data=form)
        except httpx.TransportError as error:
            raise Unreachable(f"{self._url} gives no tokens: {error!r}") from error
        if response.status_code >= 500:
            raise Unreachable(f"{self._url} gives no tokens: {response.status_code}")
        if response.status_code != 200:
            refusal = problem_of(response)
            reason = str(refusal.more.get("error_description", refusal.title))
            remedy = "Check the user's name and the password (HAMKOR_PASSWORD)."
            raise Problem(401, "sign-in-refused", f"{username} can't sign in", reason, remedy)
        body = response.json()
        kept = str(body["access_token"]), time.monotonic() + float(body["expires_in"]) - RENEW_BEFORE_S
        self._kept[username] = kept
        while len(self._kept) > MOST_USERS:
            oldest, _ = self._kept.popitem(last=False)
            self._locks.pop(oldest, None)
        return kept
