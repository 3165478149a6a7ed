"""A service's own log as one of the sources it listens to: what it told need not come back to it through Kafka."""

from shared.contracts.events import Event
from shared.messaging.feed import PAGE
from shared.messaging.stream import behind, event_of_row, read_events, read_heads
from shared.persistence.engine import raw_connection
from shared.persistence.unit_of_work import Database
from shared.scope import SYSTEM

SHARD_EVENTS = 200
SHARD_BYTES = 500_000

_NEXT = behind("select shard, position as reached from inbox where source = $3")


class OwnLog:
    """Reads the log where it lies; answers as the feeds of other services do (shared.messaging.feed.Source)."""

    def __init__(self, database: Database) -> None:
        self.source = database.service
        self._database = database

    async def heads(self) -> list[int]:
        """The last position of every shard, indexed by shard."""
        async with self._database.reading(SYSTEM) as session:
            return await read_heads(session)

    async def events(self, shard: int, after: int, limit: int = PAGE) -> list[Event]:
        """Up to `limit` events of `shard` behind `after`, in order."""
        async with self._database.reading(SYSTEM) as session:
            return await read_events(session, self.source, shard, after, limit)

    async def next(self) -> tuple[list[Event], dict[int, int]]:
        """What the inbox has not applied yet, of each shard some, in order; and how many wait in these shards."""
        async with self._database.reading(SYSTEM) as session:
            rows = await (await raw_connection(session)).fetch(_NEXT, SHARD_EVENTS, SHARD_BYTES, self.source)
        lags = {row["shard"]: row["head"] - row["reached"] for row in rows}
        return [event_of_row(self.source, row) for row in rows], lags
