"""The routes of the pages of surveys."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from fastapi import APIRouter
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.portal.language import language_of
from services.portal.proxy import Upstreams
from services.portal.rendering import Pages
from services.portal.sessions import Session
from services.portal.sign_in import SessionEnded, SignIn
from services.portal.surveys import drawn
from services.portal.surveys.api import LISTED, Surveyor, segment
from services.portal.surveys.reminders import add_reminders
from services.portal.territory import NATION
from services.portal.work.api import Answer
from shared import clock
from shared.errors import Forbidden, NotFound
from shared.scope import EDUCATION

KINDS = ("school", "vocational_school", "college", "technikum", "lyceum", "university")
RESPONDENTS = ("student", "graduate", "teacher", "enterprise")
ASKED = {"S1": "enterprise", "S2": "enterprise", "S3": "student", "S4": "graduate", "S5": "teacher"}
"""Whom a group's questionnaire is for."""
MOST_INVITED = 500
GROUPS = ("S1", "S2", "S3", "S4", "S5")
STRATA = ("region", "district", "kind", "institution")
FORMS = ("csv", "xlsx", "sav", "parquet")
MOST_UPLOAD_BYTES = 5_000_000
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
STEPS = frozenset({"open", "close", "cancel"})


def survey_routes(pages: Pages, upstreams: Upstreams, sign_in: SignIn) -> APIRouter:  # noqa: C901 - a list of routes
    """The routes of the pages of surveys."""
    router = APIRouter(include_in_schema=False)

    async def surveyor(request: Request) -> Surveyor:
        session: Session | None = request.state.session
        if session is None:
            raise SessionEnded
        if session.role not in EDUCATION:
            raise Forbidden
        return Surveyor(session, language_of(request.scope), await sign_in.access_token(request), upstreams)

    async def office(request: Request) -> Surveyor:
        who = await surveyor(request)
        if not who.office:
            raise NotFound
        return who

    def page(request: Request, who: Surveyor, template: str, *, status: int = 200, **context: Any) -> Response:
        shared = {
            "office": who.office,
            "ministry": who.ministry,
            "key": str(uuid4()),
            "problem": None,
            "drawn": drawn,
            "root": who.session.org or NATION,
        }
        return pages.page(request, f"surveys/{template}.html", status=status, **{**shared, **context})

    # -- waves and campaigns

    @router.get("/surveys")
    async def overview(request: Request, after: str = "") -> Response:
        who = await surveyor(request)
        campaigns, following = await who.items("/v1/campaigns", limit=LISTED, after=after[:500])
        waves = (await who.items("/v1/waves", limit=LISTED))[0] if not after else []
        titles = {each["code"]: _text(each["title"], who) for each in await instruments_of(who)}
        return page(
            request, who, "overview", waves=waves, campaigns=campaigns, titles=titles, following=following, after=after
        )

    async def instruments_of(who: Surveyor) -> list[dict[str, Any]]:
        return (await who.items("/v1/instruments", limit=LISTED))[0]

    async def plan_page(
        request: Request, who: Surveyor, values: Mapping[str, Any], problem: Any = None, status: int = 200
    ) -> Response:
        found = await instruments_of(who)
        choices = [(each["code"], f"{each['code']} – {_text(each['title'], who)}") for each in found]
        return page(
            request, who, "plan", status=status, instruments=choices, kinds=KINDS, values=values, problem=problem
        )

    @router.get("/surveys/new")
    async def new(request: Request) -> Response:
        who = await surveyor(request)
        today = clock.local_day(clock.now())
        values = {
            "from": today.isoformat(),
            "to": (today + timedelta(days=30)).isoformat(),
            "instrument": request.query_params.get("instrument", ""),
            "territory": who.session.org,
        }
        return await plan_page(request, who, values)

    @router.post("/surveys/new")
    async def plan(request: Request) -> Response:
        who = await surveyor(request)
        async with request.form(max_files=0, max_fields=50) as data:
            values = {name: str(data.get(name, "")).strip() for name in ("instrument", "title", "from", "to")}
            values |= {name: str(data.get(name, "")).strip() for name in ("territory", "minimum_responses", "key")}
            kinds = [str(kind) for kind in data.getlist("kinds")]
        body: dict[str, Any] = {
            "instrument": values["instrument"],
            "period": {"from": values["from"], "to": values["to"]},
            **({"title": values["title"]} if values["title"] else {}),
        }
        if who.office:
            body |= {"territory": values["territory"] or who.session.org, "kinds": kinds}
            if values["minimum_responses"]:
                body["minimum_responses"] = _number(values["minimum_responses"])
            answer = await who.send("/v1/waves", values["key"] or str(uuid4()), body)
            target = "waves"
        else:
            answer = await who.send(
                "/v1/campaigns", values["key"] or str(uuid4()), {**body, "institution": who.session.org}
            )
            target = "campaigns"
        if not answer.done:
            return await plan_page(request, who, {**values, "kinds": kinds}, answer.body or _AWAY, _status(answer))
        return RedirectResponse(f"/surveys/{target}/{answer.body['id']}?done=planned", 303)

    @router.get("/surveys/campaigns/{id_}")
    async def campaign(request: Request, id_: str) -> Response:
        who = await surveyor(request)
        return await campaign_page(request, who, id_)

    async def campaign_page(
        request: Request,
        who: Surveyor,
        id_: str,
        problem: Any = None,
        status: int = 200,
        given: Mapping[str, Any] | None = None,
    ) -> Response:
        found = await who.get(f"/v1/campaigns/{segment(id_)}")
        results = await who.get(f"/v1/campaigns/{segment(id_)}/results")
        rates = (await who.get("/v1/response-rates", campaign=id_, by="institution"))["total"]
        asked = rates["invited"] + rates["codes"]
        # Who is who, the institution alone knows.
        after = request.query_params.get("after", "")[:500]
        invitations, following = (
            ([], None) if who.office else await who.items("/v1/invitations", campaign_id=id_, limit=LISTED, after=after)
        )
        return page(
            request,
            who,
            "campaign",
            status=status,
            campaign=found,
            asked=asked,
            received=results["received"],
            k=results["released_in_steps_of"],
            rate=results["received"] / asked if asked and results["received"] is not None else None,
            invitations=invitations,
            after=after,
            following=following,
            respondents=RESPONDENTS,
            given={"respondent": ASKED.get(found["group"], RESPONDENTS[0]), **(given or {})},
            most=MOST_INVITED,
            titles={each["code"]: _text(each["title"], who) for each in await instruments_of(who)},
            problem=problem,
            done=(given or {}).get("done") or request.query_params.get("done", ""),
        )

    @router.post("/surveys/campaigns/{id_}/codes")
    async def codes(request: Request, id_: str) -> Response:
        who = await surveyor(request)
        async with request.form(max_files=0, max_fields=10) as data:
            count, key, kind = (str(data.get(name, "")) for name in ("count", "key", "kind"))
        path = f"/v1/campaigns/{segment(id_)}"
        answer = await who.send(f"{path}/codes", key or str(uuid4()), {"count": _number(count)})
        return await slips(request, who, id_, answer, kind, ("code", "url"), {"count": count})

    @router.post("/surveys/campaigns/{id_}/hand-over")
    async def hand_over(request: Request, id_: str) -> Response:
        who = await surveyor(request)
        async with request.form(max_files=0, max_fields=10) as data:
            key, kind = (str(data.get(name, "")) for name in ("key", "kind"))
        answer = await who.send(f"/v1/campaigns/{segment(id_)}/invitations/hand-over", key or str(uuid4()), {})
        return await slips(request, who, id_, answer, kind, ("respondent_ref", "code", "url"))

    @router.post("/surveys/campaigns/{id_}/invite")
    async def invite(request: Request, id_: str) -> Response:
        who = await surveyor(request)
        async with request.form(max_files=0, max_fields=10) as data:
            key = str(data.get("key", "")) or str(uuid4())
            respondent = str(data.get("respondent", ""))
            listed = [line.strip() for line in str(data.get("refs", "")).splitlines() if line.strip()]
        for number, ref in enumerate(listed[:MOST_INVITED]):
            body = {"campaign_id": id_, "respondent": respondent, "ref": ref}
            answer = await who.send("/v1/invitations", f"{key}-{number}", body)
            # Whoever is invited already stays so: a list may be sent again with new lines.
            if not answer.done and not str(answer.body.get("type", "")).endswith(":already-exists"):
                left = {"respondent": respondent, "refs": "\n".join(listed[number:]), "stopped_at": ref}
                return await campaign_page(request, who, id_, answer.body or _AWAY, _status(answer), left)
        if left_over := listed[MOST_INVITED:]:
            given = {"respondent": respondent, "refs": "\n".join(left_over), "done": "invited_some"}
            return await campaign_page(request, who, id_, given=given)
        done = "invited" if listed else "nobody"
        return RedirectResponse(f"/surveys/campaigns/{segment(id_)}?done={done}", 303)

    async def slips(
        request: Request,
        who: Surveyor,
        id_: str,
        answer: Answer,
        kind: str,
        columns: Sequence[str],
        given: Mapping[str, Any] | None = None,
    ) -> Response:
        if not answer.done:
            return await campaign_page(request, who, id_, answer.body or _AWAY, _status(answer), given)
        items = answer.body["items"]
        if kind == "csv":
            buffer = io.StringIO()
            csv.writer(buffer).writerows([columns, *([each[name] for name in columns] for each in items)])
            headers = {"content-disposition": 'attachment; filename="codes.csv"', "cache-control": "no-store"}
            return Response(buffer.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)
        found = await who.get(f"/v1/campaigns/{segment(id_)}")
        return page(request, who, "slips", campaign=found, slips=items)

    add_reminders(router, surveyor, page, slips)

    @router.get("/surveys/waves/{id_}")
    async def wave(request: Request, id_: str, by: str = "region") -> Response:
        return await wave_page(request, await surveyor(request), id_, by)

    async def wave_page(
        request: Request, who: Surveyor, id_: str, by: str, problem: Any = None, status: int = 200
    ) -> Response:
        found = await who.get(f"/v1/waves/{segment(id_)}")
        by = by if by in STRATA else "region"
        rates = await who.get(f"/v1/waves/{segment(id_)}/response", by=by)
        return page(
            request,
            who,
            "wave",
            status=status,
            wave=found,
            rates=rates,
            by=by,
            strata=STRATA,
            titles={each["code"]: _text(each["title"], who) for each in await instruments_of(who)},
            problem=problem,
            done=request.query_params.get("done", ""),
        )

    @router.post("/surveys/{what}/{id_}/{step}")
    async def move(request: Request, what: str, id_: str, step: str) -> Response:
        who = await surveyor(request)
        if what not in ("waves", "campaigns") or step not in STEPS:
            raise NotFound
        async with request.form(max_files=0, max_fields=10) as data:
            key, version = str(data.get("key", "")) or str(uuid4()), str(data.get("version", ""))
        answer = await who.send(f"/v1/{what}/{segment(id_)}/{step}", key, version=version)
        if answer.done:
            return RedirectResponse(f"/surveys/{what}/{segment(id_)}?done={step}", 303)
        if what == "waves":
            return await wave_page(request, who, id_, "region", answer.body or _AWAY, _status(answer))
        return await campaign_page(request, who, id_, answer.body or _AWAY, _status(answer))

    # -- results

    @router.get("/surveys/campaigns/{id_}/results")
    async def results(request: Request, id_: str) -> Response:
        who = await surveyor(request)
        found = await who.get(f"/v1/campaigns/{segment(id_)}/results")
        trend = await who.get("/v1/trend", instrument=found["instrument"]) if not who.office else None
        exports = f"/api/surveys/v1/campaigns/{segment(id_)}/export" if not who.office and found["over"] else ""
        return page(
            request,
            who,
            "results",
            results=found,
            campaign=True,
            trend=trend,
            exports=exports,
            forms=FORMS,
            title=_text(await title_of(who, found["instrument"]), who),
            back=(f"/surveys/campaigns/{segment(id_)}", found["title"] or found["instrument"]),
            more={},
        )

    async def title_of(who: Surveyor, instrument: str) -> Any:
        return next((each["title"] for each in await instruments_of(who) if each["code"] == instrument), instrument)

    @router.get("/surveys/results")
    async def territory(request: Request) -> Response:
        who = await office(request)
        query = request.query_params
        found_instruments = await instruments_of(who)
        instrument = query.get("instrument", "") or (found_instruments[0]["code"] if found_instruments else "")
        asked = {name: query.get(name, "") for name in ("territory", "wave", "version", "from", "to")}
        found = await who.get("/v1/results", instrument=instrument, **asked)
        trend = await who.get("/v1/trend", instrument=instrument, territory=asked["territory"])
        over = found["over"] and who.ministry and asked["wave"]
        back = (f"/surveys/waves/{segment(asked['wave'])}", instrument) if asked["wave"] else None
        return page(
            request,
            who,
            "results",
            results=found,
            campaign=False,
            trend=trend,
            exports=f"/api/surveys/v1/answers/export?{urlencode({'wave': asked['wave']})}" if over else "",
            forms=FORMS,
            title=_text(await title_of(who, instrument), who),
            back=back,
            more={
                "instruments": [
                    (each["code"], f"{each['code']} – {_text(each['title'], who)}") for each in found_instruments
                ],
                "asked": {**asked, "instrument": instrument},
            },
        )

    @router.get("/surveys/gaps")
    async def gaps(request: Request) -> Response:
        who = await office(request)
        query = request.query_params
        asked = {name: query.get(name, "") for name in ("territory", "from", "to")}
        found = await who.get("/v1/gaps", **asked)
        return page(request, who, "gaps", gaps=found, asked=asked)

    @router.get("/surveys/gaps/professions")
    async def professions(request: Request) -> Response:
        who = await office(request)
        query = request.query_params
        years = drawn.ended_years(clock.local_day(clock.now()))
        asked = {name: query.get(name, "") for name in ("territory", "profession", "competence", "group")}
        asked["year"] = query.get("year", "") or years[0]
        within = {"year": asked["year"], "territory": asked["territory"]}
        answer = await who.ask("/v1/gaps/professions", **within)
        found = answer.body if answer.done else {"professions": []}
        listed = found["professions"]
        competences = [(each["competence"], each["name"]) for each in listed[0]["competences"]] if listed else []
        if competences and asked["competence"] not in dict(competences):
            asked["competence"] = competences[0][0]
        groups = [group for each in listed for group in drawn.groups_with_gaps(each["competences"])]
        if asked["group"] not in groups:
            asked["group"] = min(groups, default="")
        table = one = None
        if competences:
            table = await who.get("/v1/gaps/table", competence=asked["competence"], **within)
        if asked["profession"] in {each["profession"] for each in listed}:
            one = await who.get(f"/v1/gaps/professions/{segment(asked['profession'])}", **within)
        return page(
            request,
            who,
            "professions",
            asked=asked,
            years=years,
            professions=listed,
            competences=competences,
            groups=sorted(set(groups)),
            grid=drawn.grid(table, asked["group"]) if table else None,
            k=table["hidden_below"] if table else None,
            one=one,
            exports=f"/api/surveys/v1/gaps/table/export?{urlencode(within)}" if listed else "",
            problem=None if answer.done else answer.body or _AWAY,
        )

    @router.get("/surveys/campaigns/{id_}/texts")
    async def texts(request: Request, id_: str, after: str = "") -> Response:
        who = await surveyor(request)
        if who.office:
            raise NotFound
        found = await who.get(f"/v1/campaigns/{segment(id_)}")
        items, following = await who.items(f"/v1/campaigns/{segment(id_)}/texts", after=after[:500], limit=LISTED)
        document = await who.get(f"/v1/instruments/{segment(found['instrument'])}", version=found["instrument_version"])
        questions = {
            question["code"]: _text(question["text"], who)
            for section in document["sections"]
            for question in section["questions"]
        }
        return page(request, who, "texts", campaign=found, texts=items, questions=questions, following=following)

    # -- questionnaires

    @router.get("/surveys/instruments")
    async def instruments(request: Request) -> Response:
        who = await surveyor(request)
        return await instruments_page(request, who)

    async def instruments_page(
        request: Request, who: Surveyor, problem: Any = None, status: int = 200, faults: Sequence[Any] = ()
    ) -> Response:
        found = [{**each, "name": _text(each["title"], who)} for each in await instruments_of(who)]
        groups = [(each["code"], each["name"]) for each in found if each["code"] in GROUPS]
        return page(
            request, who, "instruments", status=status, instruments=found, problem=problem, faults=faults, groups=groups
        )

    @router.post("/surveys/instruments")
    async def upload(request: Request) -> Response:
        who = await surveyor(request)
        async with request.form(max_files=1, max_fields=10) as data:
            key, file = str(data.get("key", "")) or str(uuid4()), data.get("file")
            content = await file.read(MOST_UPLOAD_BYTES + 1) if isinstance(file, UploadFile) else b""
            group = str(data.get("group", ""))
        # The form's own word comes first; what is chosen here is for forms that say nothing.
        asked = f"?{urlencode({'group': group})}" if group in GROUPS else ""
        answer = await who.send(f"/v1/instruments/xlsform{asked}", key, content=content, kind=XLSX)
        if answer.done and "code" in answer.body:
            return RedirectResponse(f"/surveys/instruments/{answer.body['code']}?version={answer.body['version']}", 303)
        said: Mapping[str, Any] = answer.body or _AWAY
        # Each with its place in a table of its own, not in the box above.
        problem = {name: value for name, value in said.items() if name != "errors"}
        faults = [drawn.cell_fault(each) for each in said.get("errors", ())]
        return await instruments_page(request, who, problem, _status(answer), faults)

    @router.get("/surveys/instruments/{code}")
    async def instrument(request: Request, code: str, version: str = "") -> Response:
        who = await surveyor(request)
        found = await who.get(f"/v1/instruments/{segment(code)}", version=version)
        return page(request, who, "instrument", instrument=found, name=_text(found["title"], who), text=_of(who))

    return router


_AWAY = {"title": "", "detail": "", "remedy": ""}


def _of(who: Surveyor) -> Any:
    return lambda texts: _text(texts, who)


def _text(texts: Any, who: Surveyor) -> str:
    """A text of an instrument in the reader's language."""
    if isinstance(texts, Mapping):
        return str(texts.get(who.lang.value) or next(iter(texts.values()), ""))
    return str(texts or "")


def _number(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text


def _status(answer: Answer) -> int:
    return answer.status if answer.status >= 400 else 503
