"""Places of a level and what is shown of them, as arrays to compare: read through `queries`, in the caller's scope."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import numpy as np

from services.monitoring import queries
from services.monitoring.comparison.effectiveness import CODE, Composition, composed, composition, drawn, fitted
from services.monitoring.comparison.noise import Estimates, Noise, Numbers, Seen, estimated, noise_of, pooled_deviation
from services.monitoring.comparison.ranking import SEED, Ranks, draws_for, ranks, within
from services.monitoring.directory import Directory
from services.monitoring.domain.definitions import INDICATORS
from services.monitoring.domain.formulas import Direction, Indicator, Unit
from services.monitoring.domain.periods import Period, PeriodKind
from services.monitoring.domain.territory import Level, Place
from services.monitoring.domain.values import Value
from shared.scope import Principal

CHUNK: Final = 500
"""Places read at a time: so many leave the event loop to others soon."""
MANY: Final = 300
"""Places from which on the numbers are worked out beside the event loop."""
Frozen = Mapping[tuple[int, str], Value]
"""The values of an edition by place's id and indicator."""
NOTHING_FROZEN: Final[Frozen] = {}
INDEX: Final = Indicator(
    code=CODE,
    group="index",
    unit=Unit.SCORE,
    direction=Direction.UP,
    roll_up="weighted mean of the scores known",
    source="INDICATORS.md, composite effectiveness index",
    numerator=INDICATORS["I5"].numerator,
    period_kinds=(PeriodKind.ACADEMIC_YEAR, *(kind for kind in PeriodKind if kind is not PeriodKind.ACADEMIC_YEAR)),
)
"""The index as it is named beside the indicators; its value is composed, not counted."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is compared: an indicator (or the index) of all places of a level below one, in a period.

    `per`: counts of offices by the institutions at work there.
    """

    indicator: Indicator
    period: Period
    root: Place
    level: Level
    per: bool = False

    @property
    def key(self) -> tuple[str, str, str, int, bool]:
        """What makes two the same."""
        return self.indicator.code, self.period.text, self.root.code, int(self.level), self.per


@dataclass(frozen=True, slots=True)
class Shown:
    """A place's value as it is shown everywhere; of the index its scores and coverage."""

    place: Place
    value: float | None
    numerator: int | None
    denominator: int | None
    coverage: float | None
    suppressed: bool
    as_of: datetime | None
    scores: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """Places compared: first those with a value, by rank, then the others by name; `seen`, `estimates`, `ranks` of the
    first alone. What is withheld – `suppressed` says how many – is among the others: its rank would tell of it.
    `as_of`: up to when events are in."""

    asked: Asked
    made_at: datetime
    noise: Noise | None
    shown: tuple[Shown, ...]
    seen: Seen
    estimates: Estimates
    ranks: Ranks
    suppressed: int
    as_of: datetime | None
    within: dict[Any, "Table"] = field(default_factory=dict, compare=False, repr=False)
    """Parts of it that were asked for, by what they are: whoever is in one has the same."""

    async def part(self, name: Any, places: Collection[int]) -> "Table":
        """The table of some of its places, made once for all who ask for the part of this name."""
        if name not in self.within:
            self.within[name] = await _beside(len(places), among, self, places)
        return self.within[name]

    @property
    def ranked(self) -> int:
        """How many places have a rank."""
        return len(self.seen.value)

    def index_of(self, place: Place) -> int | None:
        """Where a place stands among those ranked."""
        return next((at for at in range(self.ranked) if self.shown[at].place.id == place.id), None)


def periods_of(indicator: Indicator, period: Period) -> list[Period]:
    """The periods that a value of a period is read from: of the index those of its components as well."""
    if indicator is not INDEX:
        return [period]
    return [period, *(fitted(INDICATORS[each.indicator], period) for each in composition().component)]


def places_of(directory: Directory, root: Place, level: Level, until: int, principal: Principal) -> list[Place]:
    """The places of a level that lie below another at the end of a month, within the caller's scope."""
    found = [root]
    while found and found[0].level < level:
        found = [below for place in found for below in directory.below(place, until, principal)]
    return [place for place in found if place.level is level]


async def values(
    connection: Any, indicator: Indicator, places: Sequence[Place], period: Period, this_month: int, k: int
) -> list[queries.PlaceValue]:
    """The indicator at each of the places as it is shown; of means with their spread."""
    parts = indicator.spread is not None
    found: list[queries.PlaceValue] = []
    for begin in range(0, len(places), CHUNK):
        chunk = places[begin : begin + CHUNK]
        found += await queries.values(connection, indicator, chunk, period, this_month, k, parts=parts)
        await asyncio.sleep(0)  # others of this loop take events meanwhile
    return found


