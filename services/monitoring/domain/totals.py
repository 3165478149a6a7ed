"""Many small amounts become few cell rows: the sums of a batch over four levels, ordered as rows are locked."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from services.monitoring.domain.expansion import Cells, expand
from services.monitoring.domain.measures import COLUMNS, MEASURES, UNSEEN, Kind
from services.monitoring.domain.parts import Contributions
from services.monitoring.domain.periods import FISCAL_YEARS, QUARTERS, ROLLING, SEPTEMBER, YEARS
from services.monitoring.domain.territory import Image, Integers, Level

Microseconds = int
"""Since 1970, in UTC."""

_STEPPED = np.zeros(max(MEASURES) + 1, dtype=bool)
_STEPPED[[code for code, measure in MEASURES.items() if measure.stepped]] = True
_SET_FLOWS = np.zeros(max(MEASURES) + 1, dtype=bool)
_SET_FLOWS[[code for code, measure in MEASURES.items() if measure.kind is Kind.SET_FLOW]] = True
_STOCKS = np.zeros(max(MEASURES) + 1, dtype=bool)
_STOCKS[[code for code, measure in MEASURES.items() if measure.kind in (Kind.STOCK, Kind.SET_STOCK)]] = True
_UNSEEN = np.zeros(max(MEASURES) + 1, dtype=bool)
_UNSEEN[list(UNSEEN)] = True


def _none() -> Integers:
    return np.zeros(0, dtype=np.int64)


@dataclass(slots=True)
class Rows:
    """Cell rows to add: equally long columns, one row per (place, slot, period); `as_of` is the time of the latest
    event that can be seen in it, 0 where none can."""

    places: Integers = field(default_factory=_none)
    slots: Integers = field(default_factory=_none)
    periods: Integers = field(default_factory=_none)
    amounts: tuple[Integers, ...] = field(default_factory=lambda: (_none(),) * COLUMNS)
    as_of: Integers = field(default_factory=_none)

    def __len__(self) -> int:
        return len(self.places)

    def parted(self, territory: Image) -> tuple["Rows", "Rows"]:
        """Those of institutions, and those of the places above them."""
        low = territory.depths(self.places) >= Level.INSTITUTION
        return self._chosen(low), self._chosen(~low)

    def _chosen(self, chosen: "np.ndarray[Any, Any]") -> "Rows":
        return Rows(
            self.places[chosen],
            self.slots[chosen],
            self.periods[chosen],
            tuple(each[chosen] for each in self.amounts),
            self.as_of[chosen],
        )


def united(one: Rows, other: Rows, territory: Image) -> Rows:
    """The sums of both, ordered as `Amounts.rows` does."""
    if not len(other):
        return one
    keys = np.concatenate([_keys(rows.places, rows.slots, rows.periods) for rows in (one, other)])
    amounts = [np.concatenate(pair) for pair in zip(one.amounts, other.amounts, strict=True)]
    return _summed(keys, amounts, np.concatenate((one.as_of, other.as_of)), territory)


def _keys(places: Integers, slots: Integers, periods: Integers) -> Integers:
    return places << 40 | slots << 24 | periods


def _summed(keys: Integers, columns: Sequence[Integers], time: Integers, territory: Image) -> Rows:
    """A row for each key: the sums of the columns, and the latest time; rows of zeros are left out.

    Upper levels come last, so that the rows every worker wants are locked for the shortest time.
    """
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    sums = [np.add.reduceat(each[order], starts) for each in columns]
    latest = np.maximum.reduceat(time[order], starts)
    keys = keys[starts]
    kept = np.flatnonzero(np.any(sums, axis=0))
    kept = kept[np.argsort(-territory.depths(keys[kept] >> 40), kind="stable")]
    keys = keys[kept]
    return Rows(keys >> 40, keys >> 24 & 0xFFFF, keys & 0xFFFFFF, tuple(each[kept] for each in sums), latest[kept])


class Amounts:
    """Collects the amounts of a batch: contributions of institutions, to be expanded, and amounts of single cells."""

    def __init__(self) -> None:
        # Flat: five integers an amount. Nothing is faster to fill and to hand to numpy.
        self.contributions: list[int] = []
        """(institution, measure, month, amount, time) one after the other: additive contributions, to be found at the
        institution and everything above it."""
        self.members: list[int] = []
        """As above: members of sets whose only reference is this one, which is new (1)."""
        self.present: list[int] = []
        """As `members`, at this one place."""
        self._cells: list[int] = []

    def contribution(self, institution: int, measure: int, month: int, amount: int, time: Microseconds) -> None:
        """Add one of `contributions`."""
        self.contributions += (institution, measure, month, amount, time)

    def cell(self, place: int, measure: int, period: int, amount: int, time: Microseconds) -> None:
        """An amount of this one cell."""
        self._cells += (place, measure, period, amount, time)

    def cells(self, cells: Cells, time: Microseconds, sign: int = 1) -> None:
        """Amounts of single cells."""
        for (place, measure, period), amount in cells.items():
            self._cells += (place, measure, period, sign * amount, time)

    def rows(self, territory: Image) -> Rows:
        """The sums, ordered as `_summed` says."""
        parts = [self._vector(territory), _present(self.present), _columns(self._cells)]
        columns = tuple(np.concatenate(column) for column in zip(*parts, strict=True))
        if not len(columns[0]):
            return Rows()
        # Changes of stocks by academic years too: a sum up to a month reads few rows, however long the history.
        place, measure, period, amount, time = _also(columns, _STOCKS[columns[1]], (_year_of(columns[2]),))
        time = np.where(_UNSEEN[measure], 0, time)
        column = measure % COLUMNS
        amounts = [np.where(column == each, amount, 0) for each in range(COLUMNS)]
        return _summed(_keys(place, measure // COLUMNS, period), amounts, time, territory)

    def _vector(self, territory: Image) -> tuple[Integers, ...]:
        columns = tuple(map(np.concatenate, zip(_columns(self.contributions), _present(self.members), strict=True)))
        if territory.moved:
            moved = np.isin(columns[0], np.fromiter(territory.moved, dtype=np.int64))
            self._expand_moved(zip(*(each[moved].tolist() for each in columns), strict=True), territory)
            columns = tuple(each[~moved] for each in columns)
        months = columns[2]
        nested = QUARTERS + months // 3, _year_of(months)
        place, measure, month, amount, time = _also(columns, _STEPPED[columns[1]], nested)
        levels = [place, *territory.above(place)]
        place = np.concatenate(levels)
        measure, month, amount, time = (np.tile(each, len(levels)) for each in (measure, month, amount, time))
        known = place >= 0
        return place[known], measure[known], month[known], amount[known], time[known]

    def _expand_moved(self, amounts: Iterable[tuple[int, ...]], territory: Image) -> None:
        for institution, measure, month, amount, time in amounts:
            one: Contributions = {(measure, month, None): amount}
            self.cells(expand(one, institution, territory.membership(institution)), time)


def _present(members: list[int]) -> tuple[Integers, ...]:
    """What `presence` says of a single reference: every period of the month, and the twelve months that it ends."""
    columns = _columns(members)
    months = columns[2]
    flows = _SET_FLOWS[columns[1]]
    periods = (
        QUARTERS + months // 3,
        _year_of(months),
        FISCAL_YEARS + months // 12,
        ROLLING + months,
        ROLLING + months + 12,
    )
    columns = _also(columns, flows, periods)
    columns[3][len(columns[3]) - np.count_nonzero(flows) :] *= -1  # with the last of them twelve months have passed
    return columns


def _year_of(months: Integers) -> Integers:
    """The codes of their academic years."""
    return YEARS + (months - SEPTEMBER) // 12


def _also(
    columns: tuple[Integers, ...], chosen: "np.ndarray[Any, Any]", periods: Sequence[Integers]
) -> tuple[Integers, ...]:
    """The amounts, the `chosen` ones in these periods beside their months."""
    if not chosen.any():
        return columns
    found = [np.concatenate((each, np.tile(each[chosen], len(periods)))) for each in columns]
    found[2] = np.concatenate((columns[2], *(each[chosen] for each in periods)))
    return tuple(found)


def _columns(flat: list[int]) -> tuple[Integers, ...]:
    return tuple(np.array(flat, dtype=np.int64).reshape(-1, 5).T)
