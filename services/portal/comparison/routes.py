"""The routes of comparison: the ranking with its spread, the index, targets, breakdowns."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.portal.advice.asking import Answer, Reader, reader_of, segment
from services.portal.advice.forms import field_of, form_of, key_of, problem_of
from services.portal.comparison import showing
from services.portal.periods import OFFERED, Period
from services.portal.proxy import Upstreams
from services.portal.rendering import Pages
from services.portal.sign_in import SignIn
from services.portal.work.api import Names, Services
from services.portal.work.words import named
from shared import clock
from shared.errors import NotFound
from shared.i18n import Catalogue
from shared.ids import new_id
from shared.scope import EDUCATION, Role

ROWS: Final = 50
NATION: Final = "17"
INDEX: Final = "INDEX"
LEVELS: Final = ("nation", "region", "district", "institution")
SETTERS: Final = frozenset({Role.MINISTRY, Role.REGION})
COUNTED: Final = ("count", "persons")
OFFERED_PERIODS: Final = {"academic_year": 4, "fiscal_year": 3, "quarter": 4, "month": 12, "rolling_12": 6}
MOST_NAMED: Final = 30
"""Enterprises whose names are asked for."""


def comparison_routes(pages: Pages, upstreams: Upstreams, sign_in: SignIn, catalogue: Catalogue) -> APIRouter:  # noqa: C901 - a list of routes
    """The routes of these pages."""
    router = APIRouter(include_in_schema=False)
    names = Names()

    async def reader(request: Request, roles: frozenset[Role] = EDUCATION) -> Reader:
        return await reader_of(request, upstreams, sign_in, roles)

    async def known(who: Reader) -> list[dict[str, Any]]:
        """The indicators, the index first."""
        found = (await who.asking.get("/v1/indicators"))["items"]
        return [{"code": INDEX, "unit": "score", "period_kinds": OFFERED, **_texts(catalogue, who)}, *found]

    async def chosen_of(request: Request, who: Reader, indicators: list[dict[str, Any]]) -> dict[str, Any]:
        query = request.query_params
        code = query.get("indicator", "")[:64] or INDEX
        indicator = next((each for each in indicators if each["code"] == code), None)
        if indicator is None:
            raise NotFound
        today = clock.local_day(clock.now())
        period = Period.parse(query.get("period", "")[:16]) or Period.academic_year_of(today)
        return {
            "indicator": indicator,
            "period": period.fitted(tuple(indicator["period_kinds"])),
            "place": query.get("place", "")[:64] or who.session.org or NATION,
        }

    @router.get("/comparison")
    async def ranking(request: Request) -> Response:
        who = await reader(request)
        query = request.query_params
        indicators = await known(who)
        chosen = await chosen_of(request, who, indicators)
        place = await who.asking.get(f"/v1/places/{segment(chosen['place'])}")
        unit = chosen["indicator"]["unit"]
        levels = LEVELS[LEVELS.index(place["level"]) + 1 :] or ("institution",)
        level = query.get("level", "")
        chosen["level"] = level if level in levels else levels[0]
        chosen["per"] = bool(query.get("per")) and unit in COUNTED and chosen["level"] != "institution"
        asked = _asked(chosen) | ({"per": "true"} if chosen["per"] else {})
        after = query.get("after", "")[:300]
        several = place["level"] != "institution"
        found, spread, peers = await asyncio.gather(
            _or_none(several, who, "/v1/ranking", asked | {"limit": ROWS} | ({"after": after} if after else {})),
            _or_none(several, who, "/v1/distribution", asked),
            _or_none(place["level"] != "nation", who, "/v1/peers", _asked(chosen, "indicator", "place", "period")),
        )
        problem = next((each for each in (found, spread) if each is not None and not each.done), None)
        if problem is not None and problem.status in (403, 404):
            raise NotFound
        kept = asked | {"level": chosen["level"]}
        following = found.body.get("next") if found is not None and found.done else None
        return pages.page(
            request,
            "comparison/ranking.html",
            status=200 if problem is None else problem.status,
            problem=None if problem is None else problem_of(problem),
            place=place,
            chosen=chosen,
            unit=unit,
            indicators=indicators,
            periods=_periods(chosen["period"]),
            levels=levels,
            counted=unit in COUNTED,
            several=several,
            found=found.body if found is not None and found.done else None,
            rows=showing.rows_of(found.body["items"], unit, who.lang, per=chosen["per"])
            if found is not None and found.done
            else [],
            **_spread(spread, unit, who),
            **_peers(peers, unit, who),
            export=f"/api/monitoring/v1/ranking/export?{urlencode(kept)}",
            values=f"/api/monitoring/v1/values/export?{urlencode(_all_values(chosen))}",
            following=f"/comparison?{urlencode(kept | {'after': following})}" if following else None,
            first=not after,
            kept=urlencode(kept),
        )

    @router.get("/comparison/index")
    async def index(request: Request) -> Response:
        who = await reader(request)
        indicators = await known(who)
        chosen = await chosen_of(request, who, [each for each in indicators if each["code"] == INDEX])
        found = await who.asking.get("/v1/effectiveness", _asked(chosen, "place", "period"))
        declared = await who.asking.get("/v1/effectiveness/composition")
        bounds = {each["indicator"]["code"]: each for each in declared["items"]}
        return pages.page(
            request,
            "comparison/index.html",
            found=found,
            value=showing.amount(found["value"], "score", who.lang),
            components=[
                showing.component_of(each, who.lang)
                | {"bounds": _bounds(bounds[each["indicator"]["code"]], found["place"]["level"], who)}
                for each in found["components"]
            ],
            chosen=chosen,
            periods=_periods(chosen["period"]),
            texts=indicators[0],
        )

    @router.get("/comparison/targets")
    async def targets(request: Request) -> Response:
        return await targets_page(request, await reader(request))

    async def targets_page(
        request: Request,
        who: Reader,
        problem: Mapping[str, Any] | None = None,
        typed: Mapping[str, str] | None = None,
        status: int = 200,
    ) -> Response:
        query = request.query_params
        place = query.get("place", "")[:64] or who.session.org or NATION
        year = query.get("year", "")[:16]
        params = {"place": place} | ({"year": year} if Period.parse(year) else {})
        found = await who.asking.get("/v1/targets", params)
        level = found["place"]["level"]
        today = clock.local_day(clock.now())
        years = [Period.at(kind, today).earlier(-step) for kind in OFFERED[::3] for step in (0, 1)]
        return pages.page(
            request,
            "comparison/targets.html",
            status=status,
            found=found,
            own=[showing.target_of(each, who.lang) for each in found["items"] if each["applies"]],
            below=[showing.target_of(each, who.lang) for each in found["items"] if not each["applies"]],
            sets=who.session.role in SETTERS,
            indicators=await known(who) if who.session.role in SETTERS else [],
            levels=LEVELS[LEVELS.index(level) :],
            years=years,
            key=new_id(),
            problem=problem,
            typed=typed or {},
            done=query.get("done", ""),
        )

    @router.post("/comparison/targets")
    async def set_target(request: Request) -> Response:
        who = await reader(request, SETTERS)
        data = await form_of(request)
        typed = {name: field_of(data, name, 500) for name in ("indicator", "level", "year", "value", "note", "place")}
        body = {"value": _number(typed["value"]), "note": typed["note"]}
        path = f"/v1/targets/{segment(typed['indicator'])}/{segment(typed['level'])}/{segment(typed['year'])}"
        place = {"place": typed["place"]} if typed["place"] else {}
        version = field_of(data, "_version", 10)
        if not version:
            told = await who.asking.try_get(path, place)
            if not told.done:
                return await targets_page(request, who, problem_of(told), typed, told.status)
            version = str(told.body["version"])
        answer = await who.asking.send("PUT", path, body, key_of(data), version, place)
        if answer.done:
            query = urlencode(place | {"year": typed["year"], "done": "set"})
            return RedirectResponse(f"/comparison/targets?{query}", 303)
        return await targets_page(request, who, problem_of(answer), typed, answer.status)

    @router.get("/comparison/targets/{code}/{level}/{year}")
    async def target(request: Request, code: str, level: str, year: str) -> Response:
        who = await reader(request)
        place = request.query_params.get("place", "")[:64]
        path = f"/v1/targets/{segment(code)}/{segment(level)}/{segment(year)}"
        told = await who.asking.get(path, {"place": place} if place else {})
        return pages.page(
            request,
            "comparison/target.html",
            one=showing.target_of(told, who.lang),
            history=[showing.target_of(each, who.lang) for each in told["history"] if each["version"]],
            year=_named(year),
            sets=who.session.role in SETTERS,
            key=new_id(),
        )

    @router.get("/comparison/breakdown")
    async def breakdown(request: Request) -> Response:
        who = await reader(request)
        ways = (await who.asking.get("/v1/breakdowns"))["items"]
        every = [each for each in await known(who) if each["code"] in {way["indicator"]["code"] for way in ways}]
        code, _, by = request.query_params.get("of", "")[:40].partition("/")
        way = next((each for each in ways if each["indicator"]["code"] == code), ways[0])
        by = by if by in way["by"] else way["by"][0]
        indicator = next(each for each in every if each["code"] == way["indicator"]["code"])
        today = clock.local_day(clock.now())
        period = Period.parse(request.query_params.get("period", "")[:16]) or Period.academic_year_of(today)
        chosen: dict[str, Any] = {
            "indicator": indicator,
            "by": by,
            "period": period.fitted(tuple(indicator["period_kinds"])),
            "place": request.query_params.get("place", "")[:64] or who.session.org or NATION,
        }
        answer = await who.asking.try_get("/v1/breakdown", _asked(chosen, "indicator", "place", "period") | {"by": by})
        if answer.status in (403, 404):
            raise NotFound
        found = answer.body if answer.done else None
        rows = showing.parts_of(found["items"], who.lang) if found else []
        rows = await with_names(request, who, by, rows)
        return pages.page(
            request,
            "comparison/breakdown.html",
            status=200 if found else answer.status,
            problem=None if found else problem_of(answer),
            found=found,
            whole=showing.amount(found["value"], indicator["unit"], who.lang) if found else "",
            rows=rows,
            columns=[name for name in (found["items"][0] if found and found["items"] else {}) if name != "key"],
            ways=ways,
            chosen=chosen,
            periods=_periods(chosen["period"]),
        )

    async def with_names(request: Request, who: Reader, by: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows with the names of what they are of; the first enterprises' are asked for, others go by their id."""
        if by == "sector":
            return [each | {"name": named("isic", each["key"], who.lang)} for each in rows]
        if by == "term":
            return [each | {"name": period_name(each["key"], who)} for each in rows]
        if by != "enterprise":
            return [each | {"name": _word(catalogue, by, each["key"], who)} for each in rows]
        token = await sign_in.access_token(request)
        services = Services(upstreams, names, token, f"{who.session.role}:{who.session.org}", who.lang)
        wanted = {each["key"] for each in rows[:MOST_NAMED]}
        found = await services.named({"enterprises": wanted}, {"enterprises": "partners"}, {})
        entries = {id_: entry for (_, id_), entry in found.items() if entry}
        return [each | {"name": entries.get(each["key"], {}).get("name", each["key"])} for each in rows]

    def period_name(text: str, who: Reader) -> str:
        return _named(text).label(who.lang, catalogue)

    return router


