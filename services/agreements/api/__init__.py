"""HTTP routes of agreements, a module a room; what may be done by whom stands in the rooms' PERMISSIONS."""

from services.agreements.api import (
    agreements,
    boards,
    confirmations,
    documents,
    instructions,
    normative,
    practice,
    work_plans,
)
from shared.scope import Role

ROOMS = (agreements, boards, confirmations, documents, instructions, normative, practice, work_plans)
PERMISSIONS: dict[str, frozenset[Role]] = {}
for _room in ROOMS:
    if _twice := PERMISSIONS.keys() & _room.PERMISSIONS.keys():
        raise ValueError(f"{_room.__name__} declares again: {sorted(_twice)}")
    PERMISSIONS |= _room.PERMISSIONS
ROUTERS = tuple(room.router for room in ROOMS)
