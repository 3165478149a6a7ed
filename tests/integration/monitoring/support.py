"""Workers on a real PostgreSQL without Kafka in front, and what the cells hold afterwards."""

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Self

import asyncpg

from services.monitoring.commands import Applier
from services.monitoring.domain.measures import BY_NAME, MEASURES, Kind
from services.monitoring.domain.periods import month_from, text_of
from services.monitoring.domain.readings import decode
from services.monitoring.recompute import Country, Values, live_values, recompute
from shared.contracts.events import Event
from shared.persistence.engine import dsn_of
from tests.support.engines import TestDatabase

K = 10
STOCKS = (Kind.STOCK, Kind.SET_STOCK)


class PowerFailure(Exception):
    """What ends a transaction before its commit."""


class Bench:
    """A database with any number of workers on it."""

    def __init__(self, database: TestDatabase) -> None:
        self.database = database
        self._connections: list[Any] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in self._connections:
            await connection.close()

    async def connection(self) -> Any:
        """A connection of the service's role."""
        connection = await asyncpg.connect(dsn_of(self.database.url))
        self._connections.append(connection)
        return connection

    async def worker(self) -> "Worker":
        """A worker of its own."""
        return Worker(await self.connection())

    async def rows(self, query: str, *arguments: Any, scope: str = "all") -> list[Any]:
        """Rows as a scope sees them."""
        connection = await self.connection()
        async with connection.transaction():
            await connection.execute("select set_config('app.scope', $1, true)", scope)
            found: list[Any] = await connection.fetch(query, *arguments)
            return found

    async def cells(self) -> list[tuple[str, str, str, int]]:
        """Cells other than zero by measure's name, place's code and period's text."""
        rows = await self.rows(
            "select c.measure, p.code, c.period, c.value from cell_value c join place p on p.id = c.place "
            "where c.value <> 0"
        )
        return [(MEASURES[measure].name, code, text_of(period), value) for measure, code, period, value in rows]


class Worker:
    """One process's part: an applier and its connection."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.apply = Applier(K)

    async def take(self, events: Iterable[Event], *, fail: bool = False) -> None:
        """One batch in one transaction, which fails at its end if asked to."""
        async with self.connection.transaction():
            await self.connection.execute("select set_config('app.scope', 'all', true)")
            await self.apply(self.connection, [(event, decode(event)) for event in events])
            if fail:
                raise PowerFailure
        self.apply.committed()


def compared(cells: Sequence[tuple[str, str, str, int]], country: Country) -> tuple[Values, Values]:
    """The cells' values and the recomputed ones, at every month that either side speaks of."""
    months = {month_from(period) for name, _, period, _ in cells if BY_NAME[name].kind in STOCKS}
    proof = recompute(country, months)
    asked = {month_from(period) for name, _, period in proof if BY_NAME[name].kind in STOCKS} | months
    return live_values(cells, asked), proof
