"""Targets by level and year: set for a place and all of a level at or below it, every version kept, nobody's erased.

The nearest counts: what a region sets for its districts goes before what the ministry sets for all districts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from services.monitoring import queries
from services.monitoring.comparison.course import Outlook, outlook
from services.monitoring.comparison.effectiveness import composition
from services.monitoring.comparison.reading import INDEX, index_of
from services.monitoring.domain.formulas import Direction, Indicator, Unit
from services.monitoring.domain.periods import STEPS, Period, PeriodKind, parse, period_at
from services.monitoring.domain.territory import Level, Place
from services.monitoring.domain.values import Value
from shared.errors import FieldError, InvalidInput, VersionMismatch
from shared.persistence.engine import raw_connection
from shared.persistence.unit_of_work import UnitOfWork

YEARS: Final = (PeriodKind.ACADEMIC_YEAR, PeriodKind.FISCAL_YEAR)
MONTHS: Final = 12
"""So many months a trend is drawn through; of what is known by years alone, years."""
PAST_YEARS: Final = 5

_COLUMNS: Final = "indicator, place, level, year, version, value, note, made_by, made_for, made_at"
_LATEST: Final = f"""
    select * from (
        select distinct on (indicator, place, level, year) {_COLUMNS} from target
        where place = any($1::text[]) and year = any($2::text[]) order by indicator, place, level, year, version desc
    ) latest order by indicator, level, year, place
"""  # noqa: S608 - constant columns
_FOR: Final = f"""
    select distinct on (place) {_COLUMNS} from target
    where indicator = $1 and level = $2 and year = $3 order by place, version desc
"""  # noqa: S608 - constant columns
_HISTORY: Final = f"""
    select {_COLUMNS} from target where indicator = $1 and place = $2 and level = $3 and year = $4
    order by version desc limit 200
"""  # noqa: S608 - constant columns
_PUT: Final = """
    insert into target (indicator, place, level, year, version, org_path, value, note, made_by, made_for, made_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict do nothing returning version
"""


class PutTarget(BaseModel):
    """The target, or null to withdraw it."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={"examples": [{"value": 0.75, "note": "Decision of the board of 2 September"}]},
    )

    value: Annotated[float, Field(allow_inf_nan=False, ge=-1e15, le=1e15)] | None = Field(
        description="in the indicator's unit: a ratio as 0.75, a score and the index of 100; null: no target any more"
    )
    note: str = Field(default="", max_length=500, description="why; a decision's number, say")


@dataclass(frozen=True, slots=True)
class Target:
    """One version of a target; version 0 was never set."""

    indicator: str
    place: str
    level: Level
    year: str
    version: int = 0
    value: float | None = None
    note: str = ""
    made_by: str | None = None
    made_for: str | None = None
    made_at: datetime | None = None


def _target(row: Any) -> Target:
    return Target(**{**dict(row), "level": Level(row["level"])})


def year_of(field: str, text: str, indicator: Indicator) -> Period:
    """The academic or fiscal year of a target; raises InvalidInput for anything else."""
    kinds = [kind for kind in YEARS if kind in indicator.period_kinds]
    try:
        found: Period | None = parse(text)
    except ValueError:
        found = None
    if found is None or found.kind not in kinds:
        raise InvalidInput(FieldError(field, "target_year", {"value": text, "known": ", ".join(kinds)}))
    return found


def year_for(indicator: Indicator, period: Period) -> str | None:
    """The year whose target a value of the period is held against: of counts and sums only a whole year's."""
    if period.kind in YEARS:
        return period.text
    of_a_year = period.kind is PeriodKind.ROLLING_12
    if of_a_year or indicator.unit in (Unit.RATIO, Unit.SCORE):
        return period_at(PeriodKind.ACADEMIC_YEAR, period.last).text
    return None


async def known(connection: Any, places: Sequence[Place], years: Sequence[str]) -> list[Target]:
    """The latest version of every target that is set at one of the places for one of the years; withdrawn ones too."""
    rows = await connection.fetch(_LATEST, [place.code for place in places], list(years))
    return [_target(row) for row in rows]


async def bound(connection: Any, indicator: Indicator, level: Level, year: str) -> dict[str, Target]:
    """Targets of a year for places of a level, by the place they are set at, as far as the caller sees them."""
    rows = await connection.fetch(_FOR, indicator.code, int(level), year)
    return {row["place"]: _target(row) for row in rows if row["value"] is not None}


