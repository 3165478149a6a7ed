"""The one use case of monitoring's writing side: a batch of events takes effect."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import structlog

from services.monitoring.comparison import enterprises
from services.monitoring.domain.measures import COLUMNS, MEASURES, STEPPED_SLOTS, UNSEEN
from services.monitoring.domain.persons import PERSON_SLOTS
from services.monitoring.domain.readings import Institution, Owned
from services.monitoring.domain.territory import Image
from services.monitoring.domain.totals import Rows
from services.monitoring.engine import Key, NotNew, Read, Stored, Touched, apply, tells_of_places
from services.monitoring.notices import CHANNEL, Told, notices
from services.monitoring.suppression.tables import Unit, note, units_of
from services.monitoring.tables import Tables

log = structlog.get_logger(__name__)

_SEEN = np.zeros((max(measure.slot for measure in MEASURES.values()) + 1, COLUMNS), dtype=bool)
"""What may be seen to move whenever it does: of the rest only what is released."""
for _measure in MEASURES.values():
    _SEEN[_measure.slot, _measure.column] = (
        _measure.slot not in STEPPED_SLOTS | PERSON_SLOTS and _measure.code not in UNSEEN
    )


class _Logging(Tables):
    """Tables that write all else before members and cells: what other workers want too is locked last, and shortly."""

    def __init__(self, connection: Any, image: Image, types: dict[str, int], batch: Sequence[Read]) -> None:
        super().__init__(connection, image, types)
        self._batch = batch
        self.counted: set[Unit] = set()
        """Where persons were counted."""

    async def save(self, created: Mapping[Key, Stored], changed: Mapping[Key, Stored]) -> None:
        """Store the aggregates, and log the events."""
        await super().save(created, changed)
        ids = self._image.ids
        await self.log(
            (event, ids[state.institution_id] if isinstance(state, Owned) else _own_place(ids, state))
            for event, state in self._batch
        )
        if len(self._batch) == 1:
            await self.note_late(self._batch[0][0])
        await enterprises.note(self._connection, (state for _, state in self._batch))

    async def add(self, rows: Rows) -> None:
        """Add to the cells, and leave the counts of persons among them to be released."""
        units = units_of(rows) - self.counted
        await note(self._connection, units)
        self.counted |= units
        await super().add(rows)


class Applier:
    """Lets batches take effect, one at a time, keeping from one to the next what it knows of the territory.

    `k`: a survey's values are shown in steps of this many responses. `counted` is called when persons were counted, who
    are released afterwards.
    """

    def __init__(self, k: int, counted: Callable[[], None] = lambda: None) -> None:
        self._k = k
        self._counted = counted
        self._waits = False
        self._image = Image()
        self._types: dict[str, int] = {}
        self._trusted = True

    async def __call__(self, connection: Any, batch: Sequence[Read]) -> None:
        """Apply the batch inside the connection's transaction, whose scope is "all"; call `committed` after it."""
        self._doubt()
        tables = await self._tables(connection, batch)
        try:
            touched = await apply(tables, batch)
        except NotNew:
            await tables.undo()
            self._doubt()
            tables = await self._tables(connection, batch)
            touched = await apply(tables, batch, careful=True)
        released = await tables.release(touched.rows, self._k)
        self._waits = bool(tables.counted)
        await tables.end(CHANNEL, notices(self._image, _told(touched, released)))

    async def _tables(self, connection: Any, batch: Sequence[Read]) -> _Logging:
        tables = _Logging(connection, self._image, self._types, batch)
        await tables.take_shards((event for event, _ in batch), territory=not tells_of_places(batch))
        return tables

    def _doubt(self) -> None:
        """From here on nothing that is learnt is true until it is committed; what never was is forgotten."""
        if not self._trusted:
            self._image, self._types = Image(), {}
        self._trusted = False

    def committed(self) -> None:
        """The last batch's transaction was committed: what was learnt in it is true."""
        self._trusted = True
        if self._waits:
            self._counted()


def _told(touched: Touched, released: set[tuple[int, int]]) -> Told:
    """What changed of that which may be seen, for those who watch."""
    rows = touched.rows
    moved = np.stack(rows.amounts, axis=1) != 0
    seen = (moved & _SEEN[rows.slots]).any(axis=1)
    if released:
        pairs = np.array([place << 16 | slot for place, slot in released])
        seen |= np.isin(rows.places << 16 | rows.slots, pairs)
    return Told(rows.places[seen], rows.slots[seen], rows.as_of[seen])


def _own_place(ids: dict[str, int], state: Any) -> int | None:
    return ids[state.id] if isinstance(state, Institution) else None
