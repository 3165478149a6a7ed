"""What a value is made of: by form, category, term, profession, kind of training, cause – and by enterprise and sector.

Most of it the cells count: those are the value's own parts. Enterprises and sectors no cell counts: they are read from
the aggregates behind the value, as lineage reads them. Of persons such a count is withheld below k, and told in steps
of k, rounded: so nobody can be singled out by taking one count from another, of whatever place, period or enterprise.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from services.monitoring import queries
from services.monitoring.comparison import enterprises
from services.monitoring.directory import Directory
from services.monitoring.domain.definitions import INDICATORS, fed_by
from services.monitoring.domain.formulas import Indicator, Window
from services.monitoring.domain.measures import (
    CATALOGUE_FORMS,
    CAUSES,
    EMPLOYERS,
    ENTERPRISES,
    EXAMINING_ENTERPRISES,
    GRADUATES_BY_GROUP,
    GRADUATES_EMPLOYED,
    TRAINEES,
)
from services.monitoring.domain.periods import Period, PeriodKind, period_at
from services.monitoring.domain.territory import Place
from services.monitoring.tables import contributions_from
from shared.contracts.vocabulary import Form, PartnerCategory
from shared.errors import DomainError, FieldError, InvalidInput

MOST: Final = 60_000
"""Aggregates looked through for one answer."""
CHUNK: Final = 200

_COUNT: Final = """
    select count(*) from (
        select from aggregate where place = any($1::integer[]) and kind = any($2::smallint[]) limit $3
    ) found
"""
_ROWS: Final = """
    select place, contributions from aggregate where place = any($1::integer[]) and kind = any($2::smallint[])
"""


class TooManyBehind(DomainError):
    """More is behind the value than one answer looks through."""

    status = 422
    code = "too-many-behind"


@dataclass(frozen=True, slots=True)
class Parts:
    """Rows that are the value's parts: the part of each key."""

    of: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Terms:
    """Rows that are the months in which something begins, each with these parts of its value."""

    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Traced:
    """Rows read from the aggregates behind: `by` names the enterprise; distinct members of `counted` if persons count.

    `sector`: enterprises by their section of ISIC.
    """

    by: int
    counted: int | None = None
    sector: bool = False


Way = Parts | Terms | Traced
_FORMS = {str(form): str(form) for form in Form}
BREAKDOWNS: Final[Mapping[str, Mapping[str, Way]]] = {
    "I5": {"form": Parts({str(form): str(form) for form in CATALOGUE_FORMS})},
    "F1": {
        "form": Parts(_FORMS),
        "category": Parts({str(category): str(category) for category in PartnerCategory}),
        "enterprise": Traced(ENTERPRISES),
        "sector": Traced(ENTERPRISES, sector=True),
    },
    "F2": {"term": Terms(("planned", "filled", "completed", "placements"))},
    "F3": {
        "profession": Parts({group: f"isco_{group}" for group in GRADUATES_BY_GROUP}),
        "enterprise": Traced(EMPLOYERS, GRADUATES_EMPLOYED),
        "sector": Traced(EMPLOYERS, GRADUATES_EMPLOYED, sector=True),
    },
    "F6": {"training": Parts({kind: kind for kind in TRAINEES})},
    "F7": {"enterprise": Traced(EXAMINING_ENTERPRISES), "sector": Traced(EXAMINING_ENTERPRISES, sector=True)},
    "CAUSES": {"cause": Parts({cause: cause for cause in CAUSES})},
    "STAGE": {"stage": Parts({str(stage): f"stage_{stage}" for stage in range(4)})},
}
"""What each indicator can be broken down by, and how."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: `amounts` by name; None where it is withheld."""

    key: str
    amounts: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Broken:
    """A value broken down: the largest rows first, how many there are, and whether counts of persons are rounded."""

    value: queries.PlaceValue
    rows: Sequence[Row]
    found: int
    withheld: int
    rounded_to: int | None


def way_of(indicator: Indicator, by: str) -> Way:
    """How the indicator is broken down so; raises InvalidInput, which says what it can be broken down by."""
    ways = BREAKDOWNS.get(indicator.code, {})
    if by not in ways:
        known = ", ".join(ways) or "–"
        raise InvalidInput(FieldError("by", "breakdown", {"value": by, "indicator": indicator.code, "known": known}))
    return ways[by]


