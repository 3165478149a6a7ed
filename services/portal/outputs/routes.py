"""The routes of these pages, and the files behind them, fetched with the reader's own token."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.portal import places
from services.portal.advice.asking import Asking
from services.portal.language import language_of
from services.portal.monitoring import Monitoring, PlaceInfo
from services.portal.periods import OFFERED, Period, choices
from services.portal.proxy import Streamed, Upstreams
from services.portal.rendering import Pages
from services.portal.sessions import Session
from services.portal.sign_in import SessionEnded, SignIn
from shared import clock
from shared.errors import Forbidden, NotFound, Unavailable
from shared.i18n import Lang
from shared.scope import EDUCATION

SERVICE: Final = "monitoring"
FILES: Final[dict[str, tuple[str, frozenset[str]]]] = {
    "report.pdf": ("/v1/report.pdf", frozenset({"period", "place", "lang"})),
    "dictionary": ("/v1/dictionary", frozenset({"format", "lang"})),
    "dhis2-metadata.json": ("/v1/dhis2/metadata", frozenset({"place", "depth", "lang"})),
    "dhis2-values.json": (
        "/v1/dhis2/dataValueSets",
        frozenset({"period", "place", "depth", "scheme", "published"}),
    ),
}
"""What can be downloaded: its address in monitoring's API and what may be asked of it."""
PASSED_ON: Final = ("content-type", "content-disposition", "content-language", "content-length")
NOT_IN_DHIS2: Final = "rolling_12"
TIMEOUT: Final = httpx.Timeout(300, connect=3)


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads a page."""

    session: Session
    token: str
    lang: Lang


def outputs_routes(pages: Pages, upstreams: Upstreams, sign_in: SignIn) -> APIRouter:
    """The routes of these pages."""
    router = APIRouter(include_in_schema=False)

    async def reader(request: Request) -> Reader:
        session: Session | None = request.state.session
        if session is None:
            raise SessionEnded
        if session.role not in EDUCATION:
            raise Forbidden
        return Reader(session, await sign_in.access_token(request), language_of(request.scope))

    @router.get("/outputs")
    async def outputs(request: Request) -> Response:
        who = await reader(request)
        monitoring = Monitoring(upstreams, who.token, who.lang)
        root = await monitoring.root()
        if root is None or not root.code:
            raise NotFound
        own = await monitoring.place(root.code)
        today = clock.local_day(clock.now())
        offered = {kind: choices(kind, today) for kind in OFFERED}
        return pages.page(
            request,
            "outputs/desk.html",
            root=(own.code, places.name_of(own.code, own.name, who.lang)),
            level=own.level,
            below=await _below(monitoring, own, who.lang),
            periods=offered,
            dhis2_periods={kind: items for kind, items in offered.items() if kind != NOT_IN_DHIS2},
            chosen=Period.at("quarter", today).earlier(),
        )

    @router.get("/outputs/dictionary")
    async def dictionary(request: Request) -> Response:
        who = await reader(request)
        if request.query_params.get("format"):
            return await file(request, "dictionary")
        told = await Asking(upstreams, who.token, who.lang).get("/v1/dictionary")
        groups: dict[str, list[Mapping[str, Any]]] = {}
        for entry in told["items"]:
            groups.setdefault(entry["group"], []).append(entry)
        return pages.page(request, "outputs/dictionary.html", fields=told["fields"], groups=groups, k=told["k"])

    @router.get("/outputs/files/{name}")
    async def file(request: Request, name: str) -> Response:
        who = await reader(request)
        if name not in FILES:
            raise NotFound
        return await _fetch(upstreams, who, name, request.query_params)

    return router


async def _below(monitoring: Monitoring, own: PlaceInfo, lang: Lang) -> list[tuple[str, str]]:
    """Codes and names of the units right below, by name; institutions are too many to choose from in a list."""
    if own.level not in ("nation", "region"):
        return []
    today = clock.local_day(clock.now())
    answer = await monitoring.value("F1", own.code, Period.month_of(today).text, children=True)
    named = [(each.place.code, places.name_of(each.place.code, each.place.name, lang)) for each in answer.children]
    return sorted(named, key=lambda each: each[1].casefold())


async def _fetch(upstreams: Upstreams, who: Reader, name: str, query: Mapping[str, str]) -> Response:
    """A file from monitoring, passed on as it comes."""
    path, may_ask = FILES[name]
    asked = {key: value[:64] for key, value in query.items() if key in may_ask and value}
    headers = {"authorization": f"Bearer {who.token}", "accept-language": str(who.lang)}
    outgoing = upstreams.client.build_request(
        "GET", upstreams.url(SERVICE) + path, params=asked, headers=headers, timeout=TIMEOUT
    )
    try:
        answer = await upstreams.client.send(outgoing, stream=True)
    except httpx.HTTPError as problem:
        raise Unavailable(service=SERVICE) from problem
    if answer.status_code != 200:
        await answer.aclose()
        raise _refusal(answer.status_code)
    kept = [(key.encode(), answer.headers[key].encode()) for key in PASSED_ON if key in answer.headers]
    return Streamed(answer, [*kept, (b"cache-control", b"no-store")])


def _refusal(status: int) -> Exception:
    match status:
        case 401:
            return SessionEnded()
        case 403:
            return Forbidden()
        case 400 | 404 | 422:
            return NotFound()
    return Unavailable(service=SERVICE)
