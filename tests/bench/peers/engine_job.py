"""Hamkor: the job's types as declarations, then monitoring's own path – consumer, inbox, engine, event log, tables.

Started once or several times, killed at any moment: each event takes effect exactly once.
"""

import asyncio
import gc
import os
from typing import Any, ClassVar

import msgspec

from services.monitoring.domain import contributions, measures, readings
from services.monitoring.domain.measures import COLUMNS, Kind
from services.monitoring.domain.parts import Contributions
from shared.contracts import events
from shared.contracts.surveys import ResponseState
from tests.bench.peers.job import TYPES, Asked

SOURCE = "surveys"
FIRST_SLOT = 100
NAMES = tuple(f"hamkor.{SOURCE}.job{number}.recorded.v1" for number in range(TYPES))


def _declare() -> None:
    """Twelve kinds of aggregates, and a slot of three measures for each."""
    for number, name in enumerate(NAMES):
        codes = measures._slot(FIRST_SLOT + number, f"job{number}", a=Kind.FLOW, b=Kind.FLOW, c=Kind.FLOW)
        reading: Any = msgspec.defstruct(
            f"Job{number}",
            [("month", int), ("a", int), ("b", int), ("c", int)],
            bases=(readings.Owned,),
            namespace={"kind": 100 + number, "__annotations__": {"kind": ClassVar[int]}},
            frozen=True,
            gc=False,
        )
        contributions._RULES[reading] = _rule(*codes)
        readings.READINGS[SOURCE, f"job{number}"] = reading
        readings._DECODERS[name] = msgspec.json.Decoder(reading).decode
        events.declare(SOURCE, f"job{number}", ResponseState, "recorded")


def _rule(a: int, b: int, c: int) -> Any:
    def rule(state: Any) -> Contributions:
        month = state.month
        return {(a, month, None): state.a, (b, month, None): state.b, (c, month, None): state.c}

    return rule


_declare()
assert COLUMNS >= 3

# Only now: what is imported here looks at the declarations.
from services.monitoring.commands import Applier  # noqa: E402
from services.monitoring.subscribers import Indicators  # noqa: E402
from shared.messaging.consumer import Consumer, ConsumerSettings  # noqa: E402
from shared.messaging.inbox import Inbox  # noqa: E402
from shared.messaging.kafka import KafkaAddress  # noqa: E402
from shared.persistence.engine import make_engine  # noqa: E402
from shared.persistence.unit_of_work import Database  # noqa: E402
from shared.telemetry.progress import Progress  # noqa: E402


def projection() -> Indicators:
    """Monitoring's own, which knows the job's types."""
    return Indicators(Applier(10))


class Log:
    """The source's feed: Kafka keeps everything here, so nobody has to ask it for events."""

    async def heads(self) -> list[int]:
        """Nothing that Kafka would not bring."""
        return [0] * 64

    async def events(self, *_: Any) -> list[Any]:
        """Never needed."""
        raise OSError("the job has no feed")


class Telling(Indicators):
    """Says when the first event is there."""

    def __init__(self, applier: Applier, asked: Asked) -> None:
        super().__init__(applier)
        self._asked = asked

    def decode(self, event: events.Event) -> Any:
        """As Indicators does."""
        self._asked.begun()
        return super().decode(event)


async def main() -> None:
    """Consume until killed."""
    gc.set_threshold(100_000, 50, 100)  # as services.monitoring.app does
    asked = Asked()
    database = Database("monitoring", make_engine(os.environ["JOB_DATABASE_URL"], application="job"))
    feeds: Any = {SOURCE: Log()}
    # Two at work at once, as services.monitoring.app has it.
    inbox = Inbox(database, Telling(Applier(10), asked), feeds, [Telling(Applier(10), asked)])
    settings = ConsumerSettings(max_records=int(os.environ.get("JOB_BATCH", "20000")))
    await Consumer(inbox, feeds, KafkaAddress(asked.kafka), Progress(), settings).run()


if __name__ == "__main__":
    asyncio.run(main())