async def institutions_at(
    connection: Any, places: Sequence[Place], period: Period, this_month: int, k: int, frozen: Frozen = NOTHING_FROZEN
) -> dict[int, int]:
    """How many institutions work at each of the places; as `frozen` says it where it does."""
    if not places or places[0].level is Level.INSTITUTION:
        return {place.id: 1 for place in places}
    found = await values(connection, INDICATORS["I5"], places, period, this_month, k)
    return {each.place.id: frozen.get((each.place.id, "I5"), each.value).denominator or 0 for each in found}


async def read(
    connection: Any, directory: Directory, asked: Asked, principal: Principal, now: datetime, this_month: int, k: int
) -> Table:
    """The table of what is asked."""
    until = queries.end_of(asked.period, this_month)
    places = places_of(directory, asked.root, asked.level, until, principal)
    if asked.indicator is INDEX:
        sight = queries.Sight(directory, principal, this_month)
        rows = await index_of(connection, composition(), places, asked.period, sight, k)
        return await _beside(len(rows), _table_of_index, asked, rows, now)
    found = await values(connection, asked.indicator, places, asked.period, this_month, k)
    sizes = await institutions_at(connection, places, asked.period, this_month, k) if asked.per else {}
    there = [each for each in found if each.place.active or each.value.numerator]
    return await _beside(len(there), _table, asked, there, sizes, now)


async def _beside(count: int, make: Any, *arguments: Any) -> Table:
    table: Table = await asyncio.to_thread(make, *arguments) if count > MANY else make(*arguments)
    return table


def _table(asked: Asked, found: Sequence[queries.PlaceValue], sizes: dict[int, int], now: datetime) -> Table:
    noise = noise_of(asked.indicator, asked.level)
    known: list[tuple[Shown, float, float, float, float]] = []
    others: list[Shown] = []
    for each in found:
        shown = _shown(each)
        of = _size(each.value, sizes.get(each.place.id, 0) if asked.per else 1)
        if shown.value is None or shown.suppressed or of <= 0:
            others.append(shown)
            continue
        own = shown.value if each.value.denominator or not asked.per else shown.value / of
        known.append((shown, own, float(shown.numerator or 0), of, float(each.value.parts.get("spread") or 0)))
    value, top, size, deviation = (np.asarray([row[at] for row in known], dtype=np.float64) for at in range(1, 5))
    seen = Seen(value, top, size, pooled_deviation(deviation, size) if noise is Noise.MEAN and len(known) else 0.0)
    return _ranked(asked, now, noise, [row[0] for row in known], others, seen)


def _ranked(
    asked: Asked, now: datetime, noise: Noise, known: Sequence[Shown], others: Sequence[Shown], seen: Seen
) -> Table:
    estimates = estimated(noise, seen)
    order = ranks(estimates.value, estimates.draw, up=asked.indicator.direction is not Direction.DOWN)
    return _sorted(asked, now, noise, known, others, seen, estimates, order)


def _size(value: Value, otherwise: int) -> float:
    return float(otherwise if value.denominator is None else value.denominator)


def _shown(each: queries.PlaceValue) -> Shown:
    value = each.value
    return Shown(
        each.place, value.value, value.numerator, value.denominator, value.coverage, value.suppressed, each.as_of
    )


def _sorted(
    asked: Asked,
    now: datetime,
    noise: Noise | None,
    known: Sequence[Shown],
    others: Sequence[Shown],
    seen: Seen,
    estimates: Estimates,
    order: Ranks,
) -> Table:
    names = [_name(each) for each in known]
    at = np.asarray(sorted(range(len(known)), key=lambda index: (order.rank[index], names[index])), dtype=np.int64)
    return Table(
        asked,
        now,
        noise,
        (*(known[index] for index in at), *sorted(others, key=_name)),
        Seen(seen.value[at], seen.top[at], seen.size[at], seen.deviation),
        Estimates(
            estimates.value[at],
            estimates.low[at],
            estimates.high[at],
            estimates.weight[at],
            estimates.prior,
            None,  # draws are in the ranks already
        ),
        Ranks(order.rank[at], order.best[at], order.worst[at]),
        sum(each.suppressed for each in others),
        max((each.as_of for each in (*known, *others) if each.as_of), default=None),
    )


def _name(shown: Shown) -> tuple[str, str]:
    return shown.place.names.get("", ""), shown.place.code


