"""Callers of a whole running platform, through its one public door."""

import asyncio
import csv
import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx

from deploy.cli.token import fetch
from deploy.local.environment import ROOT
from deploy.local.stack import Stack
from shared.scope import Role

LANGUAGE_COLUMNS = {"uz": "name_uz_latn", "uz-Cyrl": "name_uz_cyrl", "ru": "name_ru", "en": "name_en"}


@dataclass
class User:
    """Somebody with a token who calls the public API; commands get an Idempotency-Key by themselves."""

    http: httpx.AsyncClient
    door: str
    token: str

    async def get(self, path: str, **params: Any) -> httpx.Response:
        """GET /api/<service>/v1/…"""
        return await self.http.get(self.door + path, params=params or None, headers=self._headers())

    async def send(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, version: int | None = None
    ) -> httpx.Response:
        """A command, repeated with the same key while a part of the platform is down."""
        headers = self._headers() | {"Idempotency-Key": key or str(uuid.uuid4())}
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        async with asyncio.timeout(60):
            while True:
                try:
                    answer = await self.http.request(method, self.door + path, json=body, headers=headers)
                    if answer.status_code not in (502, 503, 504):
                        return answer
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.2)

    async def done(self, method: str, path: str, body: Any = None, **options: Any) -> dict[str, Any]:
        """A command that must succeed; returns the new state."""
        answer = await self.send(method, path, body, **options)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        state: dict[str, Any] = answer.json()
        return state

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Accept-Language": "en"}


@dataclass
class Platform:
    """A running stack and its users."""

    stack: Stack
    http: httpx.AsyncClient
    _tokens: dict[tuple[Role, str], str] = field(default_factory=dict)

    async def user(self, role: Role, org: str = "") -> User:
        """A user with this role and organisation."""
        if (role, org) not in self._tokens:
            self._tokens[role, org] = await asyncio.to_thread(fetch, self.stack.environment, role, org)
        return User(self.http, self.stack.url("portal"), self._tokens[role, org])


async def load_territory(platform: Platform) -> None:
    """The real territory: nation, 14 regions, 206 districts, parents first."""
    ministry = await platform.user(Role.MINISTRY)
    with (ROOT / "shared/reference/territory.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for level in ("nation", "region", "district"):
        await asyncio.gather(
            *(
                ministry.done(
                    "PUT",
                    f"/api/partners/v1/territory/{row['soato']}",
                    {"names": {language: row[column] for language, column in LANGUAGE_COLUMNS.items()}},
                )
                for row in rows
                if row["level"] == level
            )
        )
