"""HTTP routes of monitoring, a module a room; what may be done by whom stands in the rooms' PERMISSIONS.

A room's router stands on `ground.Grounded`: the directory of places, the catalogue, the clock, the limit of privacy.
"""

from services.monitoring.api import (
    advice,
    changed,
    comparison,
    composition,
    exports,
    indicators,
    machinery,
    outputs,
    publications,
    submissions,
    targets,
    values,
)
from shared.scope import Role

ROOMS = (
    indicators,
    exports,
    values,
    comparison,
    composition,
    targets,
    changed,
    submissions,
    publications,
    advice,
    outputs,
    machinery,
)
PERMISSIONS: dict[str, frozenset[Role]] = {}
for _room in ROOMS:
    if _twice := PERMISSIONS.keys() & _room.PERMISSIONS.keys():
        raise ValueError(f"{_room.__name__} declares again: {sorted(_twice)}")
    PERMISSIONS |= _room.PERMISSIONS
ROUTERS = tuple(room.router for room in ROOMS)
