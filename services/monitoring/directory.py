"""Places as readers know them: names, ways up, places below at a time – and who may see them."""

import asyncio
from collections import defaultdict
from typing import Any

from services.monitoring.domain.territory import Image, Level, Place
from services.monitoring.tables import refresh
from shared.errors import NotFound
from shared.i18n import DEFAULT_LANG, Lang
from shared.persistence.engine import widened
from shared.scope import Principal, Role

NATION = "17"


class Directory:
    """All places in memory, looked after before each use: a place is known as soon as its event is applied."""

    def __init__(self) -> None:
        self._image = Image()
        self._lock = asyncio.Lock()
        self._units: dict[str, list[Place]] = {}
        self._institutions: dict[int, list[int]] = {}

    async def look(self, connection: Any) -> None:
        """Notice changed places, over a connection whose transaction may be of any scope, and is of it afterwards.

        It is this connection that reads them: were it another of the pool, those who wait here with theirs in hand
        could have taken the last.
        """
        if await connection.fetchval("select revision from territory_revision") == self._image.revision:
            return
        async with self._lock, widened(connection):
            if await refresh(connection, self._image):
                self._index()

    def _index(self) -> None:
        units: dict[str, list[Place]] = defaultdict(list)
        institutions: dict[int, list[int]] = defaultdict(list)
        for place in self._image.places.values():
            if place.level is Level.INSTITUTION:
                for above in self._image.membership(place.id).places:
                    institutions[above].append(place.id)
            elif place.parent:
                units[place.parent].append(place)
        self._units = {code: sorted(below, key=lambda unit: unit.code) for code, below in units.items()}
        self._institutions = {place: sorted(below) for place, below in institutions.items()}

    def seen(self, code: str, principal: Principal, month: int | None = None) -> Place:
        """The place of that code; raises NotFound for an unknown one and for one outside the caller's scope alike.

        At the end of `month` it may have been within the scope, though it has moved since: then it is seen, too.
        """
        place = self._image.places.get(self._image.ids.get(code, 0))
        if place is None or not self.sees(place, principal, month):
            raise NotFound(what="place", id=code[:100])
        return place

    def sees(self, place: Place, principal: Principal, month: int | None = None) -> bool:
        """Whether a place is within the caller's scope – now, or as it lay at the end of `month`.

        Everything that is told of a place in a period is asked for here, with the period's end: row-level security lets
        former offices see a moved institution for ever.
        """
        if principal.scope.sees(place.path):
            return True
        if month is None or place.level is not Level.INSTITUTION:
            return False
        return any(principal.scope.sees(above.path) for above in self.above(place, month))

    def above(self, place: Place, month: int) -> list[Place]:
        """The places above at the end of a month, the nearest first."""
        return [self._image.places[id_] for id_ in self._image.membership(place.id).at(month)]

    def root(self, principal: Principal) -> Place:
        """The place at the top of what the caller sees; raises NotFound where it is not known yet."""
        return self.seen(NATION if principal.role is Role.SERVICE else principal.org, principal)

    def by_id(self, place: int) -> Place | None:
        """The place of that id."""
        return self._image.places.get(place)

    @property
    def image(self) -> Image:
        """The territory as it is; to be read only."""
        return self._image

    def copy(self) -> Image:
        """The territory to change at will."""
        image = Image()
        image.put(self._image.places.values())
        return image

    def by_code(self, code: str) -> Place | None:
        """The place of that code, whoever asks."""
        return self._image.places.get(self._image.ids.get(code, 0))

    def at_level(self, level: Level) -> list[Place]:
        """All places of a level, in the order of their ids."""
        found = [place for place in self._image.places.values() if place.level is level]
        return sorted(found, key=lambda place: place.id)

    def ancestors(self, place: Place, principal: Principal) -> list[Place]:
        """The places above, from the top of what the caller sees downwards."""
        found: list[Place] = []
        code = place.parent
        while code and (above := self._image.places.get(self._image.ids.get(code, 0))) and above not in found:
            if not principal.scope.sees(above.path):
                break
            found.append(above)
            code = above.parent
        return found[::-1]

    def below(self, place: Place, month: int, principal: Principal) -> list[Place]:
        """The places directly below at the end of a month: units, or the institutions that belonged to the district.

        Whoever sees the district sees those that have left it since, as they were then.
        """
        if place.level is Level.DISTRICT:
            found = (
                self._image.places[id_]
                for id_ in self._institutions.get(place.id, ())
                if place.id in self._image.membership(id_).at(month)
            )
            return sorted(found, key=lambda each: (each.names.get("", ""), each.code))
        below = self._units.get(place.code, [])
        return [each for each in below if principal.scope.sees(each.path)]

    def institutions(self, place: Place) -> list[int]:
        """Ids of the institutions that are or ever were below the place (or the institution itself), in order.

        Of those that left it, only what counts in its own values is anybody's business here: see `below`.
        """
        if place.level is Level.INSTITUTION:
            return [place.id]
        return list(self._institutions.get(place.id, ()))


def below(image: Image, institution: int, place: Place, month: int) -> bool:
    """Whether an institution was that place, or below it, at the end of the month, as the image has it."""
    return institution == place.id or place.id in image.membership(institution).at(month)


def name_of(place: Place, lang: Lang) -> str:
    """The place's name in a language; institutions have one name."""
    return place.names.get("") or place.names.get(lang) or place.names.get(DEFAULT_LANG) or place.code


def described(place: Place, lang: Lang) -> dict[str, Any]:
    """Code, level and name, as every answer names a place."""
    return {"code": place.code, "level": place.level.name.lower(), "name": name_of(place, lang)}