def among(table: Table, places: Collection[int]) -> Table:
    """The table of those places alone (ids), estimated and ranked anew: among peers they are another population."""
    at = np.asarray([index for index in range(table.ranked) if table.shown[index].place.id in places], dtype=np.int64)
    known = [table.shown[index] for index in at]
    others = [shown for shown in table.shown[table.ranked :] if shown.place.id in places]
    if table.noise is None:
        return _ranked_index(table.asked, table.made_at, known, others)
    seen = Seen(table.seen.value[at], table.seen.top[at], table.seen.size[at], table.seen.deviation)
    return _ranked(table.asked, table.made_at, table.noise, known, others, seen)


# -- the index


async def index_of(
    connection: Any,
    declared: Composition,
    places: Sequence[Place],
    period: Period,
    sight: queries.Sight,
    k: int,
    frozen: Frozen = NOTHING_FROZEN,
) -> list[tuple[Shown, list[queries.PlaceValue]]]:
    """The index of each of the places, and the values of its components.

    A component is left out where its own period, which may end later, is not the caller's to see. Of the period itself
    `frozen` values, those of its edition, stand instead of what is known now.
    """
    columns: list[list[queries.PlaceValue]] = []
    scores = np.full((len(places), len(declared.component)), np.nan)
    institutions = await institutions_at(connection, places, period, sight.this_month, k, frozen)
    for column, component in enumerate(declared.component):
        indicator = INDICATORS[component.indicator]
        own = fitted(indicator, period)
        found = []
        for begin in range(0, len(places), CHUNK):
            found += await sight.values(connection, indicator, places[begin : begin + CHUNK], own, k)
            await asyncio.sleep(0)  # as `values` does
        if own == period:
            found = [_as_frozen(each, frozen.get((each.place.id, indicator.code))) for each in found]
        columns.append(found)
        for row, each in enumerate(found):
            value = each.value.value
            if component.per is not None and value is not None:
                at_work = institutions.get(each.place.id, 0)
                value = value / at_work if at_work > 0 else None
            if value is not None and not each.value.suppressed:
                scores[row, column] = component.score(value, each.place.level)
    made = composed(scores, declared)
    rows = []
    for row, place in enumerate(places):
        index = float(made.index[row])
        mine = [column[row] for column in columns]
        as_of = max((each.as_of for each in mine if each.as_of), default=None)
        shown = Shown(
            place,
            None if np.isnan(index) else index,
            None,
            None,
            float(made.coverage[row]),
            False,
            as_of,
            tuple(map(float, scores[row])),
        )
        rows.append((shown, mine))
    return rows


def _as_frozen(known: queries.PlaceValue, frozen: Value | None) -> queries.PlaceValue:
    return known if frozen is None else queries.PlaceValue(known.place, frozen, None)


def not_frozen(declared: Composition, places: Sequence[Place], period: Period, frozen: Frozen) -> list[str]:
    """The components' indicators that are as known now at some of the places: `frozen` lacks them."""
    return [
        each.indicator
        for each in declared.component
        if fitted(INDICATORS[each.indicator], period) != period
        or any((place.id, each.indicator) not in frozen for place in places)
    ]


def _table_of_index(asked: Asked, rows: Sequence[tuple[Shown, list[queries.PlaceValue]]], now: datetime) -> Table:
    known = [shown for shown, _ in rows if shown.value is not None]
    others = [shown for shown, _ in rows if shown.value is None and shown.place.active]
    return _ranked_index(asked, now, known, others)


def _ranked_index(asked: Asked, now: datetime, known: Sequence[Shown], others: Sequence[Shown]) -> Table:
    """The index ranked: its intervals are those that other weights would give."""
    value = np.asarray([shown.value for shown in known], dtype=np.float64)
    seen = Seen(value, value, np.ones(len(known)))
    order, low, high = ranks(value, None), value, value
    if known:
        scores = np.asarray([shown.scores for shown in known], dtype=np.float64)
        found = drawn(scores, composition(), np.random.default_rng(SEED), draws_for(len(known)))
        low, high = _between(found, value)
        order = within(order.rank, -found)
    estimates = Estimates(value, low, high, np.ones(len(known)), None, None)
    return _sorted(asked, now, None, known, others, seen, estimates, order)


def _between(found: Numbers, value: Numbers) -> tuple[Numbers, Numbers]:
    low, high = np.quantile(found, [0.05, 0.95], axis=0)
    return np.minimum(low, value), np.maximum(high, value)
