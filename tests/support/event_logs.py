"""Events laid straight into the services' logs, as if commands had appended them."""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping

import asyncpg

from shared.contracts.events import Event
from shared.persistence.engine import dsn_of
from tests.support.engines import TestDatabase

AT_ONCE = 20_000
_INSERT = (
    "insert into event (shard, position, id, type, key, subject, time, data) select * from unnest($1::smallint[], "
    "$2::bigint[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::bytea[])"
)


async def fill_logs(databases: Mapping[str, TestDatabase], events: Iterable[Event], *, published: bool = False) -> None:
    """Append events with dense positions to the logs of their sources; `published`: no relay sends them any more."""
    by_source: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_source[event.source].append(event)
    for source, told in by_source.items():
        connection = await asyncpg.connect(dsn_of(databases[source].url))
        try:
            async with connection.transaction():
                await connection.execute("select set_config('app.scope', 'all', true)")
                for start in range(0, len(told), AT_ONCE):
                    rows = [
                        (e.shard, e.position, uuid.UUID(e.id), e.type, e.key, e.subject, e.time, e.data)
                        for e in told[start : start + AT_ONCE]
                    ]
                    await connection.execute(_INSERT, *map(list, zip(*rows, strict=True)))
                heads = {event.shard: event.position for event in told}
                for table, column in [("stream_head", "position"), *([("relay_cursor", "published")] * published)]:
                    await connection.executemany(
                        f"update {table} set {column} = $2 where shard = $1",
                        sorted(heads.items()),
                    )
        finally:
            await connection.close()
