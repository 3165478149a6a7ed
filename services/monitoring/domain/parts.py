"""What contributions are made of, and the arithmetic of days that their rules share."""

from calendar import monthrange
from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache
from typing import TypeVar

from services.monitoring.domain.gates import EVIDENCE

Key = tuple[int, int, str | None]
"""(measure, month, member), or (evidence, day, key of the join)."""
Contributions = dict[Key, int]
"""Amounts by key; no amount is zero. A day is a date's ordinal."""
Part = tuple[int, int, str | None, int]
"""(measure, month, member, amount), or (evidence, day, key of the join, amount)."""

LAST_DAY = date.max.toordinal()


_K = TypeVar("_K")


def difference(new: dict[_K, int], old: Mapping[_K, int]) -> dict[_K, int]:
    """What must be added to turn `old` into `new`; no amount is zero in either."""
    if not old:
        return new
    changed = {key: amount - old.get(key, 0) for key, amount in new.items() if old.get(key) != amount}
    for key, amount in old.items():
        if key not in new:
            changed[key] = -amount
    return changed


def summed(parts: Iterable[Part]) -> Contributions:
    """Contributions from parts, equal keys added up, zeros left out."""
    total: Contributions = {}
    for measure, month, member, amount in parts:
        key = (measure, month, member)
        total[key] = total.get(key, 0) + amount
    return {key: amount for key, amount in total.items() if amount}


def turning(pieces: Iterable[tuple[int, int]], enough: int = 1) -> list[int]:
    """When there begins to be enough of changes by day (or month), and when there ceases to be, in turns.

    What is counted at a day is all that changes at it: there is one piece a day.
    """
    found: list[int] = []
    count, held = 0, False
    for day, amount in sorted(pieces):
        count += amount
        if (count >= enough) is not held:
            found.append(day)
            held = not held
    return found


def holds(evidence: str, since: date, until: date | int | None = None, key: str | None = None) -> list[Part]:
    """A piece of evidence from `since` up to, not including, `until` (a day or its ordinal; None: for good)."""
    code, begin = EVIDENCE[evidence], since.toordinal()
    if until is None:
        return [(code, begin, key, 1)]
    end = until if isinstance(until, int) else until.toordinal()
    if end <= begin:
        return []
    return [(code, begin, key, 1), (code, end, key, -1)]


def months_after(day: date, months: int) -> int:
    """The ordinal of the same day `months` later, or of the last day of a month that is too short."""
    month = day.year * 12 + day.month - 1 + months
    year, number = divmod(month, 12)
    if year > date.max.year:
        return LAST_DAY + 1
    return date(year, number + 1, min(day.day, monthrange(year, number + 1)[1])).toordinal()


@lru_cache(maxsize=4096)
def first_day(month: int) -> date:
    """The first day of a month; of one beyond the calendar, the calendar's end."""
    year, number = divmod(month, 12)
    if year < date.min.year:
        return date.min
    return date(year, number + 1, 1) if year <= date.max.year else date.max


def month_of_ordinal(day: int) -> int:
    """The month that an ordinal lies in; behind the last day there is, the month behind its month."""
    if day > LAST_DAY:
        return (date.max.year + 1) * 12
    at = date.fromordinal(day)
    return at.year * 12 + at.month - 1
