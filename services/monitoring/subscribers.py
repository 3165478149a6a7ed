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


class Indicators:
    """The projection (shared.messaging.inbox.Projection)."""

    def __init__(self, applier: Applier) -> None:
        self._apply = applier

    def decode(self, event: Event) -> Reading:
        """What is read of the event; raises Unreadable, a ValueError, where it breaks its contract."""
        return decode(event)

    async def apply(self, uow: UnitOfWork, batch: Sequence[tuple[Event, Any]]) -> None:
        """Bring the batch into effect; how fresh it was is measured when it has become visible."""
        await self._apply(await raw_connection(uow.session), batch)

        def visible(_: Any) -> None:
            self._apply.committed()
            now = time.time()
            observe_all(FRESHNESS, [max(0.0, now - event.time.timestamp()) for event, _reading in batch])

        orm_events.listen(uow.session.sync_session, "after_commit", visible, once=True)
