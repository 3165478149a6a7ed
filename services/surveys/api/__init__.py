"""HTTP routes of surveys for people who sign in, a module a room; who may do what stands in the rooms' PERMISSIONS."""

from services.surveys.api import campaigns, graduates, instruments, interviews, invitations, results, waves, xlsform
from shared.scope import Role

ROOMS = (instruments, xlsform, campaigns, results, waves, invitations, interviews, graduates)
PERMISSIONS: dict[str, frozenset[Role]] = {}
for _room in ROOMS:
    if _twice := PERMISSIONS.keys() & _room.PERMISSIONS.keys():
        raise ValueError(f"{_room.__name__} declares again: {sorted(_twice)}")
    PERMISSIONS |= _room.PERMISSIONS
ROUTERS = (*(room.router for room in ROOMS), results.internal)