async def broken_down(
    connection: Any,
    directory: Directory,
    indicator: Indicator,
    by: str,
    place: Place,
    period: Period,
    this_month: int,
    k: int,
) -> Broken:
    """The value of a place and period, broken down; raises InvalidInput or TooManyBehind."""
    way = way_of(indicator, by)
    value = (await queries.values(connection, indicator, [place], period, this_month, k))[0]
    if value.value.suppressed:
        return Broken(value, [], 0, 0, None)
    match way:
        case Parts():
            told = {key: value.value.parts.get(part) for key, part in way.of.items()}
            rows = [Row(key, {"count": amount}) for key, amount in told.items() if amount != 0]
            return _ordered(value, rows, None)
        case Terms():
            return await _terms(connection, indicator, way, value, period, this_month, k)
    return await _traced(connection, directory, way, value, period, this_month, k)


async def _terms(
    connection: Any,
    indicator: Indicator,
    way: Terms,
    whole: queries.PlaceValue,
    period: Period,
    this_month: int,
    k: int,
) -> Broken:
    rows = []
    for month in range(period.first, period.last + 1):
        at = period_at(PeriodKind.MONTH, month)
        found = (await queries.values(connection, indicator, [whole.place], at, this_month, k))[0].value
        amounts = {part: found.parts.get(part) for part in way.parts}
        if any(amounts.values()):
            rows.append(Row(at.text, amounts))
    return Broken(whole, rows, len(rows), 0, None)


async def _traced(
    connection: Any,
    directory: Directory,
    way: Traced,
    whole: queries.PlaceValue,
    period: Period,
    this_month: int,
    k: int,
) -> Broken:
    measures = [way.by] if way.counted is None else [way.by, way.counted]
    kinds = sorted({kind for measure in measures for kind in fed_by(measure)})
    institutions = directory.institutions(whole.place)
    if await connection.fetchval(_COUNT, institutions, kinds, MOST + 1) > MOST:
        raise TooManyBehind(most=MOST)
    traced = replace(INDICATORS["F1"], lineage=tuple(Window(measure, str(measure)) for measure in measures))
    lineage = queries.Lineage(directory, traced, whole.place, period, this_month, k)
    counted: dict[str, set[Any]] = defaultdict(set)
    where: dict[str, set[int]] = defaultdict(set)
    number = 0
    for begin in range(0, len(institutions), CHUNK):
        for row in await connection.fetch(_ROWS, institutions[begin : begin + CHUNK], kinds):
            number += 1
            found = lineage.contributed(row["place"], contributions_from(row["contributions"]))
            members = {member for window, _, _, member in found if window.measure == way.counted}
            for window, amount, _, member in found:
                if window.measure == way.by and member is not None and amount > 0:
                    counted[member] |= members if way.counted is not None else {number}
                    where[member].add(row["place"])
        await asyncio.sleep(0)  # others of this loop take events meanwhile
    facts = await enterprises.facts(connection, list(counted))
    merged: dict[str, tuple[set[Any], set[int]]] = {}
    for enterprise, what in counted.items():
        survivor, section = facts.get(enterprise, (enterprise, enterprises.UNKNOWN))
        into = merged.setdefault(section if way.sector else survivor, (set(), set()))
        into[0].update(what)
        into[1].update(where[enterprise])
    rows = {key: (len(what), len(places)) for key, (what, places) in merged.items() if what}
    if way.counted is None:
        return _ordered(whole, [Row(key, {"count": n, "institutions": m}) for key, (n, m) in rows.items()], None)
    told = [Row(key, {"count": rounded(n, k), "institutions": m}) for key, (n, m) in rows.items()]
    return _ordered(whole, told, k)


def rounded(persons: int, k: int) -> int | None:
    """So many persons as they are told: none below k, else the nearest multiple of k."""
    return None if persons < k else (persons + k // 2) // k * k


def _ordered(value: queries.PlaceValue, rows: Sequence[Row], rounded_to: int | None) -> Broken:
    shown = sorted(rows, key=lambda row: (row.amounts["count"] is None, -(row.amounts["count"] or 0), row.key))
    withheld = sum(row.amounts["count"] is None for row in rows)
    if rounded_to is not None:
        # Where fewer than k have found work is not told one by one: how many such rows there are says enough.
        shown = [row for row in shown if row.amounts["count"] is not None]
    return Broken(value, shown, len(rows), withheld, rounded_to)
