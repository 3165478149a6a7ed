"""HTTP routes of targets: set by level and year for a place and what is below, held against values with their trend."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from services.monitoring.advice.lifecycle import LEVEL_NUMBERS, LEVELS
from services.monitoring.api.comparison import compared_of, named, text_of
from services.monitoring.api.ground import Ground, Grounded, OptionalCode, period_of
from services.monitoring.comparison import targets
from services.monitoring.comparison.targets import PutTarget, Target
from services.monitoring.directory import described
from services.monitoring.domain.formulas import Indicator
from services.monitoring.domain.periods import Period, PeriodKind, period_at
from services.monitoring.domain.territory import Level, Place
from services.monitoring.queries import Sight
from shared.contracts.monitoring import OfficeLevel
from shared.errors import FieldError, InvalidInput
from shared.persistence.engine import raw_connection
from shared.persistence.unit_of_work import UnitOfWork
from shared.scope import EDUCATION, Role
from shared.web.edge import Edge, RequestEdge, json_response, state_dict_response

PERMISSIONS: dict[str, frozenset[Role]] = {
    "target.read": EDUCATION | {Role.SERVICE},
    "target.set": frozenset({Role.MINISTRY, Role.REGION}),
}
router = APIRouter(prefix="/v1", tags=["targets"])

Year = Annotated[str, Path(max_length=16, description="an academic year (2026-27) or a fiscal one (2026)")]
Indicated = Annotated[str, Path(max_length=64, description="an indicator's code, or INDEX")]


@router.get("/targets")
async def list_targets(
    edge: Edge,
    ground: Grounded,
    place: OptionalCode = None,
    year: Annotated[str | None, Query(max_length=16, description="without it the present years")] = None,
    progress: Annotated[bool, Query(description="whether the place's own values are held against them")] = True,
) -> Response:
    """Targets set at a place or above it for a year: those for places below, and those that count for the place itself.

    A target that counts for the place (`applies`) is shown beside its value, with the distance `left` and its `course`:
    met, on_course, possible, off_course, missed, unknown, none – by a robust trend through the last twelve months.
    """
    async with edge.querying("target.read") as connection:
        await ground.directory.look(connection)
        root = ground.place(edge, place)
        years = [period_of("year", year).text] if year else _present_years(ground)
        chain = [root, *ground.directory.above(root, ground.this_month)]
        found = [each for each in await targets.known(connection, chain, years) if each.level >= root.level]
        order = {above.code: distance for distance, above in enumerate(chain)}
        own: dict[tuple[str, str], Target] = {}
        for each in sorted(found, key=lambda target: -order[target.place]):
            if each.level is root.level and each.value is not None:
                own[each.indicator, each.year] = each
        items = []
        for each in found:
            if each.value is None:
                continue
            item = _told(each, ground, edge)
            item["applies"] = own.get((each.indicator, each.year)) is each
            if item["applies"] and progress:
                item["progress"] = await _progress(connection, each, root, ground, ground.sight(edge))
            items.append(item)
    return json_response({"place": described(root, edge.lang), "years": years, "items": items})


def _present_years(ground: Ground) -> list[str]:
    return [period_at(kind, ground.this_month).text for kind in (PeriodKind.ACADEMIC_YEAR, PeriodKind.FISCAL_YEAR)]


async def _progress(connection: Any, target: Target, place: Place, ground: Ground, sight: Sight) -> dict[str, Any]:
    indicator = compared_of(target.indicator)
    assert target.value is not None
    year = targets.year_of("year", target.year, indicator)
    found = await targets.progress(connection, indicator, place, year, target.value, sight, ground.k)
    return {
        "value": found.value.value,
        "numerator": found.value.numerator,
        "denominator": found.value.denominator,
        "coverage": found.value.coverage,
        "suppressed": found.value.suppressed,
        "running": found.running,
        "running_period": found.running_period,
        "course": found.outlook.course.value,
        "left": found.outlook.left,
        "projected": found.outlook.projected,
        "projected_low": found.outlook.low,
        "projected_high": found.outlook.high,
    }


def _told(target: Target, ground: Ground, edge: RequestEdge) -> dict[str, Any]:
    place = ground.directory.by_code(target.place)
    return {
        "indicator": named(compared_of(target.indicator), ground, edge),
        "level": LEVELS[target.level].value,
        "year": target.year,
        "place": described(place, edge.lang) if place else {"code": target.place, "level": "", "name": target.place},
        "version": target.version,
        "value": target.value,
        "note": target.note,
        "made_by": target.made_by,
        "made_for": target.made_for,
        "made_at": text_of(target.made_at),
    }


@router.get("/targets/{indicator}/{level}/{year}")
async def target(
    edge: Edge, ground: Grounded, indicator: Indicated, level: OfficeLevel, year: Year, place: OptionalCode = None
) -> Response:
    """A target set at a place for its level and year, with all its versions; the newest one's number is the ETag."""
    async with edge.querying("target.read") as connection:
        await ground.directory.look(connection)
        asked, when, root = _named_target(edge, ground, indicator, level, year, place)
        found = await targets.history(connection, asked, root, LEVEL_NUMBERS[level], when.text)
    history = [_told(each, ground, edge) for each in found]
    return state_dict_response({**history[0], "history": history}, "target", indicator)


@router.put("/targets/{indicator}/{level}/{year}")
async def set_target(
    edge: Edge,
    ground: Grounded,
    indicator: Indicated,
    level: OfficeLevel,
    year: Year,
    body: PutTarget,
    place: OptionalCode = None,
) -> Response:
    """Set, change or withdraw the target of a level and year for a place and all below it: a new version.

    The ministry sets for any place, a region for its own and what is below. If-Match names the version that was read, 0
    where there was none.
    """
    edge.allow("target.set")

    async def act(uow: UnitOfWork) -> Mapping[str, Any]:
        await ground.directory.look(await raw_connection(uow.session))
        asked, when, root = _named_target(edge, ground, indicator, level, year, place)
        return _told(await targets.put(uow, asked, root, LEVEL_NUMBERS[level], when, body), ground, edge)

    return await edge.command("target.set", act, versioned=True)


def _named_target(
    edge: RequestEdge, ground: Ground, indicator: str, level: OfficeLevel, year: str, place: str | None
) -> tuple[Indicator, Period, Place]:
    asked = compared_of(indicator)
    root = ground.place(edge, place)
    if LEVEL_NUMBERS[level] < root.level:
        known = ", ".join(LEVELS[each] for each in Level if each >= root.level)
        raise InvalidInput(FieldError("level", "level_above", {"value": level, "known": known}))
    return asked, targets.year_of("year", year, asked), root
