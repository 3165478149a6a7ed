"""What is told to those who watch, over PostgreSQL's NOTIFY: which rows of cells changed at which places.

Each place goes with its own rows and its own time: who watches one must not learn what moved at others, only because
one transaction moved both.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec
import numpy as np

from services.monitoring.domain.territory import Image, Integers, Level

CHANNEL = "hamkor_changes"
MAX_PAYLOAD_BYTES = 7900
MOST_PAYLOADS = 8
"""A transaction's at most; where institutions would take more of them, only the places above are named."""


MOST_PLACES = 2_000
"""Of a transaction that can be named, however much alike they moved."""


class Move(msgspec.Struct, frozen=True, array_like=True):
    """Places at which the same rows of cells changed: the time of the latest event behind it, slots, ids of places."""

    as_of: int
    slots: list[int]
    places: list[int]


class Notice(msgspec.Struct, frozen=True, omit_defaults=True):
    """One payload; `more`: beside these, institutions moved that are too many to name."""

    moves: list[Move]
    more: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """Rows of cells that may be seen to have changed: equally long columns."""

    places: Integers
    slots: Integers
    as_of: Integers

    def __len__(self) -> int:
        return len(self.places)

    @classmethod
    def of(cls, times: Mapping[tuple[int, int], int]) -> "Told":
        """From the time of each (place, slot)."""
        pairs = np.array(list(times), dtype=np.int64).reshape(-1, 2)
        return cls(pairs[:, 0], pairs[:, 1], np.fromiter(times.values(), dtype=np.int64, count=len(times)))

    def above(self, image: Image) -> "Told":
        """Without institutions."""
        upper = image.depths(self.places) < Level.INSTITUTION
        return Told(self.places[upper], self.slots[upper], self.as_of[upper])


decode = msgspec.json.Decoder(Notice).decode
"""A payload as it was heard."""


def notices(image: Image, told: Told) -> list[str]:
    """The payloads, none where nothing is told; of too many institutions to name only the places above."""
    if not len(told):
        return []
    # Of a backlog's batch it is clear from the outset: naming all would take as long as some of the counting.
    if len(np.unique(told.places)) <= MOST_PLACES:
        payloads = _payloads(told, more=False)
        if len(payloads) <= MOST_PAYLOADS:
            return payloads
    return _payloads(told.above(image), more=True)


def everything(told: Told) -> list[str]:
    """The payloads where every institution may have moved beside what is told."""
    return _payloads(told, more=True)


def _payloads(told: Told, *, more: bool) -> list[str]:
    empty = len(_encode(Notice([], more)))
    parts: list[list[Move]] = [[]]
    size = empty
    for move in _moves(told) if len(told) else ():
        for piece in _pieces(move):
            length = len(_encode(piece)) + 1
            if size + length > MAX_PAYLOAD_BYTES:
                parts.append([])
                size = empty
            parts[-1].append(piece)
            size += length
    return [_encode(Notice(part, more)).decode() for part in parts]


def _moves(told: Told) -> list[Move]:
    """The places by what changed there and when: a chain of places is often moved by one event."""
    order = np.lexsort((told.slots, told.places))
    places, slots, as_of = told.places[order], told.slots[order], told.as_of[order]
    starts = np.flatnonzero(np.concatenate(([True], places[1:] != places[:-1])))
    latest = np.maximum.reduceat(as_of, starts).tolist()
    alike: dict[tuple[int, tuple[int, ...]], list[int]] = {}
    bounds = [*starts.tolist(), len(places)]
    named, rows = places[starts].tolist(), slots.tolist()
    for place, time, first, end in zip(named, latest, bounds, bounds[1:], strict=False):
        alike.setdefault((time, tuple(dict.fromkeys(rows[first:end]))), []).append(place)
    return [Move(time, list(moved), at) for (time, moved), at in alike.items()]


MOST_NAMED = 500
"""Places of one move at most in one payload."""


def _pieces(move: Move) -> Iterator[Move]:
    for first in range(0, len(move.places), MOST_NAMED):
        yield Move(move.as_of, move.slots, move.places[first : first + MOST_NAMED])


_encode = msgspec.json.Encoder().encode
