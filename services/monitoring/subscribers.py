"""Events in, indicators out: monitoring's projection of everything the other services tell."""

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import event as orm_events

from services.monitoring.commands import Applier
from services.monitoring.domain.readings import Reading, decode
from shared.contracts.events import Event
from shared.persistence.engine import raw_connection
from shared.persistence.unit_of_work import UnitOfWork
from shared.telemetry.metrics import FRESHNESS, observe_all

LANES = 1
"""Batches at a time. Two are exact as well, but no faster: they wait for each other's hot cells and members."""


class Indicators:
    """The projection (shared.messaging.inbox.Projection)."""

    lanes = LANES

    def __init__(self, applier: Applier) -> None:
        self._first = applier
        self._idle = [applier]

    def decode(self, event: Event) -> Reading:
        """What is read of the event; raises Unreadable, a ValueError, where it breaks its contract."""
        return decode(event)

    async def apply(self, uow: UnitOfWork, batch: Sequence[tuple[Event, Any]]) -> None:
        """Bring the batch into effect; how fresh it was is measured when it has become visible.

        Whoever applied a batch that was not committed after all is not used again: it knows too much.
        """
        applier = self._idle.pop() if self._idle else self._first.another()
        await applier(await raw_connection(uow.session), batch)

        def visible(_: Any) -> None:
            applier.committed()
            self._idle.append(applier)
            now = time.time()
            observe_all(FRESHNESS, [max(0.0, now - event.time.timestamp()) for event, _reading in batch])

        orm_events.listen(uow.session.sync_session, "after_commit", visible, once=True)
