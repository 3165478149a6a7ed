"""The pages: a place with its indicators, what is behind a number, the register, help and attribution."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.portal import places
from services.portal.charts import SPARK_HEIGHT, SPARK_WIDTH, view_box
from services.portal.language import LANGUAGE_COOKIE, LANGUAGE_SECONDS, language_of
from services.portal.monitoring import Indicator, Monitoring
from services.portal.periods import OFFERED
from services.portal.places import Choice
from services.portal.proxy import Upstreams
from services.portal.rendering import Pages
from services.portal.sessions import Session
from services.portal.sign_in import SessionEnded, SignIn, local_path
from shared import clock
from shared.errors import Forbidden, NotFound
from shared.i18n import Lang
from shared.scope import EDUCATION, Role

LINEAGE_ROWS = 25
SEARCH_ROWS = 30


def sign_in_address(request: Request) -> str:
    """Where a person without a session is sent, to come back here."""
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return "/sign-in" if here == "/" else f"/sign-in?{urlencode({'next': here})}"


def page_number(text: str) -> int:
    """The page of a table that an address asks for; the first one where that is no plain number."""
    return min(int(text), 10_000) if re.fullmatch("[1-9][0-9]{0,8}", text) else 1


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads a page: their session, language and view of the indicators."""

    session: Session
    lang: Lang
    monitoring: Monitoring


