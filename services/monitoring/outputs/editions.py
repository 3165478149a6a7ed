"""Values of a period as they were published, where they were: the edition that covers a place, and its figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.monitoring import queries
from services.monitoring.directory import Directory
from services.monitoring.domain.periods import Period
from services.monitoring.domain.territory import Level, Place
from services.monitoring.domain.values import Value
from services.monitoring.reporting import freezes
from services.monitoring.reporting.tables import PublicationRow
from shared.contracts.reporting import Edition, PublicationState


@dataclass(frozen=True, slots=True)
class Published:
    """The last edition of a period, and the place it was published for."""

    publication: str
    by: str
    edition: Edition


async def edition_of(
    session: AsyncSession, directory: Directory, place: Place, period: Period, this_month: int
) -> Published | None:
    """The last edition of the highest office that published the period for the place; None where nobody has."""
    codes = [place.code, *(each.code for each in _above(directory, place, queries.end_of(period, this_month)))]
    query = select(PublicationRow).where(
        col(PublicationRow.period) == period.text, col(PublicationRow.place).in_(codes)
    )
    found = [PublicationState.model_validate(row.state) for row in (await session.execute(query)).scalars()]
    made = sorted((state for state in found if state.editions), key=lambda state: len(state.place))
    return Published(made[0].id, made[0].place, made[0].editions[-1]) if made else None


def _above(directory: Directory, place: Place, month: int) -> list[Place]:
    if place.level is Level.INSTITUTION:
        return directory.above(place, month)
    units = (directory.by_code(code) for code in place.units)
    return [unit for unit in units if unit is not None]


async def figures(connection: Any, edition: Edition, places: Sequence[Place]) -> dict[tuple[int, str], Value]:
    """The edition's values by place and indicator, as far as the caller sees them; without their parts."""
    rows = await freezes.read(connection, edition.figures, [place.id for place in places])
    return {
        (place, indicator): Value(value, numerator, denominator, coverage, suppressed, {})
        for place, indicator, value, numerator, denominator, coverage, suppressed in rows
    }
