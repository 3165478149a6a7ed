"""Institutions and enterprises to sign in as: a live search in the partners service, which the demo activity fills."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import structlog

from services.portal.places import district_of
from services.portal.proxy import Upstreams
from services.portal.territory import territory
from shared.i18n import Lang

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody to sign in as: the username, the organisation's name and where it is."""

    username: str
    name: str
    where: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a search brought; `available` is False while the partners service cannot be asked."""

    institutions: list[Person]
    enterprises: list[Person]
    available: bool = True


class People:
    """Searches institutions and enterprises with a token of role service."""

    def __init__(self, upstreams: Upstreams, token: Callable[[], str], limit: int = 8) -> None:
        self._upstreams = upstreams
        self._token = token
        self._limit = limit

    async def search(self, query: str, lang: Lang) -> Found:
        """The first institutions and enterprises that fit `query`, any where it is empty."""
        try:
            institutions, enterprises = await asyncio.gather(
                self._list("institution", query, lang), self._list("enterprise", query, lang)
            )
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as problem:
            log.info("people.unavailable", reason=repr(problem))
            return Found([], [], available=False)
        return Found(institutions, enterprises)

    async def _list(self, kind: str, query: str, lang: Lang) -> list[Person]:
        params: dict[str, str | int] = {"limit": self._limit} | ({"q": query} if query else {})
        answer = await self._upstreams.client.get(
            f"{self._upstreams.url('partners')}/v1/{kind}s",
            params=params,
            headers={"authorization": f"Bearer {self._token()}", "accept-language": lang},
            timeout=3,
        )
        answer.raise_for_status()
        return [self._person(kind, item, lang) for item in answer.json()["items"]]

    @staticmethod
    def _person(kind: str, item: dict[str, Any], lang: Lang) -> Person:
        name = item["name"]
        if isinstance(name, dict):
            name = name.get(lang) or next(iter(name.values()), "")
        district = territory().get(district_of(item))
        return Person(f"{kind}:{item['id']}", str(name), district.name(lang) if district else "")