def nearest(chain: Iterable[Place], targets: Mapping[str, Target]) -> Target | None:
    """The target set at the first of these – a place and those above it – that has one."""
    return next((targets[place.code] for place in chain if place.code in targets), None)


async def history(connection: Any, indicator: Indicator, place: Place, level: Level, year: str) -> list[Target]:
    """All versions of a target, the newest first; the last is that there was none."""
    rows = await connection.fetch(_HISTORY, indicator.code, place.code, int(level), year)
    return [*map(_target, rows), Target(indicator.code, place.code, level, year)]


async def put(
    uow: UnitOfWork, indicator: Indicator, place: Place, level: Level, year: Period, command: PutTarget
) -> Target:
    """A new version of a target, on top of the one the caller has read. Raises VersionMismatch."""
    _reasonable(indicator, command.value)
    connection = await raw_connection(uow.session)
    current = (await history(connection, indicator, place, level, year.text))[0].version
    if uow.expected_version is not None and uow.expected_version != current:
        raise VersionMismatch(expected=uow.expected_version, found=current)
    who = uow.principal
    made = Target(
        indicator.code,
        place.code,
        level,
        year.text,
        current + 1,
        command.value,
        command.note,
        who.role,
        who.org,
        uow.now,
    )
    row = (made.indicator, made.place, int(level), made.year, made.version, place.path, made.value, made.note)
    if await connection.fetchval(_PUT, *row, made.made_by, made.made_for, made.made_at) is None:
        raise VersionMismatch(expected=current, found=current + 1)
    return made


def _reasonable(indicator: Indicator, value: float | None) -> None:
    """Raise InvalidInput for a value that the indicator never has."""
    if value is None or indicator.code == "I3":
        return
    most = {Unit.RATIO: 10.0, Unit.SCORE: 100.0}.get(indicator.unit, 1e15)
    if not 0 <= value <= most:
        raise InvalidInput(FieldError("value", "target_value", {"value": value, "most": most}))


@dataclass(frozen=True, slots=True)
class Progress:
    """How a place stands to a target: the year's value so far, the last twelve months', and the outlook."""

    value: Value
    running: float | None
    running_period: str | None
    outlook: Outlook


async def progress(
    connection: Any, indicator: Indicator, place: Place, year: Period, target: float, sight: queries.Sight, k: int
) -> Progress:
    """How the place stands to a target of a year, and whether it is reached if all goes on as in the last months.

    The trend is that of values of the same length as a year: the twelve months up to each of the last months – of what
    is known by years alone, the last years. So it ends at the year's own value, whatever the season.
    """
    up, this_month = indicator.direction is not Direction.DOWN, sight.this_month
    if indicator is INDEX:
        rows = await index_of(connection, composition(), [place], year, sight, k)
        shown = rows[0][0]
        value = Value(shown.value, None, None, shown.coverage, False, {})
        ahead = None if year.last < this_month else 0
        return Progress(value, None, None, outlook(shown.value, target, [], ahead, up=up))
    found = await queries.values(connection, indicator, [place], year, this_month, k, parts=False)
    value = found[0].value
    if year.last < this_month:
        return Progress(value, None, None, outlook(value.value, target, [], None, up=up))
    if PeriodKind.ROLLING_12 in indicator.period_kinds:
        first, last = (period_at(PeriodKind.ROLLING_12, this_month - back) for back in (MONTHS, 1))
        points = await _series(connection, indicator, place, PeriodKind.ROLLING_12, first, last, this_month, k)
        running, ahead, named = points[-1], year.last - last.last, last.text
    else:
        kind = indicator.period_kinds[0] if indicator.period_kinds[0] in YEARS else PeriodKind.ACADEMIC_YEAR
        first, last = (period_at(kind, this_month - 12 * back) for back in (PAST_YEARS, 0))
        points = await _series(connection, indicator, place, kind, first, last, this_month, k)
        running, ahead, named = points[-1], max(0, (year.last - last.last) // STEPS[kind]), last.text
    best = running
    if up and value.value is not None and indicator.unit in (Unit.COUNT, Unit.PERSONS):
        best = max(value.value, running or 0)  # what only grows may have reached in this year what it had not before
    return Progress(value, running, named, outlook(best, target, points, ahead, up=up))


async def _series(
    connection: Any,
    indicator: Indicator,
    place: Place,
    kind: PeriodKind,
    first: Period,
    last: Period,
    this_month: int,
    k: int,
) -> list[float | None]:
    periods = queries.consecutive(kind, first, last, MONTHS + 1)
    found = await queries.series(connection, indicator, place, periods, this_month, k)
    return [each.value for each in found]
