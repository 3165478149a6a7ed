"""The monitoring API as the pages ask it: the caller's token, the reader's language, answers as typed values."""

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, TypeVar

import httpx
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from services.portal.proxy import Upstreams
from services.portal.sign_in import SessionEnded
from shared.errors import Forbidden, NotFound, Unavailable
from shared.i18n import Lang

EMPTY_PARTS = 25
"""Parts of the institutions with nothing in them that are passed over to fill a page: more than there are."""
Text = str | dict[str, str]
"""A name: one text, or one per language."""


class Indicator(BaseModel):
    """An indicator's definition, in the reader's language."""

    code: str
    name: str
    help: str = ""
    formula: str = ""
    unit: Literal["ratio", "count", "persons", "score"] = "count"
    direction: Literal["up", "down", "none"] = "none"
    period_kinds: tuple[str, ...] = ()
    group: str = ""
    privacy: Literal["persons", "survey"] | None = None


class PlaceRef(BaseModel):
    """A place by code and name."""

    code: str
    name: Text = ""
    level: str = ""


class PlaceInfo(PlaceRef):
    """A place with its way up and the number of places directly below."""

    parent: str | None = None
    ancestors: list[PlaceRef] = []
    children: int = 0


class Value(BaseModel):
    """An indicator's value at a place in a period; null is not zero."""

    place: PlaceRef
    value: float | None = None
    numerator: float | None = None
    denominator: float | None = None
    coverage: float | None = None
    suppressed: bool = False
    as_of: datetime | None = None
    parts: dict[str, float | None] = {}


class Values(BaseModel):
    """A place's value and, where asked for, those of the places below."""

    period: str = ""
    value: Value
    children: list[Value] = []


class Point(BaseModel):
    """One period of a series."""

    period: str
    value: float | None = None
    numerator: float | None = None
    denominator: float | None = None
    suppressed: bool = False


class LineageEvent(BaseModel):
    """An event behind a contribution."""

    id: str
    type: str
    time: datetime | None = None
    source: str = ""
    shard: int | None = None
    position: int | None = None


class Contribution(BaseModel):
    """What one aggregate contributes to a value, and the events that made it so."""

    aggregate: str
    id: str
    institution: PlaceRef | None = None
    part: str | None = None
    amount: float | None = None
    member: str | None = None
    month: str | None = None
    version: int | None = None
    events: list[LineageEvent] = []


class Lineage(BaseModel):
    """A page of contributions."""

    items: list[Contribution]
    next: str | None = None


class _Series(BaseModel):
    points: list[Point]


class _Root(BaseModel):
    place: PlaceRef = Field(default_factory=lambda: PlaceRef(code=""))


_Indicators = TypeAdapter(list[Indicator])
Answer = TypeVar("Answer", bound=BaseModel)
INDICATORS_SECONDS = 60


class Monitoring:
    """One reader's view of the monitoring service; raises Unavailable, NotFound, Forbidden or SessionEnded."""

    _indicators: dict[Lang, tuple[float, list[Indicator]]] = {}  # noqa: RUF012 - definitions are the same for everybody

    def __init__(self, upstreams: Upstreams, token: str, lang: Lang) -> None:
        self._upstreams = upstreams
        self._headers = {"authorization": f"Bearer {token}", "accept-language": lang}
        self._lang = lang

    async def indicators(self) -> list[Indicator]:
        """All indicators with their texts; kept for a minute."""
        fetched, known = self._indicators.get(self._lang, (0.0, []))
        if not known or time.monotonic() - fetched > INDICATORS_SECONDS:
            body = await self._get("/v1/indicators", {})
            try:
                known = _Indicators.validate_python(body["items"] if isinstance(body, dict) else body)
            except (ValidationError, KeyError) as problem:
                raise Unavailable(service="monitoring") from problem
            self._indicators[self._lang] = (time.monotonic(), known)
        return known

    async def root(self) -> PlaceRef | None:
        """The root of what the reader sees; None where the role sees no place."""
        try:
            return (await self._one(_Root, "/v1/scope", {})).place
        except (NotFound, Forbidden):
            return None

    async def place(self, code: str) -> PlaceInfo:
        """A place."""
        return await self._one(PlaceInfo, f"/v1/places/{_segment(code)}", {})

    async def value(self, indicator: str, place: str, period: str, *, children: bool = False) -> Values:
        """A value, with those of the places directly below where `children`."""
        params = {"indicator": indicator, "place": place, "period": period}
        return await self._one(Values, "/v1/values", params | ({"children": "true"} if children else {}))

    async def series(self, indicator: str, place: str, kind: str, first: str, last: str) -> list[Point]:
        """The values of consecutive periods."""
        params = {"indicator": indicator, "place": place, "kind": kind, "from": first, "to": last}
        return (await self._one(_Series, "/v1/series", params)).points

    async def lineage(self, indicator: str, place: str, period: str, after: str, limit: int) -> Lineage:
        """A page of what is behind a value; empty only where there is no more, or after very much without anything.

        Monitoring looks through a part of the institutions at a time: where few have anything, a part may have nothing.
        """
        params = {"indicator": indicator, "place": place, "period": period, "limit": str(limit)}
        looked = 0
        while True:
            found = await self._one(Lineage, "/v1/lineage", params | ({"after": after} if after else {}))
            looked += 1
            if found.items or not found.next or looked == EMPTY_PARTS:
                return found
            after = found.next

    async def institutions(self, query: str, after: str, limit: int) -> tuple[list[dict[str, Any]], str | None]:
        """A page of the register of institutions (partners service) and the cursor of the next."""
        params = {"q": query, "limit": str(limit)} | ({"after": after} if after else {})
        body = await self._get("/v1/institutions", params, service="partners")
        return list(body["items"]), body.get("next")

    async def _one(self, model: type[Answer], path: str, params: Mapping[str, str]) -> Answer:
        try:
            return model.model_validate(await self._get(path, params))
        except ValidationError as problem:
            raise Unavailable(service="monitoring") from problem

    async def _get(self, path: str, params: Mapping[str, str], service: str = "monitoring") -> Any:
        url = self._upstreams.url(service) + path
        try:
            answer = await self._upstreams.client.get(
                url, params=params, headers=self._headers, timeout=httpx.Timeout(15, connect=3)
            )
            status = answer.status_code
            body = answer.json() if status == 200 else None
        except (httpx.HTTPError, ValueError) as problem:
            raise Unavailable(service=service) from problem
        match status:
            case 200:
                return body
            case 401:
                raise SessionEnded
            case 403:
                raise Forbidden
            case 404 | 422 | 400:
                raise NotFound
            case _:
                raise Unavailable(service=service)


def _segment(code: str) -> str:
    """`code` as one path segment; raises NotFound for what no place is called."""
    if not code or not all(char.isalnum() or char in "-_" for char in code):
        raise NotFound
    return code


async def gather_or_none(*calls: Any) -> list[Any]:
    """The results of concurrent calls; None where one found nothing, so that one missing number hides no other."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, NotFound):
            raise result
    return [None if isinstance(result, BaseException) else result for result in results]
