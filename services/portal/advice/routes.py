"""The routes of what to do: the list, a recommendation and its steps, the rules, their settings, trials on history."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from services.portal.advice import showing
from services.portal.advice.asking import Answer, Asking, reader_of, segment
from services.portal.advice.forms import field_of, form_of, key_of, problem_of
from services.portal.advice.showing import CLOSED, STATUS_TONES, TONES, WORKED_ON, Shower
from services.portal.language import language_of
from services.portal.proxy import Upstreams
from services.portal.rendering import Pages
from services.portal.sessions import Session
from services.portal.sign_in import SignIn
from shared import clock
from shared.errors import Forbidden, NotFound, Unavailable
from shared.i18n import Catalogue
from shared.ids import new_id
from shared.scope import EDUCATION, TERRITORIAL, Role

ROWS: Final = 30
STEPS: Final = ("accept", "complete", "dismiss")
STATES: Final = ("worked_on", *CLOSED)
SEVERITIES: Final = ("urgent", "important", "notice")
ELEMENTS: Final = ("R", "I", "F", "V", "N", "S", "A", "B")
OWNERS: Final = ("leadership", "coordinator", "teachers", "board", "district_office", "region_office", "ministry")
REASONS: Final = ("not_applicable", "data_wrong", "planned_otherwise", "no_capacity", "other")
MONTHS: Final = (6, 12, 24)
PERIOD: Final = re.compile(r"\d{4}-(\d{2}|Q[1-4])(-R12)?|\d{4}")


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads a page."""

    session: Session
    asking: Asking
    shower: Shower


