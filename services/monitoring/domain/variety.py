"""Which forms of cooperation are alive in an institution: the derived aggregate behind I5.

A form is alive at the end of a month when an agreement of that form is active then and an activity of that form was
held in the twelve months up to it. That it lapses when no activity follows needs no event: the lapse is dated ahead.
"""

from collections.abc import Mapping
from itertools import zip_longest

from services.monitoring.domain.measures import (
    CATALOGUE_FORMS,
    FORM_ACTIVE,
    FORM_ACTIVITIES,
    FORM_ALIVE,
    THREE_FORMS,
)
from services.monitoring.domain.parts import Contributions, summed, turning

WINDOW = 12
"""Months in which at least one activity must lie, the present one included."""
ENOUGH = 3
"""Forms from which on an institution's cooperation is called varied."""

Own = Mapping[tuple[int, int], int]
"""The institution's own cells by (measure, month), of `INPUTS` alone."""
INPUTS = frozenset(
    [FORM_ACTIVE[form] for form in CATALOGUE_FORMS] + [FORM_ACTIVITIES[form] for form in CATALOGUE_FORMS]
)
"""The measures of which variety is a function."""
HELD = frozenset(FORM_ACTIVITIES[form] for form in CATALOGUE_FORMS)
"""Of these it is one of where there are any."""


def variety(own: Own) -> Contributions:
    """The contributions of the institution with these cells: each form alive, and three of them or more."""
    found: list[tuple[int, int, str | None, int]] = []
    count: dict[int, int] = {}
    by_measure: dict[int, dict[int, int]] = {}
    for (measure, month), amount in own.items():
        by_measure.setdefault(measure, {})[month] = amount
    for form in CATALOGUE_FORMS:
        active = by_measure.get(FORM_ACTIVE[form])
        held = by_measure.get(FORM_ACTIVITIES[form])
        if active and held:
            for month, change in _alive(active, held):
                found.append((FORM_ALIVE[form], month, None, change))
                count[month] = count.get(month, 0) + change
    for number, month in enumerate(turning(count.items(), ENOUGH)):
        found.append((THREE_FORMS, month, None, -1 if number % 2 else 1))
    return summed(found)


def _alive(active: Mapping[int, int], held: Mapping[int, int]) -> list[tuple[int, int]]:
    """(month, +1 or -1) where the form begins and ceases to be alive."""
    found: list[tuple[int, int]] = []
    lively = _lively(held)
    turns = turning(active.items())
    for since, until in zip_longest(turns[::2], turns[1::2]):
        for begins, ends in lively:
            first = max(since, begins)
            last = ends if until is None else min(until, ends)
            if first < last:
                found += [(first, 1), (last, -1)]
    return found


def _lively(held: Mapping[int, int]) -> list[tuple[int, int]]:
    """The spans of months (the last one excluded) in which an activity lies within the window."""
    found: list[tuple[int, int]] = []
    for month in sorted(month for month, amount in held.items() if amount > 0):
        if found and month <= found[-1][1]:
            found[-1] = found[-1][0], month + WINDOW
        else:
            found.append((month, month + WINDOW))
    return found
