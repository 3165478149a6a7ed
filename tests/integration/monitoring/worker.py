"""A worker of monitoring as a process of its own, to be killed; arguments: database URL, Kafka, file of events."""

import asyncio
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import msgspec

from services.monitoring import LISTENS_TO
from services.monitoring.commands import Applier
from services.monitoring.subscribers import Indicators
from shared.contracts.events import Event
from shared.ids import SHARDS
from shared.messaging.consumer import Consumer, ConsumerSettings
from shared.messaging.inbox import Inbox
from shared.messaging.kafka import KafkaAddress
from shared.persistence.engine import make_engine
from shared.persistence.unit_of_work import Database
from shared.telemetry.progress import Progress
from tests.integration.monitoring.support import K

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Event]).decode


def keep(file: Path, events: list[Event]) -> None:
    """Make these events the sources' logs."""
    whole = file.with_suffix(".new")
    whole.write_bytes(_encode(events))
    whole.replace(file)


class FileFeed:
    """A source's log in a file, read anew at every look."""

    def __init__(self, source: str, file: Path) -> None:
        self.source = source
        self._file = file

    async def heads(self) -> list[int]:
        """The last position of every shard."""
        heads = [0] * SHARDS
        for event in self._events():
            heads[event.shard] = max(heads[event.shard], event.position)
        return heads

    async def events(self, shard: int, after: int, limit: int = 1000) -> list[Event]:
        """Events of a shard behind a position."""
        found = [event for event in self._events() if event.shard == shard and event.position > after]
        return sorted(found, key=lambda event: event.position)[:limit]

    def _events(self) -> list[Event]:
        return [event for event in _decode(self._file.read_bytes()) if event.source == self.source]


async def main(database_url: str, kafka: str, file: str) -> None:
    """Work until killed."""
    database = Database("monitoring", make_engine(database_url, application="worker"))
    feeds: dict[str, Any] = {source: FileFeed(source, Path(file)) for source in LISTENS_TO}
    inbox = Inbox(database, Indicators(Applier(K)), feeds)
    settings = ConsumerSettings(max_records=50)  # small batches, so that a kill falls between and into many of them
    await Consumer(inbox, feeds, KafkaAddress(kafka), Progress(), settings).run()


def heads_of(events: list[Event]) -> dict[tuple[str, int], int]:
    """The last position by source and shard."""
    heads: dict[tuple[str, int], int] = defaultdict(int)
    for event in events:
        heads[event.source, event.shard] = max(heads[event.source, event.shard], event.position)
    return dict(heads)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