def advice_routes(pages: Pages, upstreams: Upstreams, sign_in: SignIn, catalogue: Catalogue) -> APIRouter:  # noqa: C901 - a list of routes
    """The routes of these pages."""
    router = APIRouter(include_in_schema=False)

    async def reader(request: Request, roles: frozenset[Role] = EDUCATION) -> Reader:
        who = await reader_of(request, upstreams, sign_in, roles)
        return Reader(who.session, who.asking, Shower(catalogue, who.lang))

    @router.get("/advice")
    async def recommendations(request: Request) -> Response:
        who = await reader(request)
        query = request.query_params
        chosen = {
            "status": _one_of(query.get("status", ""), STATES, "worked_on"),
            "severity": _one_of(query.get("severity", ""), SEVERITIES, ""),
            "element": _one_of(query.get("element", ""), ELEMENTS, ""),
            "where": _one_of(query.get("where", ""), ("own", "below"), _usual(who.session.role)),
            "place": query.get("place", "")[:64],
        }
        status = list(WORKED_ON) if chosen["status"] == "worked_on" else [chosen["status"]]
        params: dict[str, Any] = {"limit": ROWS, "status": status, "below": str(chosen["where"] == "below").lower()}
        params |= {name: chosen[name] for name in ("severity", "element", "place") if chosen[name]}
        if after := query.get("after", "")[:300]:
            params["after"] = after
        body = await who.asking.get("/v1/recommendations", params)
        counts = await who.asking.get(
            "/v1/recommendations/counts", {"place": chosen["place"]} if chosen["place"] else {}
        )
        kept = {name: value for name, value in chosen.items() if value}
        following = f"/advice?{urlencode(kept | {'after': body['next']})}" if body.get("next") else None
        return pages.page(
            request,
            "advice/list.html",
            rows=[_row(each, who.shower) for each in body["items"]],
            counts=counts,
            chosen=chosen,
            states=STATES,
            severities=SEVERITIES,
            elements=ELEMENTS,
            following=following,
            first=not after,
            kept=urlencode(kept),
            looked=_counted(query.get("looked", "")),
            key=new_id(),
        )

    @router.get("/advice/count")
    async def count(request: Request) -> Response:
        who = await reader(request)
        try:
            found = await who.asking.get("/v1/recommendations/counts")
        except (NotFound, Forbidden, Unavailable):  # a bell that can't ring is no reason to complain on every page
            return JSONResponse({"open": 0, "urgent": 0, "text": ""}, headers={"cache-control": "no-store"})
        whose = "own" if who.session.role is Role.INSTITUTION else _usual(who.session.role)
        told = [found[each] for each in (("own", "below") if whose == "below" else ("own",))]
        number, urgent = (sum(each[what] for each in told) for what in ("open", "urgent"))
        text = who.shower.say("bell", count=number)
        return JSONResponse({"open": number, "urgent": urgent, "text": text}, headers={"cache-control": "no-store"})

    @router.post("/advice/look")
    async def look(request: Request) -> Response:
        who = await reader(request)
        data = await form_of(request)
        place = field_of(data, "place", 64)
        params = {"place": place} if place else None
        answer = await who.asking.send("POST", "/v1/recommendations/look", None, key_of(data), params=params)
        if not answer.done:
            return _refused(request, pages, answer)
        looked = f"{answer.body.get('made', 0)}-{answer.body.get('resolved', 0)}"
        return RedirectResponse(f"/advice?{urlencode({'looked': looked} | ({'place': place} if place else {}))}", 303)

    @router.get("/advice/rules")
    async def rules(request: Request) -> Response:
        who = await reader(request)
        found = (await who.asking.get("/v1/advice/rules"))["items"]
        element = _one_of(request.query_params.get("element", ""), ELEMENTS, "")
        shown = [each for each in found if each["element"].startswith(element)]
        return pages.page(
            request,
            "advice/rules.html",
            rules=[each | {"tone": TONES[each["severity"]]} for each in shown],
            elements=[each for each in ELEMENTS if any(rule["element"].startswith(each) for rule in found)],
            element=element,
        )

    async def rule_page(
        request: Request, who: Reader, code: str, problem: Mapping[str, Any] | None = None, status: int = 200
    ) -> Response:
        told = await who.asking.get(f"/v1/advice/rules/{segment(code)}")
        history = (await who.asking.get(f"/v1/advice/rules/{segment(code)}/history"))["items"]
        trials = []
        if who.session.role in TERRITORIAL:
            trials = (await who.asking.get("/v1/advice/trials", {"rule": code, "limit": 5}))["items"]
        return pages.page(
            request,
            "advice/rule.html",
            status=status,
            rule=told,
            tone=TONES[told["severity"]],
            history=history,
            trials=trials,
            sets=who.session.role is Role.MINISTRY,
            tries=who.session.role in TERRITORIAL,
            months=MONTHS,
            key=new_id(),
            problem=problem,
            done=request.query_params.get("done", ""),
        )

    @router.get("/advice/rules/{code}")
    async def rule(request: Request, code: str) -> Response:
        return await rule_page(request, await reader(request), code)

    @router.post("/advice/rules/{code}")
    async def set_rule(request: Request, code: str) -> Response:
        who = await reader(request, frozenset({Role.MINISTRY}))
        data = await form_of(request)
        told = await who.asking.get(f"/v1/advice/rules/{segment(code)}")
        body = {"enabled": field_of(data, "enabled", 5) == "yes", "levels": _levels(data, told)}
        path = f"/v1/advice/rules/{segment(code)}/setting"
        answer = await who.asking.send("PUT", path, body, key_of(data), field_of(data, "_version", 10))
        if answer.done:
            return RedirectResponse(f"/advice/rules/{quote(code)}?done=set", 303)
        return await rule_page(request, who, code, problem_of(answer), answer.status)

    @router.post("/advice/rules/{code}/try")
    async def try_rule(request: Request, code: str) -> Response:
        who = await reader(request, TERRITORIAL)
        data = await form_of(request)
        told = await who.asking.get(f"/v1/advice/rules/{segment(code)}")
        months = field_of(data, "months", 3)
        body = {"rule": code, "months": int(months) if months.isdigit() else 12, "levels": _levels(data, told)}
        answer = await who.asking.send("POST", "/v1/advice/trials", body, key_of(data))
        if answer.done:
            return RedirectResponse(f"/advice/trials/{answer.body['id']}", 303)
        return await rule_page(request, who, code, problem_of(answer), answer.status)

    @router.get("/advice/trials/{id_}")
    async def trial(request: Request, id_: str) -> Response:
        who = await reader(request, TERRITORIAL)
        told = await who.asking.get(f"/v1/advice/trials/{segment(id_)}")
        rule = await who.asking.get(f"/v1/advice/rules/{segment(told['asked']['rule'])}")
        context: dict[str, Any] = {"trial": told, "rule": rule, "levels": _tried(told, rule, who.shower)}
        if "part" in request.query_params:
            return pages.fragment(request, "advice/progress.html", **context)
        return pages.page(request, "advice/trial.html", **context)

    async def one_page(
        request: Request,
        who: Reader,
        id_: str,
        problem: Mapping[str, Any] | None = None,
        typed: Mapping[str, str] | None = None,
        status: int = 200,
    ) -> Response:
        told = await who.asking.get(f"/v1/recommendations/{segment(id_)}")
        unit = told["indicator"]["unit"]
        kind = (await who.asking.get(f"/v1/advice/rules/{segment(told['rule'])}")).get("kind", "")
        evidence, shower = told["evidence"], who.shower
        line = evidence.get("threshold") if kind == "threshold" else evidence.get("median")
        period = evidence.get("period") or ""
        why = {"indicator": told["indicator"]["code"], "place": told["place"]["code"]}
        why |= {"period": period} if PERIOD.fullmatch(period) else {}
        return pages.page(
            request,
            "advice/one.html",
            status=status,
            one=told,
            tone=TONES[told["severity"]],
            status_tone=STATUS_TONES.get(told["status"], "past"),
            then=shower.facts(evidence, unit),
            now=shower.facts(told["latest"], unit) if told["latest"] != evidence else [],
            why=f"/why?{urlencode(why)}",
            chart=showing.chart(told["measured"], line, unit, shower),
            measured=[
                {
                    "what": shower.say(f"measured.{each['what']}"),
                    "on": shower.day(each["on"]),
                    "text": catalogue.text(f"advice.gate.{each['state']}", language_of(request.scope))
                    if each.get("state")
                    else shower.amount(each["value"] if each.get("value") is not None else each.get("count"), unit),
                }
                for each in told["measured"]
            ],
            owners=OWNERS[4:] if told["level"] != "institution" else OWNERS[:4],
            reasons=REASONS,
            today=clock.local_day(clock.now()).isoformat(),
            keys={step: new_id() for step in STEPS},
            problem=problem,
            typed=typed or {},
            done=request.query_params.get("done", ""),
        )

    @router.get("/advice/{id_}")
    async def one(request: Request, id_: str) -> Response:
        return await one_page(request, await reader(request), id_)

    @router.post("/advice/{id_}/{step}")
    async def take(request: Request, id_: str, step: str) -> Response:
        who = await reader(request)
        if step not in STEPS:
            raise NotFound
        data = await form_of(request)
        fields = {"accept": ("owner", "due_on", "note"), "complete": ("note",), "dismiss": ("reason", "note")}[step]
        typed = {name: field_of(data, name, 1000) for name in fields}
        body = {name: value for name, value in typed.items() if value}
        path = f"/v1/recommendations/{segment(id_)}/{step}"
        answer = await who.asking.send("POST", path, body, key_of(data), field_of(data, "_version", 10))
        if answer.done:
            return RedirectResponse(f"/advice/{quote(id_)}?done={step}", 303)
        if answer.status == 404:
            raise NotFound
        return await one_page(request, who, id_, problem_of(answer, step), typed, answer.status)

    return router


