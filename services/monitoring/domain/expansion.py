"""How contributions of an institution reach the places above it: linear maps from contributions to cells.

A cell is (place, measure, period code). Membership in the territory is dated: a flow counts in the district of its
month, a stock leaves the old district and enters the new one in the month of the move.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping

from services.monitoring.domain.measures import MEASURES, Kind
from services.monitoring.domain.parts import Contributions, difference, turning
from services.monitoring.domain.periods import ROLLING, codes_of, nested_codes_of

Chain = tuple[int, ...]
"""The places above an institution, from its district to the nation; empty while its district isn't known."""
Cells = dict[tuple[int, int, int], int]
"""Amounts by (place, measure, period code)."""
Presence = dict[tuple[int, int], int]
"""Changes of a distinct count by (place, period code)."""
References = Mapping[tuple[int, int], int]
"""How often a member is referred to, by (institution, month)."""


class Membership:
    """The chains an institution belongs to over time; before the first month it belongs to the first chain."""

    __slots__ = ("chains", "months")

    def __init__(self, chains: Iterable[tuple[int, Chain]]) -> None:
        """`chains`: (month from which on, chain) in any order; of several in one month the last given wins."""
        by_month = dict(chains)
        self.months: list[int] = sorted(by_month)
        self.chains: list[Chain] = [by_month[month] for month in self.months]

    def at(self, month: int) -> Chain:
        """The chain in force at the end of the month."""
        if not self.chains:
            return ()
        return self.chains[max(bisect_right(self.months, month) - 1, 0)]

    def stock(self, month: int) -> list[tuple[int, int, int]]:
        """Where a lasting amount that begins in `month` is found above: (place, month, +1 or -1)."""
        if not self.chains:
            return []
        index = max(bisect_right(self.months, month) - 1, 0)
        chain = self.chains[index]
        found = [(place, month, 1) for place in chain]
        for since, after in zip(self.months[index + 1 :], self.chains[index + 1 :], strict=True):
            found += [(place, since, -1) for place in chain if place not in after]
            found += [(place, since, 1) for place in after if place not in chain]
            chain = after
        return found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Membership) and (self.months, self.chains) == (other.months, other.chains)

    __hash__ = None  # type: ignore[assignment]  # mutable lists inside; never a key

    @property
    def chain(self) -> Chain | None:
        """The only chain there ever was; None where the institution moved."""
        if len(self.chains) > 1:
            return None
        return self.chains[0] if self.chains else ()

    @property
    def places(self) -> set[int]:
        """Every place the institution was ever below."""
        return {place for chain in self.chains for place in chain}


def expand(amounts: Contributions, institution: int, membership: Membership) -> Cells:
    """The cells of additive contributions, for the institution and everything above it; sets are left to `presence`."""
    cells: Cells = {}

    def add(place: int, code: int, period: int, amount: int) -> None:
        key = (place, code, period)
        cells[key] = cells.get(key, 0) + amount

    for (code, month, _), amount in amounts.items():
        measure = MEASURES[code]
        if measure.kind is Kind.STOCK:
            add(institution, code, month, amount)
            for place, at, sign in membership.stock(month):
                add(place, code, at, sign * amount)
        elif measure.kind is Kind.FLOW:
            for period in nested_codes_of(month) if measure.stepped else (month,):
                for place in (institution, *membership.at(month)):
                    add(place, code, period, amount)
    return cells


def presence(kind: Kind, references: References, membership_of: Callable[[int], Membership]) -> Presence:
    """The cells of one member of a set: where and when it is present at least once.

    set_flow: 1 per place and period (month, quarter, academic and fiscal year) with a positive sum of references, and
    of rolling months +1 at the first end of twelve months with one, -1 at the first end without;
    set_stock: +1 in the month where the running sum of a place becomes positive, -1 where it ceases to be.
    """
    return (_present_in if kind is Kind.SET_FLOW else _present_from)(references, membership_of)


def presence_alone(kind: Kind, months: Mapping[int, int]) -> dict[int, int]:
    """As `presence`, at one place alone: changes by period code, of references by month."""
    if kind is not Kind.SET_FLOW:
        return _present_since(months)
    found: dict[int, int] = {}
    sums: dict[int, int] = {}
    until = None
    for month in sorted(months):
        amount = months[month]
        for period in codes_of(month):
            sums[period] = sums.get(period, 0) + amount
        if amount <= 0:
            continue
        if until is None or month > until:
            found[ROLLING + month] = 1
            if until is not None:
                found[ROLLING + until] = -1
        until = month + 12
    if until is not None:
        found[ROLLING + until] = -1
    for period, amount in sums.items():
        if amount > 0:
            found[period] = 1
    return found


def presence_moved(
    kind: Kind, was: Mapping[int, int], now: Mapping[int, int], touched: Iterable[int]
) -> dict[int, int]:
    """What turns the `presence_alone` of `was` into that of `now`, which differ in no months but the `touched`.

    Of flows nothing changes anywhere while no reference appears or vanishes in a month, unless some count against
    others (an own word that says no), in whatever month of the same year; where something does, years and twelve months
    with that month in them see no month that is farther away.
    """
    if kind is Kind.SET_FLOW:
        turned = list(touched)
        if min(was.values(), default=0) >= 0 and min(now.values(), default=0) >= 0:
            turned = [month for month in turned if (was.get(month, 0) > 0) is not (now.get(month, 0) > 0)]
        if not turned:
            return {}
        if len(was) > _MANY_MONTHS:
            was, now = _near(was, turned), _near(now, turned)
    return difference(presence_alone(kind, now), presence_alone(kind, was))


_MANY_MONTHS = 36


def _near(months: Mapping[int, int], turned: Iterable[int]) -> dict[int, int]:
    near = {month for at in turned for month in range(at - 12, at + 13)}
    return {month: months[month] for month in near if month in months}


def _present_since(series: Mapping[int, int]) -> dict[int, int]:
    return {month: -1 if number % 2 else 1 for number, month in enumerate(turning(series.items()))}


def _present_in(references: References, membership_of: Callable[[int], Membership]) -> Presence:
    sums: dict[int, dict[int, int]] = {}
    periods: Presence = {}
    for (institution, month), amount in references.items():
        codes = codes_of(month)
        for place in (institution, *membership_of(institution).at(month)):
            own = sums.setdefault(place, {})
            own[month] = own.get(month, 0) + amount
            for period in codes:
                periods[place, period] = periods.get((place, period), 0) + amount
    found: Presence = {key: 1 for key, amount in periods.items() if amount > 0}
    for place, by_month in sums.items():
        until = None
        for month in sorted(month for month, amount in by_month.items() if amount > 0):
            if until is None or month > until:
                found[place, ROLLING + month] = 1
                if until is not None:
                    found[place, ROLLING + until] = -1
            until = month + 12
        if until is not None:
            found[place, ROLLING + until] = -1
    return found


def _present_from(references: References, membership_of: Callable[[int], Membership]) -> Presence:
    changes: dict[int, dict[int, int]] = {}
    for (institution, month), amount in references.items():
        own = changes.setdefault(institution, {})
        own[month] = own.get(month, 0) + amount
        for place, at, sign in membership_of(institution).stock(month):
            series = changes.setdefault(place, {})
            series[at] = series.get(at, 0) + sign * amount
    return {
        (place, month): change for place, series in changes.items() for month, change in _present_since(series).items()
    }
