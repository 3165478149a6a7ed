"""Who is compared with whom: places of like kind and about the same size – for recommendations and comparison alike."""

from collections.abc import Iterable, Sequence
from math import log2
from typing import Any, Final

from services.monitoring import queries
from services.monitoring.domain.definitions import INDICATORS
from services.monitoring.domain.periods import PeriodKind, period_at
from services.monitoring.domain.territory import Level, Place

Group = tuple[str, int]
"""An institution's kind (of a unit none), and the power of two next to its size; of an unknown size -1."""
Wider = tuple[str, int | None]

LEAST: Final = 10
"""Peers from which on a group says anything."""


async def groups(connection: Any, places: Sequence[Place], this_month: int, k: int) -> dict[int, Group]:
    """Of what kind and of about what size places are, by their ids: sizes of a group differ at most by half and double.

    An institution's size are its places of this or the last academic year, a unit's the institutions below it.
    """
    sizes: dict[int, int] = {}
    institutions = bool(places) and places[0].level is Level.INSTITUTION
    asked = (
        [(INDICATORS["I2"], period_at(PeriodKind.ACADEMIC_YEAR, month)) for month in (this_month - 12, this_month)]
        if institutions
        else [(INDICATORS["I5"], period_at(PeriodKind.MONTH, this_month))]
    )
    for indicator, period in asked:
        found = await queries.values(connection, indicator, places, period, this_month, k, parts=False)
        sizes |= {each.place.id: each.value.denominator for each in found if each.value.denominator}
    return {place.id: (place.kind, round(log2(sizes[place.id])) if place.id in sizes else -1) for place in places}


def widening(group: Group) -> tuple[Wider, Wider]:
    """The groups a place may be compared in: of like kind and size, else of like kind whatever the size."""
    return group, (group[0], None)


def few(count: int, least: int = LEAST) -> bool:
    """Whether so many of a group, where the rest is known, could be told from the group's figures."""
    return 0 < count < least


def members(
    group: Group, of: Iterable[tuple[int, Group]], *apart: frozenset[int], least: int = LEAST
) -> tuple[Wider | None, list[int]]:
    """The closest group of at least so many of those given (ids), and who is in it; None where there is none.

    Of each set of places `apart` – those that whoever asks does not see, or may ask to be left out – as many or none:
    fewer could be told from the group's figures by what is known of the rest.
    """
    every = list(of)
    for wider in widening(group):
        found = [id_ for id_, other in every if wider in widening(other)]
        if len(found) >= least and not any(few(len(places.intersection(found)), least) for places in apart):
            return wider, found
    return None, []
