"""Frozen figures: every indicator at some places in a period, with the stream positions they rest on; never rewritten.

What is frozen is what was shown: a value that was withheld is frozen as withheld.
"""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from services.monitoring import LISTENS_TO, queries
from services.monitoring.directory import Directory
from services.monitoring.domain.definitions import INDICATORS
from services.monitoring.domain.formulas import Indicator
from services.monitoring.domain.periods import Period
from services.monitoring.domain.territory import Level, Place
from shared.messaging.inbox import read_positions
from shared.persistence.engine import raw_connection
from shared.persistence.unit_of_work import Database
from shared.scope import SYSTEM

CHUNK = 250
Positions = dict[str, tuple[int, ...]]
"""The applied position of every shard, by source."""
Row = tuple[int, str, float | None, int | None, int | None, float | None, bool]
"""(place, indicator, value, numerator, denominator, coverage, suppressed)."""

_STORE = """
    insert into frozen_value (frozen, place, indicator, value, numerator, denominator, coverage, suppressed)
    select $1::uuid, * from unnest($2::integer[], $3::text[], $4::float8[], $5::bigint[], $6::bigint[], $7::float8[],
        $8::boolean[])
"""
_KEEP = "insert into frozen (id, period, taken_at, positions) values ($1, $2, $3, $4::text::jsonb)"
_READ = """
    select place, indicator, value, numerator, denominator, coverage, suppressed from frozen_value
    where frozen = $1 and place = any($2::integer[]) and ($3::text is null or indicator = $3)
"""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment of the database: how far it reaches, and its connection."""

    connection: Any
    positions: Positions
    places: Sequence[Place]
    period: Period
    this_month: int
    k: int

    async def figures(self, beat: Callable[[], None] = lambda: None) -> AsyncIterator[list[Row]]:
        """Every indicator that is computed for such periods, some places at a time."""
        indicators = indicators_for(self.period)
        measures = {measure for indicator in indicators for measure in indicator.core}
        until = queries.end_of(self.period, self.this_month)
        for start in range(0, len(self.places), CHUNK):
            beat()
            places = self.places[start : start + CHUNK]
            found = await queries.amounts_at(
                self.connection, measures, [place.id for place in places], self.period, until
            )
            rows: list[Row] = []
            for place in places:
                for indicator in indicators:
                    value = queries.shown(indicator, found[place.id], place, self.k)
                    rows.append(
                        (
                            place.id,
                            indicator.code,
                            value.value,
                            value.numerator,
                            value.denominator,
                            value.coverage,
                            value.suppressed,
                        )
                    )
            yield rows


@dataclass(slots=True)
class Digest:
    """The SHA-256 of values as they come, and how many there were."""

    _hash: Any = field(default_factory=sha256)
    values: int = 0

    def add(self, codes: dict[int, str], rows: Sequence[Row]) -> None:
        """Take in rows."""
        self.values += len(rows)
        for place, *rest in rows:
            self._hash.update(json.dumps([codes[place], *rest], separators=(",", ":")).encode() + b"\n")

    @property
    def text(self) -> str:
        """The digest so far."""
        return str(self._hash.hexdigest())


def indicators_for(period: Period) -> list[Indicator]:
    """The indicators that are computed for such periods."""
    return [indicator for indicator in INDICATORS.values() if period.kind in indicator.period_kinds]


@asynccontextmanager
async def snapshot(
    database: Database, places: Sequence[Place], period: Period, this_month: int, k: int
) -> AsyncIterator[Snapshot]:
    """All reads within the block see the same moment."""
    async with database.reading(SYSTEM) as session:
        await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        positions = {source: tuple(await read_positions(session, source)) for source in LISTENS_TO}
        yield Snapshot(await raw_connection(session), positions, places, period, this_month, k)


async def store(connection: Any, freeze: str, rows: Sequence[Row]) -> None:
    """Keep figures for good."""
    await connection.execute(_STORE, UUID(freeze), *map(list, zip(*rows, strict=True)))


async def keep(connection: Any, freeze: str, period: str, at: datetime, positions: Positions) -> None:
    """Keep the moment they were taken at."""
    await connection.execute(_KEEP, UUID(freeze), period, at, json.dumps(positions))


async def read(connection: Any, freeze: str, places: Sequence[int], indicator: str | None = None) -> list[Row]:
    """The frozen figures of these places in their order, by indicator, as far as the connection's scope sees them."""
    order = {place: number for number, place in enumerate(places)}
    rows = await connection.fetch(_READ, UUID(freeze), list(places), indicator)
    return sorted((tuple(row) for row in rows), key=lambda row: (order[row[0]], row[1]))


def places_of(directory: Directory, root: Place, month: int) -> list[Place]:
    """The place and everything that was below it at the end of a month, siblings together."""
    found, level = [root], [root]
    while level:
        below = [child for place in level for child in directory.below(place, month, SYSTEM)]
        found += below
        level = [place for place in below if place.level is not Level.INSTITUTION]
    return found
