"""What a value is made of: by form, category, term, profession, kind of training, cause – and by enterprise and sector.

Most of it the cells count: those are the value's own parts. Enterprises and sectors no cell counts: they are read from
the aggregates behind the value, as lineage reads them. Of persons what is told is made of whole cells – the persons of
one institution at one enterprise in one academic year – of k or more, beside which the institution's others have room
(`tellable`): every count, of whatever place or sector, sums such cells alone, so that one less another leaves no few.
They are made of the same events as the institution's released count: they move with it, or not at all.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from services.monitoring import archive, queries
from services.monitoring.comparison import enterprises
from services.monitoring.directory import Directory, below
from services.monitoring.domain.contributions import contributions
from services.monitoring.domain.definitions import INDICATORS, fed_by
from services.monitoring.domain.formulas import Indicator, Window
from services.monitoring.domain.measures import (
    CATALOGUE_FORMS,
    CATEGORY_ENDED,
    CATEGORY_SIGNED,
    CAUSES,
    EMPLOYERS,
    ENTERPRISES,
    EXAMINING_ENTERPRISES,
    FORM_ENDED,
    FORM_SIGNED,
    GRADUATES_BY_GROUP,
    GRADUATES_EMPLOYED,
    TRAINEES,
)
from services.monitoring.domain.parts import Contributions
from services.monitoring.domain.periods import YEARS, Period, PeriodKind, period_at
from services.monitoring.domain.readings import SOURCE_OF_KIND, decode
from services.monitoring.domain.territory import Place
from services.monitoring.suppression.tables import upto
from services.monitoring.tables import SOURCES, contributions_from, positions_from
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
    select place, kind, shard, contributions, positions from aggregate
    where place = any($1::integer[]) and kind = any($2::smallint[])
"""


class TooManyBehind(DomainError):
    """More is behind the value than one answer looks through."""

    status = 422
    code = "too-many-behind"


@dataclass(frozen=True, slots=True)
class Parts:
    """Rows that are the value's parts: the part of each key; `beside` it, by name, measures of each key."""

    of: Mapping[str, str]
    beside: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


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
Cells = dict[int, dict[str, set[Any]]]
"""What was counted by institution and enterprise: aggregates, or the persons in them."""
_FORMS = {str(form): str(form) for form in Form}


def _named(measures: Mapping[Any, int]) -> dict[str, int]:
    return {str(key): measure for key, measure in measures.items()}


