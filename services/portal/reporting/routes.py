"""The routes of reporting: the desk of reports, a report and its steps, publications, what changed of a value."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.portal.advice.asking import Reader, reader_of, segment
from services.portal.advice.forms import field_of, form_of, key_of, problem_of
from services.portal.periods import Period
from services.portal.proxy import Upstreams
from services.portal.rendering import Pages
from services.portal.sign_in import SignIn
from shared import clock, i18n
from shared.errors import NotFound
from shared.i18n import Catalogue, Lang
from shared.ids import new_id
from shared.scope import EDUCATION, TERRITORIAL, Role

ROWS: Final = 50
STEPS: Final = ("submit", "return", "approve", "lock", "reopen")
REASONED: Final = ("return", "reopen")
STATES: Final = ("submitted", "open", "returned", "reopened", "approved", "locked")
REASONS: Final = ("incomplete", "wrong_figures", "evidence_missing", "late_correction", "other")
REVISIONS: Final = ("corrections", "late_reports", "method", "other")
TONES: Final = {
    "open": "",
    "submitted": "gold",
    "returned": "warn",
    "reopened": "warn",
    "approved": "live",
    "locked": "past",
    "ordered": "gold",
    "published": "live",
}
SINCE_DAYS: Final = (1, 7, 30, 90)


@dataclass(frozen=True, slots=True)
class Amounts:
    """Values in words of one language."""

    lang: Lang
    hidden: str
    nothing: str

    def text(self, value: Mapping[str, Any], unit: str) -> str:
        """A value with what it is divided from."""
        if value["suppressed"]:
            return self.hidden
        if value["value"] is None:
            return self.nothing
        if unit == "ratio":
            share = i18n.percent(value["value"], self.lang)
            top, bottom = (i18n.number(value[part] or 0, self.lang) for part in ("numerator", "denominator"))
            return f"{share} ({top} / {bottom})"
        return i18n.number(value["value"], self.lang, 2 if unit == "score" else 0)


def reporting_routes(pages: Pages, upstreams: Upstreams, sign_in: SignIn, catalogue: Catalogue) -> APIRouter:  # noqa: C901 - a list of routes
    """The routes of these pages."""
    router = APIRouter(include_in_schema=False)

    async def reader(request: Request, roles: frozenset[Role] = EDUCATION) -> Reader:
        return await reader_of(request, upstreams, sign_in, roles)

    def amounts(lang: Lang) -> Amounts:
        return Amounts(lang, catalogue.text("reporting.hidden", lang), catalogue.text("reporting.nothing", lang))

    @router.get("/reporting")
    async def desk(request: Request) -> Response:
        who = await reader(request)
        query = request.query_params
        state = query.get("status", "")
        chosen = {
            "period": _period(query.get("period", "")),
            "status": state if state in STATES else "",
            "parent": query.get("parent", "")[:64],
        }
        told = await who.asking.get(
            "/v1/reporting/progress", {"period": chosen["period"]} if chosen["period"] else None
        )
        period = told["period"]
        own: Mapping[str, Any] = {"items": []}
        if period:
            # An institution's are all that it sees: also those of institutions whose work it goes on with.
            whose = {} if who.session.role is Role.INSTITUTION else {"place": who.session.org}
            own = await _reports(who, {"period": period, "limit": str(ROWS)} | whose)
        params = {name: value for name, value in (chosen | {"period": period or ""}).items() if value}
        after = query.get("after", "")[:500]
        below: Mapping[str, Any] = {"items": [], "next": None}
        if who.session.role is not Role.INSTITUTION and period:
            if not chosen["parent"]:
                params["parent"] = who.session.org or "17"
            below = await _reports(who, params | {"limit": str(ROWS)} | ({"after": after} if after else {}))
        kept = {name: value for name, value in chosen.items() if value} | ({"period": period} if period else {})
        return pages.page(
            request,
            "reporting/desk.html",
            told=told,
            periods=[_named(text) for text in told["periods"]],
            period=_named(period) if period else None,
            own=[_row(each) for each in own["items"]],
            below=[_row(each) for each in below["items"]],
            chosen=chosen,
            states=STATES,
            tones=TONES,
            office=who.session.role is not Role.INSTITUTION,
            kept=kept,
            following=f"/reporting?{urlencode(kept | {'after': below['next']})}" if below.get("next") else None,
            first=not after,
        )

    async def report_page(
        request: Request, who: Reader, id_: str, problem: Mapping[str, Any] | None = None, status: int = 200
    ) -> Response:
        told = await who.asking.get(f"/v1/submissions/{segment(id_)}")
        figures = await who.asking.get(f"/v1/submissions/{segment(id_)}/figures")
        shown = amounts(who.lang)
        return pages.page(
            request,
            "reporting/report.html",
            status=status,
            one=told,
            period=_named(told["period"]),
            tones=TONES,
            figures=[_figure(each, shown) for each in figures["items"]],
            since=f"figures:{told['figures']}" if told["figures"] else "",
            reasons=REASONS,
            reasoned=REASONED,
            keys={step: new_id() for step in STEPS},
            problem=problem,
            done=request.query_params.get("done", ""),
        )

    @router.get("/reporting/reports/{id_}")
    async def report(request: Request, id_: str) -> Response:
        return await report_page(request, await reader(request), id_)

    @router.post("/reporting/reports/{id_}/{step}")
    async def take(request: Request, id_: str, step: str) -> Response:
        who = await reader(request)
        if step not in STEPS:
            raise NotFound
        data = await form_of(request)
        body: dict[str, Any] = {"note": field_of(data, "note", 1000)}
        if step in REASONED:
            body["reason"] = field_of(data, "reason", 40)
        path = f"/v1/submissions/{segment(id_)}/{step}"
        answer = await who.asking.send("POST", path, body, key_of(data), field_of(data, "_version", 10))
        if answer.done:
            return RedirectResponse(f"/reporting/reports/{segment(id_)}?done={step}", 303)
        typed = {"note": body["note"], "reason": body.get("reason", "")}
        return await report_page(request, who, id_, problem_of(answer, step) | typed, answer.status)

    async def publications_page(
        request: Request, who: Reader, problem: Mapping[str, Any] | None = None, status: int = 200
    ) -> Response:
        after = request.query_params.get("after", "")[:500]
        body = await who.asking.get("/v1/publications", {"limit": ROWS} | ({"after": after} if after else {}))
        return pages.page(
            request,
            "reporting/publications.html",
            status=status,
            rows=[{**each, "period_name": _named(each["period"])} for each in body["items"]],
            tones=TONES,
            orders=who.session.role in TERRITORIAL,
            ended=_ended(),
            key=new_id(),
            problem=problem,
            following=f"/reporting/publications?{urlencode({'after': body['next']})}" if body.get("next") else None,
            first=not after,
        )

    @router.get("/reporting/publications")
    async def publications(request: Request) -> Response:
        return await publications_page(request, await reader(request))

    @router.post("/reporting/publications")
    async def order(request: Request) -> Response:
        who = await reader(request, TERRITORIAL)
        data = await form_of(request)
        body: dict[str, Any] = {
            "place": field_of(data, "place", 7) or who.session.org or "17",
            "period": field_of(data, "period", 16),
            "note": field_of(data, "note", 1000),
        }
        if reason := field_of(data, "reason", 40):
            body["reason"] = reason
        answer = await who.asking.send("POST", "/v1/publications", body, key_of(data))
        if answer.done:
            return RedirectResponse(f"/reporting/publications/{answer.body['id']}?done=ordered", 303)
        return await publications_page(request, who, problem_of(answer), answer.status)

    @router.get("/reporting/publications/{id_}")
    async def publication(request: Request, id_: str) -> Response:
        who = await reader(request)
        query = request.query_params
        told = await who.asking.get(f"/v1/publications/{segment(id_)}")
        number = query.get("edition", "")
        chosen = {
            "edition": number if number.isdigit() and len(number) < 5 else "",
            "place": query.get("place", "")[:64],
            "indicator": query.get("indicator", "")[:64],
            "changed": "true" if query.get("changed") else "",
        }
        after = query.get("after", "")[:300]
        asked = {name: value for name, value in chosen.items() if value} | ({"after": after} if after else {})
        found: Mapping[str, Any] = {"items": [], "next": None, "edition": None}
        if told["editions"]:
            found = await who.asking.get(f"/v1/publications/{segment(id_)}/values", asked | {"limit": "30"})
        shown = amounts(who.lang)
        indicators = (await who.asking.get("/v1/indicators"))["items"]
        kept = {name: value for name, value in chosen.items() if value}
        return pages.page(
            request,
            "reporting/publication.html",
            one=told,
            period=_named(told["period"]),
            tones=TONES,
            edition=found["edition"],
            figures=[_figure(each, shown) for each in found["items"]],
            indicators=[each for each in indicators if _kind_of(told["period"]) in each["period_kinds"]],
            chosen=chosen,
            orders=who.session.role in TERRITORIAL and told["status"] == "published",
            reasons=REVISIONS,
            key=new_id(),
            done=query.get("done", ""),
            following=(
                f"/reporting/publications/{segment(id_)}?{urlencode(kept | {'after': found['next']})}"
                if found["next"]
                else None
            ),
        )

    @router.get("/reporting/changed")
    async def changed(request: Request) -> Response:
        who = await reader(request)
        query = request.query_params
        indicators = (await who.asking.get("/v1/indicators"))["items"]
        today = clock.local_day(clock.now())
        chosen = {
            "indicator": query.get("indicator", "")[:64] or "F1",
            "place": query.get("place", "")[:64] or who.session.org or "17",
            "period": _period(query.get("period", "")) or Period.month_of(today).text,
            "from": _moment(query.get("from", "")),
            "to": _moment(query.get("to", "")) or "now",
        }
        asked = next((each for each in indicators if each["code"] == chosen["indicator"]), None)
        if asked is None:
            raise NotFound
        if _kind_of(chosen["period"]) not in asked["period_kinds"]:
            chosen["period"] = Period.at(asked["period_kinds"][0], today).text
        chosen["from"] = chosen["from"] or (clock.now() - timedelta(days=7)).isoformat(timespec="seconds")
        after = query.get("after", "")[:300]
        answer = await who.asking.try_get("/v1/changed", chosen | {"limit": "30"} | ({"after": after} if after else {}))
        found = answer.body if answer.done else None
        shown = amounts(who.lang)
        return pages.page(
            request,
            "reporting/changed.html",
            status=200 if found is not None else answer.status,
            found=found,
            before=shown.text(found["before"], asked["unit"]) if found else "",
            after=shown.text(found["after"], asked["unit"]) if found else "",
            movers=[_mover(each, asked["unit"], who.lang) for each in found["items"]] if found else [],
            problem=None if found is not None else problem_of(answer),
            indicator=asked,
            indicators=indicators,
            period=_named(chosen["period"]),
            periods=_periods(chosen["period"]),
            chosen=chosen,
            since=[(days, (clock.now() - timedelta(days=days)).isoformat(timespec="seconds")) for days in SINCE_DAYS],
            from_time=_time(chosen["from"]),
            to_time=_time(chosen["to"]),
            following=(
                f"/reporting/changed?{urlencode(chosen | {'after': found['next']})}"
                if found and found["next"]
                else None
            ),
        )

    return router


async def _reports(who: Reader, params: Mapping[str, str]) -> dict[str, Any]:
    return await who.asking.get("/v1/submissions", params)


def _row(told: Mapping[str, Any]) -> dict[str, Any]:
    return {**told, "period_name": _named(told["period"]), "yours": bool(told["may"])}


def _figure(told: Mapping[str, Any], shown: Amounts) -> dict[str, Any]:
    return {
        **told,
        "was": shown.text(told["published"], told["unit"]),
        "is": shown.text(told["now"], told["unit"]),
    }


def _mover(told: Mapping[str, Any], unit: str, lang: Lang) -> dict[str, Any]:
    effect = told["effect"]
    sign = "+" if effect > 0 else "−" if effect < 0 else "±"
    size = i18n.percent(abs(effect), lang, 2) if unit == "ratio" else i18n.number(abs(effect), lang, 0)
    return {**told, "effect_text": f"{sign}{size}"}


def _period(text: str) -> str:
    return text if Period.parse(text) is not None else ""


def _named(text: str) -> Period:
    period = Period.parse(text)
    if period is None:
        raise NotFound
    return period


def _kind_of(text: str) -> str:
    return _named(text).kind


def _moment(text: str) -> str:
    """A moment as the API takes it; what is none is left out."""
    if text.startswith("figures:"):
        return text[:60]
    return text[:40] if _time(text) is not None else ""


def _time(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=clock.TASHKENT)


def _ended() -> list[Period]:
    """Periods that are over, to publish."""
    today = clock.local_day(clock.now())
    counts = {"quarter": 4, "academic_year": 2, "fiscal_year": 2, "month": 6}
    return [Period.at(kind, today).earlier(step) for kind, count in counts.items() for step in range(1, count + 1)]


def _periods(chosen: str) -> list[Period]:
    today = clock.local_day(clock.now())
    counts = {"month": 6, "quarter": 4, "academic_year": 3, "fiscal_year": 3, "rolling_12": 2}
    found = [Period.at(kind, today).earlier(step) for kind, count in counts.items() for step in range(count)]
    own = _named(chosen)
    return found if own in found else [own, *found]
