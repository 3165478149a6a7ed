"""HTTP routes of partners, a module a room; what may be done by whom stands in the rooms' PERMISSIONS."""

from services.partners.api import api_keys, imports, matching, preparation, registers, visits, webhooks
from shared.scope import Role

ROOMS = (registers, api_keys, imports, matching, preparation, visits, webhooks)
PERMISSIONS: dict[str, frozenset[Role]] = {}
for _room in ROOMS:
    if _twice := PERMISSIONS.keys() & _room.PERMISSIONS.keys():
        raise ValueError(f"{_room.__name__} declares again: {sorted(_twice)}")
    PERMISSIONS |= _room.PERMISSIONS
ROUTERS = tuple(room.router for room in ROOMS)
