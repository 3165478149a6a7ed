"""HTTP routes of what to do: recommendations and their life, the rules with their settings, trials on history."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from services.monitoring.advice import lifecycle, queries, settings, trials
from services.monitoring.advice.advisor import runs
from services.monitoring.advice.commands import Advice
from services.monitoring.advice.declarations import ELEMENT, rule_text
from services.monitoring.advice.judging import moved
from services.monitoring.advice.lifecycle import SEVERITIES, Accept, Complete, Dismiss
from services.monitoring.advice.settings import PutSetting, Setting
from services.monitoring.advice.tables import RecommendationRow
from services.monitoring.advice.trials import AskTrial
from services.monitoring.api.ground import Ground, Grounded, OptionalCode, step
from services.monitoring.directory import described
from services.monitoring.domain.definitions import INDICATORS
from services.monitoring.domain.formulas import Direction
from shared.clock import local_day
from shared.contracts.monitoring import OfficeLevel, RecommendationState, RecommendationStatus, Severity
from shared.errors import FieldError, InvalidInput, NotFound
from shared.i18n import Lang
from shared.persistence.engine import raw_connection
from shared.persistence.unit_of_work import UnitOfWork, could_be_id
from shared.scope import EDUCATION, TERRITORIAL, Role
from shared.web.edge import Edge, RequestEdge, json_response, page_response, state_dict_response

PERMISSIONS: dict[str, frozenset[Role]] = {
    "recommendation.read": EDUCATION | {Role.SERVICE},
    "recommendation.accept": EDUCATION,
    "recommendation.complete": EDUCATION,
    "recommendation.dismiss": EDUCATION,
    "recommendation.look": EDUCATION,
    "rule.read": EDUCATION | {Role.SERVICE},
    "rule.set": frozenset({Role.MINISTRY}),
    "rule.try": TERRITORIAL,
}
router = APIRouter(prefix="/v1", tags=["advice"])


async def _advice(request: Request) -> Advice:
    advice: Advice = request.app.state.advice
    return advice


Advised = Annotated[Advice, Depends(_advice)]
Id = Annotated[str, Path(max_length=64, description="a recommendation's id")]
Code = Annotated[str, Path(max_length=40, description="a rule's code")]
Element = Annotated[str | None, Query(max_length=4, description="R1–R13, V1–V6, I1–I5, F1–F7 …, or a letter alone")]


@router.get("/recommendations")
async def recommendations(
    edge: Edge,
    ground: Grounded,
    place: OptionalCode = None,
    below: Annotated[bool, Query(description="those of all places below, too")] = False,
    status: Annotated[list[RecommendationStatus] | None, Query()] = None,
    severity: Annotated[list[Severity] | None, Query()] = None,
    level: OfficeLevel | None = None,
    element: Element = None,
    rule: Annotated[str | None, Query(max_length=40)] = None,
    after: Annotated[str | None, Query(max_length=300, description="cursor of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """Recommendations at a place, the most pressing first: those worked on, unless `status` names others."""
    narrowed: dict[str, Any] = {"status": [each.value for each in status or lifecycle.WORKED_ON]}
    if severity:
        narrowed["severity"] = [SEVERITIES[each] for each in severity]
    if level:
        narrowed["level"] = int(lifecycle.LEVEL_NUMBERS[level])
    if rule:
        narrowed["rule"] = rule
    if element:
        narrowed["element"] = _elements(element)
    async with edge.reading("recommendation.read") as session:
        await ground.directory.look(await raw_connection(session))
        root = ground.place(edge, place)
        rows, cursor = await queries.page(
            session, edge.principal.scope, root, below=below, narrowed=narrowed, after=after, limit=limit
        )
    return page_response([_listed(row, ground, edge) for row in rows], cursor)


def _elements(text: str) -> str | list[str]:
    """One element, or all that begin with a letter."""
    if ELEMENT.fullmatch(text):
        return text
    found = [f"{text}{number}" for number in range(1, 14) if ELEMENT.fullmatch(f"{text}{number}")]
    if len(text) != 1 or not found:
        raise InvalidInput(FieldError("element", "method_element", {"value": text}))
    return found


@router.get("/recommendations/counts")
async def counted(edge: Edge, ground: Grounded, place: OptionalCode = None) -> Response:
    """How many are worked on at a place itself (`own`) and below it: open, accepted, urgent, overdue."""
    async with edge.reading("recommendation.read") as session:
        await ground.directory.look(await raw_connection(session))
        root = ground.place(edge, place)
        found = await queries.counts(session, edge.principal.scope, root, ground.clock)
    return json_response({"place": described(root, edge.lang), **found})


@router.post("/recommendations/look", status_code=200)
async def look_again(edge: Edge, ground: Grounded, advice: Advised, place: OptionalCode = None) -> Response:
    """Look at a place again now: what is mended resolves, what is new is said. Trends and peers wait for the night."""

    async def act(uow: UnitOfWork) -> Mapping[str, Any]:
        await ground.directory.look(await raw_connection(uow.session))
        outcome = await advice.look_again(uow, ground.place(edge, place))
        return {"made": outcome.made, "resolved": outcome.resolved, "rules": outcome.looked}

    return await edge.command("recommendation.look", act)


@router.get("/recommendations/{id_}")
async def recommendation(edge: Edge, ground: Grounded, id_: Id) -> Response:
    """A recommendation with its texts, its evidence then and now, its life, and whether the indicator moved."""
    async with edge.reading("recommendation.read") as session:
        await ground.directory.look(await raw_connection(session))
        row = await queries.one(session, edge.principal.scope, id_)
    return state_dict_response(_shown(row, ground, edge) if row else None, "recommendation", id_)


@router.post("/recommendations/{id_}/accept", response_model=RecommendationState)
async def accept(edge: Edge, advice: Advised, id_: Id, body: Accept) -> Response:
    """Take it on: whose work it is and until when."""
    return await step(edge, "recommendation.accept", lambda uow: advice.accept(uow, id_, body))


@router.post("/recommendations/{id_}/complete", response_model=RecommendationState)
async def complete(edge: Edge, advice: Advised, id_: Id, body: Complete) -> Response:
    """It is done; the indicator is measured now and again later."""
    return await step(edge, "recommendation.complete", lambda uow: advice.complete(uow, id_, body))


@router.post("/recommendations/{id_}/dismiss", response_model=RecommendationState)
async def dismiss(edge: Edge, advice: Advised, id_: Id, body: Dismiss) -> Response:
    """It is not followed, for a reason. What is urgent, an office above dismisses."""
    return await step(edge, "recommendation.dismiss", lambda uow: advice.dismiss(uow, id_, body))


@router.get("/advice/rules")
async def rules(edge: Edge, ground: Grounded) -> Response:
    """Every rule with its texts, what it looks at, and what is in force of it at which level."""
    async with edge.querying("rule.read") as connection:
        found = await settings.in_force(connection)
    return page_response([_rule(each, ground, edge.lang) for each in found.values()], None)


@router.get("/advice/rules/{code}")
async def rule(edge: Edge, ground: Grounded, code: Code) -> Response:
    """A rule; its setting's version is the ETag."""
    async with edge.querying("rule.read") as connection:
        found = await settings.in_force(connection)
    setting = found.get(code)
    return state_dict_response(_rule(setting, ground, edge.lang) if setting else None, "rule", code)