def _row(told: Mapping[str, Any], shower: Shower) -> dict[str, Any]:
    return {
        **told,
        "tone": TONES[told["severity"]],
        "status_tone": STATUS_TONES.get(told["status"], "past"),
        "due": shower.day(told["due_on"]),
    }


def _tried(told: Mapping[str, Any], rule: Mapping[str, Any], shower: Shower) -> list[dict[str, Any]]:
    """What came of a trial, level by level, as the page shows it."""
    found = []
    for level, each in ((told.get("result") or {}).get("levels") or {}).items():
        most = max((month["fired"] for month in each["by_month"].values()), default=0) or 1
        found.append(
            {
                **each,
                "level": level,
                "months": [
                    {"month": month, **counts, "share": round(counts["fired"] / most * 100)}
                    for month, counts in each["by_month"].items()
                ],
                "examples": [
                    example | {"facts": shower.facts(example["evidence"], rule["indicator"]["unit"])[:3]}
                    for example in each["examples"]
                ],
            }
        )
    return found


def _levels(data: FormData, rule: Mapping[str, Any]) -> dict[str, Any]:
    """The levels of a form that differ from what is declared; what is no number, the service is to say so."""
    found: dict[str, Any] = {}
    for level in rule["levels"]:
        name = level["level"]
        parameters: dict[str, Any] = {}
        for parameter, declared in level["declared"].items():
            text = field_of(data, f"{name}.{parameter}", 30).replace(",", ".").replace(" ", "")
            try:
                value: Any = float(text) if text else declared
            except ValueError:
                value = text
            if value != declared:
                parameters[parameter] = value
        looks = field_of(data, f"{name}.looks", 5) == "yes" or f"{name}.shown" not in data
        if parameters or not looks:
            found[name] = {"enabled": looks, "parameters": parameters}
    return found


def _usual(role: Role) -> str:
    return "own" if role is Role.INSTITUTION else "below"


def _one_of(text: str, known: tuple[str, ...], otherwise: str) -> str:
    return text if text in known else otherwise


def _counted(text: str) -> tuple[int, int] | None:
    match = re.fullmatch(r"(\d{1,6})-(\d{1,6})", text)
    return (int(match[1]), int(match[2])) if match else None


def _refused(request: Request, pages: Pages, answer: Answer) -> Response:
    if answer.status == 404:
        raise NotFound
    if answer.status == 403:
        raise Forbidden
    texts = {name: str(answer.body.get(name, "")) for name in ("title", "detail", "remedy")}
    return pages.page(request, "error.html", status=answer.status, texts=texts)
