"""What is read for the export: places with their dates, and their values as known now or as published."""

from collections.abc import AsyncIterator, Sequence
from datetime import date, timedelta
from typing import Any, Final

from services.monitoring import queries
from services.monitoring.directory import Directory
from services.monitoring.domain.formulas import Indicator
from services.monitoring.domain.measures import INSTITUTIONS
from services.monitoring.domain.parts import first_day
from services.monitoring.domain.periods import Period
from services.monitoring.domain.readings import Institution
from services.monitoring.domain.territory import Level, Place
from services.monitoring.outputs.dhis2.mapping import Scheme, data_values, period_of
from services.monitoring.outputs.dhis2.metadata import FOUNDED, OrgUnit
from services.monitoring.outputs.editions import figures
from services.monitoring.outputs.shapes import geometries
from services.monitoring.tables import contributions_from
from shared.contracts.reporting import Edition
from shared.scope import Principal

CHUNK: Final = 500
_REGISTER = "select place, contributions from aggregate where kind = $1 and place = any($2::integer[])"


def families(directory: Directory, root: Place, depth: int, month: int, principal: Principal) -> list[list[Place]]:
    """The place, then the places below it down to `depth` levels, siblings together."""
    found, level = [[root]], [root]
    for _ in range(depth):
        children = [directory.below(place, month, principal) for place in level if place.level < Level.INSTITUTION]
        found += [family for family in children if family]
        level = [place for family in children for place in family]
    return found


def above(directory: Directory, root: Place) -> list[Place]:
    """The units of the territory above the place, those above the caller's scope as well.

    DHIS2 takes no child without its parent, and that there is a region is known to everybody; values they have none.
    """
    units = (directory.by_code(code) for code in root.units if code != root.code)
    return [unit for unit in units if unit is not None]


async def org_units(connection: Any, places: Sequence[Place]) -> list[OrgUnit]:
    """The places with their dates and shapes; parents stand before their children, as DHIS2 wants it."""
    schools = [place.id for place in places if place.level is Level.INSTITUTION]
    dates: dict[int, tuple[date, date | None]] = {}
    for start in range(0, len(schools), CHUNK):
        for row in await connection.fetch(_REGISTER, Institution.kind, schools[start : start + CHUNK]):
            months = {
                amount: month
                for (measure, month, _), amount in contributions_from(row["contributions"]).items()
                if measure == INSTITUTIONS
            }
            if 1 in months:
                closed = first_day(months[-1]) - timedelta(days=1) if -1 in months else None
                dates[row["place"]] = first_day(months[1]), closed
    return [
        OrgUnit(place, *dates.get(place.id, (_opened(place), None)), geometry=geometries().get(place.code))
        for place in places
    ]


def _opened(place: Place) -> date:
    return min((since for _, since in place.memberships), default=FOUNDED)


async def values(
    connection: Any,
    indicators: Sequence[Indicator],
    families_: Sequence[Sequence[Place]],
    period: Period,
    this_month: int,
    k: int,
    scheme: Scheme,
    edition: Edition | None,
) -> AsyncIterator[list[dict[str, Any]]]:
    """Data values, some places at a time; of an `edition`, those it froze."""
    written = period_of(period)
    for family in families_:
        made: list[dict[str, Any]] = []
        frozen = await figures(connection, edition, family) if edition else {}
        for indicator in indicators:
            if edition is None:
                found = await queries.values(connection, indicator, family, period, this_month, k)
                known = [(each.place, each.value) for each in found]
            else:
                keys = ((place, (place.id, indicator.code)) for place in family)
                known = [(place, frozen[key]) for place, key in keys if key in frozen]
            for place, value in known:
                made += data_values(indicator, place.code, written, value, scheme)
        yield made