@router.get("/advice/rules/{code}/history")
async def rule_history(edge: Edge, code: Code) -> Response:
    """All versions of a rule's setting, the newest first; the last is as declared."""
    async with edge.querying("rule.read") as connection:
        found = await settings.history(connection, code)
    return page_response([_setting(each) for each in found], None)


@router.put("/advice/rules/{code}/setting")
async def set_rule(edge: Edge, code: Code, body: PutSetting) -> Response:
    """Switch a rule on or off, change its thresholds level by level: a new version; the former ones stay."""

    async def act(uow: UnitOfWork) -> Mapping[str, Any]:
        return _setting(await settings.put(uow, code, body))

    return await edge.command("rule.set", act, versioned=True)


@router.post("/advice/trials", status_code=202)
async def ask_trial(edge: Edge, ground: Grounded, body: AskTrial) -> Response:
    """Try a rule on the past months, in force or not, with other thresholds where wished; ask again how far it is.

    The values are those known now of the months then; what is written of it is nothing but the answer.
    """

    async def act(uow: UnitOfWork) -> Mapping[str, Any]:
        await ground.directory.look(await raw_connection(uow.session))
        return await trials.ask(uow, body, ground.place(edge, body.place))

    return await edge.command("rule.try", act, status=202)


@router.get("/advice/trials")
async def list_trials(
    edge: Edge,
    rule: Annotated[str | None, Query(max_length=40)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Response:
    """The last trials within the caller's scope, the newest first."""
    async with edge.querying("rule.try") as connection:
        return page_response(await trials.trials(connection, edge.principal.scope, rule, limit), None)


@router.get("/advice/trials/{id_}")
async def get_trial(
    edge: Edge, ground: Grounded, id_: Annotated[str, Path(max_length=64, description="a trial's id")]
) -> Response:
    """A trial: how far it is, and what came of it – how often the rule would have fired where, and how that ended."""
    async with edge.querying("rule.try") as connection:
        await ground.directory.look(connection)
        found = await trials.trial(connection, edge.principal.scope, id_) if could_be_id(id_) else None
    if found is None:
        raise NotFound(what="trial", id=id_[:100])
    for level in ((found["result"] or {}).get("levels") or {}).values():
        for example in level["examples"]:
            example["place"] = _place(ground, example["place"], edge.lang)
    return json_response(found)


@router.get("/advice/runs")
async def list_runs(edge: Edge, limit: Annotated[int, Query(ge=1, le=100)] = 14) -> Response:
    """The daily looks at all rules: when they began and ended, how far they are, what came of them."""
    async with edge.querying("rule.read") as connection:
        found = await runs(connection, limit)
    return page_response(
        [
            {
                "day": row["day"].isoformat(),
                "began_at": row["began_at"].isoformat(),
                "ended_at": row["ended_at"].isoformat() if row["ended_at"] else None,
                "done": row["done"],
                "steps": row["steps"],
                "made": row["made"],
                "resolved": row["resolved"],
            }
            for row in found
        ],
        None,
    )


def _listed(row: RecommendationRow, ground: Ground, edge: RequestEdge) -> dict[str, Any]:
    state = RecommendationState.model_validate(row.state)
    today = local_day(ground.clock())
    return {
        "id": state.id,
        "version": state.version,
        "rule": state.rule,
        "element": state.element,
        "severity": state.severity,
        "status": state.status,
        "level": state.level,
        "place": _place(ground, state.place, edge.lang),
        "title": rule_text(ground.catalogue, state.rule, "title", edge.lang),
        "owner": state.owner,
        "due_on": state.due_on.isoformat(),
        "overdue": state.status in lifecycle.WORKED_ON and state.due_on < today,
        "made_on": state.steps[0].on.isoformat(),
        "latest": row.latest,
        "latest_on": row.latest_on.isoformat() if row.latest_on else None,
    }


def _shown(row: RecommendationRow, ground: Ground, edge: RequestEdge) -> dict[str, Any]:
    state = RecommendationState.model_validate(row.state)
    lang = edge.lang
    return {
        **_listed(row, ground, edge),
        "action": rule_text(ground.catalogue, state.rule, "action", lang),
        "help": rule_text(ground.catalogue, state.rule, "help", lang),
        "indicator": _indicator(state.evidence.indicator, ground, lang),
        "evidence": state.evidence.model_dump(mode="json"),
        "steps": [each.model_dump(mode="json") for each in state.steps],
        "reason": state.reason,
        "notes": row.details.get("notes", {}),
        "measured": row.measured,
        "moved": _movement(row.measured, state.evidence.indicator),
        "may": lifecycle.may(edge.principal, state),
    }


def _movement(measured: list[dict[str, Any]], indicator: str) -> dict[str, Any] | None:
    """From when it was made to the last measuring after it was done, or to the last one at all."""
    if len(measured) < 2:
        return None
    known = INDICATORS.get(indicator)
    found = moved(measured[0], measured[-1], up=known is None or known.direction is not Direction.DOWN)
    if found is None:
        return None
    return {
        "direction": found.direction,
        "p_value": found.p_value,
        "from": measured[0]["on"],
        "to": measured[-1]["on"],
    }


def _indicator(code: str, ground: Ground, lang: Lang) -> dict[str, Any]:
    known = INDICATORS.get(code)
    return {
        "code": code,
        "name": ground.catalogue.text(f"indicator.{code}.name", lang) if known else code,
        "unit": known.unit if known else "count",
        "group": known.group if known else "",
    }


def _place(ground: Ground, code: str, lang: Lang) -> dict[str, Any]:
    place = ground.directory.by_code(code)
    return described(place, lang) if place else {"code": code, "level": "", "name": code}


def _rule(setting: Setting, ground: Ground, lang: Lang) -> dict[str, Any]:
    told = setting.rule
    return {
        "code": told.code,
        "version": setting.version,
        "element": told.element,
        "severity": told.severity,
        "owner": told.owner,
        "due_days": told.due_days,
        "expires_days": told.expires_days,
        "quiet_days": told.quiet_days,
        "follow_days": told.follow_days,
        "season": [told.begins, told.ends] if told.begins else None,
        "kind": told.condition.kind,
        "indicator": _indicator(told.indicator, ground, lang),
        "period": getattr(told.condition, "period", "today"),
        **{what: rule_text(ground.catalogue, told.code, what, lang) for what in ("title", "action", "help")},
        "enabled": setting.enabled,
        "levels": [
            {
                "level": level,
                "enabled": setting.looks_at(level),
                "parameters": setting.parameters(level),
                "declared": told.parameters(level),
            }
            for level in told.levels
        ],
    }


def _setting(setting: Setting) -> dict[str, Any]:
    return {
        "rule": setting.rule.code,
        "version": setting.version,
        "enabled": setting.enabled,
        "levels": {level.value: each.model_dump(mode="json") for level, each in setting.levels.items()},
        "made_by": setting.made_by,
        "made_at": setting.made_at.isoformat() if setting.made_at else None,
    }
