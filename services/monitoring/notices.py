"""What is told to those who watch, over PostgreSQL's NOTIFY: where something changed, and which rows of cells."""

import json
from collections.abc import Collection

from services.monitoring.domain.territory import Image, Level

CHANNEL = "hamkor_changes"
MAX_PAYLOAD_BYTES = 7900


def notice(image: Image, places: Collection[int], slots: Collection[int], as_of: int) -> str:
    """The payload: ids of places, slots, time of the latest event; of too many places to name, the upper ones."""
    ordered = sorted(places, key=lambda place: (image.places[place].level, place))
    text = _payload(ordered, slots, as_of)
    if len(text) <= MAX_PAYLOAD_BYTES:
        return text
    upper = [place for place in ordered if image.places[place].level is not Level.INSTITUTION]
    return _payload(upper, slots, as_of, more=True)


def _payload(places: Collection[int], slots: Collection[int], as_of: int, **more: bool) -> str:
    return json.dumps({"places": places, "slots": sorted(slots), "as_of": as_of, **more}, separators=(",", ":"))