BREAKDOWNS: Final[Mapping[str, Mapping[str, Way]]] = {
    "I5": {"form": Parts({str(form): str(form) for form in CATALOGUE_FORMS})},
    "F1": {
        "form": Parts(_FORMS, {"signed": _named(FORM_SIGNED), "ended": _named(FORM_ENDED)}),
        "category": Parts(
            {str(category): str(category) for category in PartnerCategory},
            {"signed": _named(CATEGORY_SIGNED), "ended": _named(CATEGORY_ENDED)},
        ),
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
    """A value broken down: the largest rows first, how many there are, whether something is left out because it counts
    few persons, and to what counts of persons are rounded."""

    value: queries.PlaceValue
    rows: Sequence[Row]
    found: int
    withheld: bool
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
        return Broken(value, [], 0, True, None)
    match way:
        case Parts():
            return _ordered(value, await _parts(connection, way, value, period, this_month))
        case Terms():
            return await _terms(connection, indicator, way, value, period, this_month, k)
    return await _traced(connection, directory, way, value, period, this_month, k)


async def _parts(connection: Any, way: Parts, whole: queries.PlaceValue, period: Period, this_month: int) -> list[Row]:
    beside: dict[str, Mapping[str, float | None]] = {}
    if way.beside:
        place = whole.place.id
        measures = {measure for measures in way.beside.values() for measure in measures.values()}
        until = queries.end_of(period, this_month)
        amounts = (await queries.amounts_at(connection, measures, [place], period, until))[place]
        beside = {
            key: {name: amounts(measures[key]) for name, measures in way.beside.items() if key in measures}
            for key in way.of
        }
    told = {key: {"count": whole.value.parts.get(part), **beside.get(key, {})} for key, part in way.of.items()}
    return [Row(key, amounts) for key, amounts in told.items() if any(each != 0 for each in amounts.values())]


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
    return Broken(whole, rows, len(rows), False, None)


async def _traced(
    connection: Any,
    directory: Directory,
    way: Traced,
    whole: queries.PlaceValue,
    period: Period,
    this_month: int,
    k: int,
) -> Broken:
    if way.counted is not None and period.kind is not PeriodKind.ACADEMIC_YEAR:
        return Broken(whole, [], 0, True, k)  # a part of a year, taken from it, would tell of the rest
    cells = await _cells(connection, directory, way, whole.place, period, this_month, k)
    facts = await enterprises.facts(connection, list({each for own in cells.values() for each in own}))
    merged: Cells = {}
    for place, own in cells.items():
        for enterprise, what in own.items():
            survivor, _ = facts.get(enterprise, (enterprise, enterprises.UNKNOWN))
            merged.setdefault(place, {}).setdefault(survivor, set()).update(what)
    told = merged
    if way.counted is not None:
        shown = await _shown(connection, directory, list(merged), whole.place, period, this_month, k)
        told = {place: tellable(own, k) for place, own in merged.items() if place in shown}
    sections = dict(facts.values())
    counted: dict[str, tuple[set[Any], set[int]]] = {}
    for place, own in told.items():
        for enterprise, what in own.items():
            key = sections.get(enterprise, enterprises.UNKNOWN) if way.sector else enterprise
            into = counted.setdefault(key, (set(), set()))
            into[0].update(what)
            into[1].add(place)
    rows = [
        Row(
            key,
            {"count": len(what) if way.counted is None else rounded(len(what), k), "institutions": len(places)},
        )
        for key, (what, places) in counted.items()
    ]
    left_out = any(len(own) > len(told.get(place, ())) for place, own in merged.items())
    return replace(_ordered(whole, rows), withheld=left_out, rounded_to=None if way.counted is None else k)


async def _cells(
    connection: Any, directory: Directory, way: Traced, root: Place, period: Period, this_month: int, k: int
) -> Cells:
    """What is counted of each enterprise at each institution; raises TooManyBehind."""
    measures = [way.by] if way.counted is None else [way.by, way.counted]
    kinds = sorted({kind for measure in measures for kind in fed_by(measure)})
    institutions = directory.institutions(root)
    if await connection.fetchval(_COUNT, institutions, kinds, MOST + 1) > MOST:
        raise TooManyBehind(most=MOST)
    traced = replace(INDICATORS["F1"], lineage=tuple(Window(measure, str(measure)) for measure in measures))
    lineage = queries.Lineage(directory, traced, root, period, this_month, k)
    cells: Cells = {}
    number = 0
    for begin in range(0, len(institutions), CHUNK):
        some = institutions[begin : begin + CHUNK]
        rows = await connection.fetch(_ROWS, some, kinds)
        if way.counted is None:
            behind = [(row["place"], contributions_from(row["contributions"])) for row in rows]
        else:
            behind = await _as_released(connection, rows, await upto(connection, some, period.code - YEARS))
        for place, contributed in behind:
            number += 1
            found = lineage.contributed(place, contributed)
            members = {member for window, _, _, member in found if window.measure == way.counted}
            for window, amount, _, member in found:
                if window.measure == way.by and member is not None and amount > 0:
                    cell = cells.setdefault(place, {}).setdefault(member, set())
                    cell |= members if way.counted is not None else {number}
        await asyncio.sleep(0)  # others of this loop take events meanwhile
    return cells


async def _as_released(
    connection: Any, rows: Iterable[Any], released: Mapping[int, int]
) -> list[tuple[int, Contributions]]:
    """(institution, contributions) of each aggregate as its institution's last `released` event left it."""
    found: list[tuple[int, Contributions]] = []
    older: dict[tuple[int, int, int], int] = {}
    for row in rows:
        place = row["place"]
        positions = positions_from(row["positions"])
        then = [position for position in positions if position <= released.get(place, 0)]
        if len(then) == len(positions):
            found.append((place, contributions_from(row["contributions"])))
        elif then:
            older[SOURCES[SOURCE_OF_KIND[row["kind"]]], row["shard"], max(then)] = place
    found += [
        (older[SOURCES[event.source], event.shard, event.position], contributions(decode(event)))
        for event in await archive.events(connection, older)
    ]
    return found


async def _shown(
    connection: Any,
    directory: Directory,
    institutions: Sequence[int],
    root: Place,
    period: Period,
    this_month: int,
    k: int,
) -> set[int]:
    """Those of the institutions whose own count of graduates is shown, and that were below the place all the time."""
    months = range(period.first, period.last + 1)
    image = directory.image
    stayed = [id_ for id_ in institutions if all(below(image, id_, root, month) for month in months)]
    places = [place for id_ in stayed if (place := directory.by_id(id_)) is not None]
    found: set[int] = set()
    for begin in range(0, len(places), CHUNK):
        some = places[begin : begin + CHUNK]
        values = await queries.values(connection, INDICATORS["F3"], some, period, this_month, k, parts=False)
        found |= {each.place.id for each in values if not each.value.suppressed}
    return found


def tellable(cells: Mapping[str, set[Any]], k: int) -> dict[str, set[Any]]:
    """Of an institution's enterprises with the persons there those that may be told of.

    They count k persons or more; those that are left out are none, or two or more with k persons together who are
    nowhere else.
    """
    told = {key: what for key, what in cells.items() if len(what) >= k}
    for key in sorted(told, key=lambda each: (len(told[each]), each)):
        rest = [what for each, what in cells.items() if each not in told]
        if not rest or (len(rest) > 1 and len(set().union(*rest).difference(*told.values())) >= k):
            break
        del told[key]
    return told


def rounded(persons: int, k: int) -> int | None:
    """So many persons as they are told: none below k, else the nearest multiple of k."""
    return None if persons < k else (persons + k // 2) // k * k


def _ordered(value: queries.PlaceValue, rows: Sequence[Row]) -> Broken:
    shown = sorted(rows, key=lambda row: (row.amounts["count"] is None, -(row.amounts["count"] or 0), row.key))
    return Broken(value, shown, len(rows), any(row.amounts["count"] is None for row in rows), None)