def _word(catalogue: Catalogue, by: str, key: str, who: Reader) -> str:
    """The name of a form, category, profession …: as parts of values are named elsewhere."""
    code = {"profession": f"isco_{key}", "stage": f"stage_{key}"}.get(by, key)
    for section in ("comparison.key", "form", "part", "code"):
        if catalogue.has(f"{section}.{code}"):
            return catalogue.text(f"{section}.{code}", who.lang)
    return key


def _texts(catalogue: Catalogue, who: Reader) -> dict[str, str]:
    name, told = (catalogue.text(f"comparison.{key}", who.lang) for key in ("index", "index_help"))
    return {"name": name, "help": told}


def _asked(chosen: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """What is chosen as the API takes it."""
    every = {
        "indicator": chosen["indicator"]["code"],
        "place": chosen["place"],
        "period": chosen["period"].text,
        "level": chosen.get("level", ""),
    }
    return {name: every[name] for name in names or every}


def _all_values(chosen: Mapping[str, Any]) -> dict[str, str]:
    """Every indicator at the place and right below it, in the period chosen."""
    return {"place": chosen["place"], "from": chosen["period"].text, "to": chosen["period"].text}


async def _or_none(wanted: bool, who: Reader, path: str, params: Mapping[str, Any]) -> Answer | None:
    return await who.asking.try_get(path, params) if wanted else None


def _spread(answer: Answer | None, unit: str, who: Reader) -> dict[str, Any]:
    if answer is None or not answer.done:
        return {"spread": None, "figure": None, "quantiles": [], "outliers": None, "out": []}
    spread, outliers = answer.body["spread"], answer.body["outliers"]
    return {
        "spread": spread,
        "figure": showing.figure(spread, unit, who.lang),
        "quantiles": showing.quantiles_of(spread, unit, who.lang) if spread else [],
        "outliers": outliers,
        "out": [
            {
                **each,
                "text": showing.amount(each["value"], unit, who.lang),
                "between": " – ".join(showing.amount(each[name], unit, who.lang) for name in ("low", "high")),
            }
            for each in outliers["items"]
        ],
    }


def _peers(answer: Answer | None, unit: str, who: Reader) -> dict[str, Any]:
    if answer is None or not answer.done:
        return {"peers": None, "peer_figure": None, "peer_quantiles": [], "mine": None}
    told, own = answer.body, answer.body["own"]
    mine = showing.rows_of([own], unit, who.lang, per=False)[0] if own else None
    return {
        "peers": told,
        "peer_figure": showing.figure(told["spread"], unit, who.lang, own["value"] if own else None),
        "peer_quantiles": showing.quantiles_of(told["spread"], unit, who.lang) if told["spread"] else [],
        "mine": mine,
    }


def _bounds(declared: Mapping[str, Any], level: str, who: Reader) -> str:
    bounds = declared["institution"] if declared["institution"] and level == "institution" else declared
    unit = declared["indicator"]["unit"]
    return " → ".join(showing.amount(bounds[name], unit, who.lang) for name in ("low", "goal"))


def _periods(chosen: Period) -> list[Period]:
    today = clock.local_day(clock.now())
    found = [Period.at(kind, today).earlier(step) for kind, count in OFFERED_PERIODS.items() for step in range(count)]
    return found if chosen in found else [chosen, *found]


def _named(text: str) -> Period:
    period = Period.parse(text)
    if period is None:
        raise NotFound
    return period


def _number(text: str) -> Any:
    """What was typed as a number, a percentage too; nothing withdraws the target; what is none, the service says so."""
    clean = text.replace(" ", "").replace("\u00a0", "").replace(",", ".")
    if not clean:
        return None
    try:
        return float(clean.removesuffix("%")) / (100 if clean.endswith("%") else 1)
    except ValueError:
        return text