def page_routes(pages: Pages, upstreams: Upstreams, sign_in: SignIn, secure: bool) -> APIRouter:  # noqa: C901 - a list of routes
    """The routes of the pages."""
    router = APIRouter(include_in_schema=False)

    async def reader(request: Request) -> Reader:
        session: Session | None = request.state.session
        if session is None:
            raise SessionEnded
        lang = language_of(request.scope)
        return Reader(session, lang, Monitoring(upstreams, await sign_in.access_token(request), lang))

    def choice_of(request: Request, place: str, indicator: Indicator, *, root: bool = False) -> Choice:
        query = request.query_params
        sort = query.get("sort", "-value")
        column = sort.removeprefix("-")
        return Choice(
            place,
            indicator.code,
            places.chosen_period(query.get("period", ""), clock.local_day(clock.now())),
            column if column in places.SORTS else "value",
            sort.startswith("-"),
            query.get("q", "").strip()[:100],
            page_number(query.get("page", "1")),
            root,
        )

    async def show_place(request: Request, who: Reader, code: str, *, root: bool = False) -> Response:
        indicators = await who.monitoring.indicators()
        indicator = places.chosen_indicator(indicators, request.query_params.get("indicator", ""))
        choice = choice_of(request, code, indicator, root=root)
        place = await who.monitoring.place(code)
        today = clock.local_day(clock.now())
        return pages.page(
            request,
            "place.html",
            place=place,
            name=places.name_of(place.code, place.name, who.lang),
            crumbs=places.breadcrumbs(place, who.lang),
            indicators=indicators,
            period_choices={kind: places.period_choices(choice.period, kind, today) for kind in OFFERED},
            **await parts(who, choice, indicator, place.level, ("cards", "children", "trend")),
        )

    async def parts(
        who: Reader,
        choice: Choice,
        indicator: Indicator,
        level: str,
        wanted: tuple[str, ...],
        card: Indicator | None = None,
    ) -> dict[str, Any]:
        context: dict[str, Any] = {"choice": choice, "indicator": indicator, "level": level, "view_box": view_box()}
        context["shown_period"] = choice.period.fitted(indicator.period_kinds)
        context["spark_box"] = f"0 0 {SPARK_WIDTH} {SPARK_HEIGHT}"
        today = clock.local_day(clock.now())
        loaders: dict[str, Callable[[], Awaitable[Any]]] = {
            "cards": lambda: places.cards(who.monitoring, choice, today),
            "card": lambda: places.card(who.monitoring, choice, card or indicator, today),
            "children": lambda: places.children(who.monitoring, choice, indicator, who.lang),
            "trend": lambda: places.trend(who.monitoring, choice, indicator, today),
        }
        names = [name for name in wanted if name != "children" or level != "institution"]
        loaded = await asyncio.gather(*(loaders[name]() for name in names))
        context |= dict.fromkeys(wanted) | dict(zip(names, loaded, strict=True))
        return context

    @router.get("/")
    async def home(request: Request) -> Response:
        who = await reader(request)
        if who.session.role is Role.OPERATOR:
            return RedirectResponse("/operations", 303)
        if who.session.role is Role.ENTERPRISE:
            return RedirectResponse("/work", 303)
        root = await who.monitoring.root()
        if root is None or not root.code:
            return pages.page(request, "no_place.html")
        return await show_place(request, who, root.code, root=True)

    @router.get("/places/{code}")
    async def place(request: Request, code: str) -> Response:
        return await show_place(request, await reader(request), code)

    @router.get("/fragments/{name}/{code}")
    async def fragment(request: Request, name: str, code: str) -> Response:
        if name not in ("card", "children", "trend"):
            raise NotFound
        who = await reader(request)
        indicators = await who.monitoring.indicators()
        indicator = places.chosen_indicator(indicators, request.query_params.get("indicator", ""))
        choice = choice_of(request, code, indicator, root="root" in request.query_params)
        card = places.chosen_indicator(indicators, request.query_params.get("card", ""))
        level = (await who.monitoring.place(code)).level if name == "children" else ""
        context = await parts(who, choice, indicator, level, (name,), card)
        return pages.fragment(request, f"parts/{name}.html", **context)

    @router.get("/why")
    async def why(request: Request, indicator: str, place: str, period: str = "", after: str = "") -> Response:
        who = await reader(request)
        definition = places.chosen_indicator(await who.monitoring.indicators(), indicator)
        if definition.code != indicator:
            raise NotFound
        info = await who.monitoring.place(place)
        asked = places.chosen_period(period, clock.local_day(clock.now())).fitted(definition.period_kinds)
        value = await who.monitoring.value(indicator, place, asked.text)
        lineage = await who.monitoring.lineage(indicator, place, asked.text, after[:500], LINEAGE_ROWS)
        return pages.page(
            request,
            "why.html",
            indicator=definition,
            place=info,
            name=places.name_of(info.code, info.name, who.lang),
            crumbs=places.breadcrumbs(info, who.lang),
            period=asked,
            value=value.value,
            lineage=lineage,
            first=not after,
            base={"indicator": indicator, "place": place, "period": asked.text},
            urlencode=urlencode,
        )

    @router.get("/search")
    async def search(request: Request, q: str = "", after: str = "") -> Response:
        who = await reader(request)
        query = q.strip()[:100]
        items, following = await who.monitoring.institutions(query, after[:500], SEARCH_ROWS)
        rows = [
            {
                "id": str(item["id"]),
                "code": str(item.get("code", "")),
                "kind": str(item.get("kind", "")),
                "district": places.district_of(item),
                "name": places.name_of("", item.get("name", ""), who.lang),
            }
            for item in items
        ]
        more = f"/search?{urlencode({'q': query, 'after': following})}" if following else None
        return pages.page(request, "search.html", rows=rows, query=query, more=more)

    @router.get("/indicators")
    async def indicators(request: Request) -> Response:
        who = await reader(request)
        if who.session.role not in EDUCATION:
            raise Forbidden
        return pages.page(request, "indicators.html", indicators=await who.monitoring.indicators())

    @router.get("/about")
    async def about(request: Request) -> Response:
        return pages.page(request, "about.html")

    @router.post("/language")
    async def language(request: Request) -> Response:
        async with request.form(max_files=0, max_fields=10) as form:
            chosen, target = str(form.get("lang", "")), str(form.get("next", "/"))
        answer = RedirectResponse(local_path(target), 303)
        if Lang.parse(chosen) is not None:
            answer.set_cookie(
                LANGUAGE_COOKIE, chosen, max_age=LANGUAGE_SECONDS, secure=secure, httponly=True, samesite="lax"
            )
        return answer

    return router
