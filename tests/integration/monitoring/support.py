"""Workers on a real PostgreSQL without Kafka in front, and what the cells hold afterwards."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import asyncpg

from services.monitoring import LISTENS_TO
from services.monitoring.commands import Applier
from services.monitoring.domain.measures import MEASURES
from services.monitoring.domain.periods import key_of
from services.monitoring.domain.readings import decode
from services.monitoring.domain.territory import Image
from services.monitoring.generation import state
from services.monitoring.recompute.country import Country
from services.monitoring.recompute.parts import Values, recompute
from services.monitoring.subscribers import Indicators
from services.monitoring.suppression.release import NOBODY, Releaser, hide_fallen, release_some
from services.monitoring.suppression.tables import LOCK, Unit
from shared.contracts.events import Event
from shared.contracts.reporting import SubmissionState
from shared.messaging.inbox import Inbox
from shared.persistence.engine import dsn_of, make_engine, raw_connection
from shared.persistence.unit_of_work import Database
from tests.support.engines import TestDatabase, a_broker
from tests.support.monitoring import Story, cells_by_name, differing
from tests.support.services import Neighbourhood, Running, environment_of, eventually

K = 10


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
        return [(MEASURES[measure].name, code, key_of(period), value) for measure, code, period, value in rows]


class Worker:
    """One process's part: an applier and its connection."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.apply = Applier(K)
        self._releaser, self._image = Releaser(K), Image()

    async def take(self, events: Iterable[Event], *, fail: bool = False, release: bool = True) -> None:
        """One batch in one transaction, which fails at its end if asked to; then what it counted is released."""
        async with self.connection.transaction():
            await self.connection.execute("select set_config('app.scope', 'all', true)")
            await self.apply(self.connection, [(event, decode(event)) for event in events])
            if fail:
                raise PowerFailure
        self.apply.committed()
        left = int(release)
        while left:
            async with self.connection.transaction():
                await self.connection.execute("select set_config('app.scope', 'all', true)")
                left = await release_some(self.connection, self._releaser, self._image)

    async def sweep(self) -> bool:
        """The day's end: what has fallen below k is hidden; whether anything was shown."""
        after: Unit | None = NOBODY
        looks = 0
        while after is not None:
            async with self.connection.transaction():
                await self.connection.execute("select set_config('app.scope', 'all', true)")
                after = await hide_fallen(self.connection, self._releaser, self._image, after)
            looks += 1
        return looks > 1


def compared(cells: Sequence[tuple[str, str, str, int]], country: Country) -> tuple[Values, Values]:
    """The cells' amounts and the recomputed ones."""
    return cells_by_name(cells), recompute(country)


@asynccontextmanager
async def alone(postgres: Any, issuer: Any, http: Any, folder: Path) -> AsyncIterator[tuple[Running, str]]:
    """The service with a broker of its own (in `folder`) and an inbox that is ready; and its database's address."""
    database = await postgres.database("monitoring")
    async with a_broker(folder) as broker:
        environment = environment_of(issuer.url, {"monitoring": database.url}, broker.setting, True)
        async with Neighbourhood(issuer, environment, http).service("monitoring") as running:
            await running.app.state.inbox.prepare()
            yield running, database.url


async def tell(running: Running, events: Iterable[Event]) -> None:
    """Deliver events that are all new."""
    by_source: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_source[event.source].append(event)
    # One transaction a source, and nothing is released in between: what is shown in the end would depend on where that
    # happens to be, and who knows when may conclude more than others.
    inbox = running.app.state.inbox
    inbox = Inbox(inbox._database, inbox._projection, inbox._feeds)
    async with inbox._database.unit_of_work() as uow:
        await (await raw_connection(uow.session)).execute("select pg_advisory_xact_lock($1)", LOCK)
        # Monitoring's own first: a few seconds later the service tells of reports it opens by itself.
        for source, waiting in sorted(by_source.items(), key=lambda each: each[0] != "monitoring"):
            assert await inbox.deliver(source, waiting) == len(waiting)
    while await running.app.state.releasing.catch_up():
        continue  # what was counted is released by a job of its own, which may be at it too


class Live:
    """The live generation, fed through the inbox, whose positions a rebuild follows."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.database = Database("monitoring", make_engine(bench.database.url, application="test"))
        feeds: dict[str, Any] = dict.fromkeys(LISTENS_TO)
        self.inbox = Inbox(self.database, Indicators(Applier(K)), feeds, [Indicators(Applier(K))])

    async def take(self, events: list[Event]) -> None:
        for source in LISTENS_TO:
            await self.inbox.deliver(source, [event for event in events if event.source == source])

    async def rebuilding(self) -> bool:
        connection = await self.bench.connection()
        return await state(connection) is not None

    async def spoil(self) -> None:
        """Damage the live generation's numbers: only a real recomputation brings them back."""
        await self.bench.rows("update cell set v0 = v0 + 1, v1 = v1 - 7")
        await self.bench.rows("update aggregate set contributions = '\\x80' where kind = 4")

    async def proven(self, story: Story) -> None:
        values, proof = compared(await self.bench.cells(), story.country)
        assert not differing(values, proof)


async def reports_counted(url: str, story: Story) -> tuple[set[str], Values, Values]:
    """Types of what the service told of reports, its values by name, and those recomputed from the story with that."""
    connection = await asyncpg.connect(dsn_of(url))
    try:
        await connection.execute("select set_config('app.scope', 'all', false)")

        async def caught_up() -> bool:
            heads = await connection.fetchval("select sum(position) from stream_head")
            applied = await connection.fetchval("select sum(position) from inbox where source = 'monitoring'")
            return bool(heads == applied)

        await eventually(caught_up, "the service has heard what it told")
        rows = await connection.fetch(
            "select data, type from event where type like 'hamkor.monitoring.submission.%' order by shard, position"
        )
        cells = await connection.fetch(
            "select p.code, c.measure, c.period, c.value from cell_value c join place p on p.id = c.place"
        )
    finally:
        await connection.close()
    for row in rows:
        story.country.keep(SubmissionState.model_validate_json(row["data"]))
    live = [(MEASURES[measure].name, code, key_of(period), amount) for code, measure, period, amount in cells if amount]
    return {row["type"] for row in rows}, cells_by_name(live), recompute(story.country)
