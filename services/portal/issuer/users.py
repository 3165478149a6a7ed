"""The demo users: one table for the sign-in page, the password grant and the documentation."""

import re
from dataclasses import dataclass

from services.portal.territory import NATION, territory
from shared.i18n import DEFAULT_LANG, Lang
from shared.scope import Role


@dataclass(frozen=True, slots=True)
class DemoUser:
    """A user of the demonstration; `org` is a SOATO code, an institution's or an enterprise's id."""

    username: str
    role: Role
    org: str
    note: str = ""

    def display_name(self, lang: Lang = DEFAULT_LANG) -> str:
        """What stands in the header of the pages: the place, or the id."""
        place = territory().get(self.org)
        return place.name(lang) if place else self.org or self.username

    def claims(self) -> dict[str, str]:
        """The claims about this user in every token."""
        claims = {"sub": self.username, "role": self.role, "preferred_username": self.username}
        claims["name"] = self.note or self.display_name()
        return claims | ({"org": self.org} if self.org else {})


DEMO_USERS = (
    DemoUser("ministry", Role.MINISTRY, NATION),
    DemoUser("jizzakh", Role.REGION, "1708"),
    DemoUser("tashkent", Role.REGION, "1726"),
    DemoUser("karakalpakstan", Role.REGION, "1735"),
    DemoUser("jizzakh-city", Role.DISTRICT, "1708401"),
    DemoUser("zomin", Role.DISTRICT, "1708218"),
    DemoUser("yunusobod", Role.DISTRICT, "1726266"),
    DemoUser("operator", Role.OPERATOR, ""),
)
"""The users offered by name: the nation, a region of each type (viloyat, city, republic), districts, the operator."""

_BY_NAME = {user.username: user for user in DEMO_USERS}
_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")


def find_user(username: str, note: str = "") -> DemoUser | None:
    """The demo user of that name; `region:1714`, `district:…`, `institution:<id>`, `enterprise:<id>` anybody else."""
    if username in _BY_NAME:
        return _BY_NAME[username]
    kind, _, org = username.partition(":")
    place = territory().get(org)
    match kind:
        case "region" | "district" if place is not None and place.level == kind:
            return DemoUser(username, Role(kind), org)
        case "institution" | "enterprise" if _ID.fullmatch(org):
            return DemoUser(username, Role(kind), org, note[:120])
    return None
