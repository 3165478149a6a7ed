"""HTTP routes of what there is: indicators, the caller's scope, places, the stage an institution has reached."""

import json
from datetime import date
from typing import Any

from fastapi import APIRouter, Response

from services.monitoring import stages
from services.monitoring.api.ground import Ground, Grounded
from services.monitoring.directory import described
from services.monitoring.domain.definitions import INDICATORS
from services.monitoring.domain.formulas import Indicator
from services.monitoring.domain.territory import Level
from shared.clock import local_day
from shared.errors import NotFound
from shared.i18n import Catalogue, Lang
from shared.scope import EDUCATION, Role
from shared.web.edge import Edge, json_response

PERMISSIONS: dict[str, frozenset[Role]] = {"indicator.read": EDUCATION | {Role.SERVICE}}
router = APIRouter()


@router.get("/v1/indicators", tags=["indicators"])
async def indicators(edge: Edge, ground: Grounded) -> Response:
    """Every indicator with its texts in the caller's language."""
    edge.allow("indicator.read")
    items = [_declared(indicator, ground.catalogue, edge.lang) for indicator in INDICATORS.values()]
    return Response(json.dumps(items, ensure_ascii=False), media_type="application/json")


@router.get("/v1/scope", tags=["indicators"])
async def scope(edge: Edge, ground: Grounded) -> Response:
    """The place at the top of what the caller sees."""
    async with edge.querying("indicator.read") as connection:
        await ground.directory.look(connection)
    return json_response({"place": described(ground.directory.root(edge.principal), edge.lang)})


@router.get("/v1/places/{code}", tags=["indicators"])
async def place(edge: Edge, ground: Grounded, code: str) -> Response:
    """A place, the way up to it, and how many places lie directly below."""
    async with edge.querying("indicator.read") as connection:
        await ground.directory.look(connection)
    found = ground.directory.seen(code, edge.principal)
    above = ground.directory.ancestors(found, edge.principal)
    children = ground.directory.below(found, ground.this_month, edge.principal)
    return json_response(
        {
            **described(found, edge.lang),
            "active": found.active,
            "parent": above[-1].code if above else None,
            "ancestors": [described(each, edge.lang) for each in above],
            "children": sum(child.active for child in children),
        }
    )


@router.get("/v1/institutions/{id}/stage", tags=["indicators"])
async def stage(edge: Edge, ground: Grounded, id: str) -> Response:  # noqa: A002 - the path's parameter
    """The stage an institution has reached today, and R1–R13 with state, dates and the evidence behind each.

    `lapses_on` is the day on which a met gate lapses if nothing is done. Evidence names the service and the
    aggregate it comes from; what counts in months, or would tell of single answers, is summed up under `asks`.
    """
    today = local_day(ground.clock())
    async with edge.querying("indicator.read") as connection:
        await ground.directory.look(connection)
        institution = ground.directory.seen(id, edge.principal)
        if institution.level is not Level.INSTITUTION:
            raise NotFound(what="institution", id=id[:100])
        stage, gates = await stages.standing(connection, institution.id, institution.code, today)
    return json_response(
        {
            "institution": described(institution, edge.lang),
            "on": today.isoformat(),
            "stage": stage,
            "gates": [_gate(ground, each, edge.lang) for each in gates],
        }
    )


def _gate(ground: Ground, stand: stages.Stand, lang: Lang) -> dict[str, Any]:
    def named(evidence: str) -> dict[str, str]:
        return {"evidence": evidence, "name": ground.catalogue.text(f"evidence.{evidence}", lang)}

    return {
        "code": stand.gate.code,
        "name": ground.catalogue.text(f"indicator.{stand.gate.code}.name", lang),
        "help": ground.catalogue.text(f"indicator.{stand.gate.code}.help", lang),
        "stage": stand.gate.stage,
        "state": stand.state,
        "state_name": ground.catalogue.text(f"gate_state.{stand.state}", lang),
        "since": _day(stand.since),
        "lapses_on": _day(stand.lapses_on),
        "asks": [
            {
                "answered": asked.answered,
                "any_of": [named(name) | {"found": have, "needed": least} for name, have, least in asked.alternatives],
            }
            for asked in stand.asks
        ],
        "evidence": [
            named(piece.evidence)
            | {
                "service": piece.service,
                "aggregate": piece.aggregate,
                "id": piece.id,
                "from": piece.since.isoformat(),
                "until": _day(piece.until),
            }
            for piece in stand.evidence
        ],
    }


def _declared(indicator: Indicator, catalogue: Catalogue, lang: Lang) -> dict[str, Any]:
    def say(what: str) -> str:
        return catalogue.text(f"indicator.{indicator.code}.{what}", lang)

    return {
        "code": indicator.code,
        "name": say("name"),
        "help": say("help"),
        "formula": say("formula"),
        "unit": indicator.unit,
        "direction": indicator.direction,
        "period_kinds": list(indicator.period_kinds),
        "group": indicator.group,
        "roll_up": indicator.roll_up,
        "source": indicator.source,
        "privacy": indicator.privacy,
    }


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None
