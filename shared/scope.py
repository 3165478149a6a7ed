"""Who is calling and which part of the territory they see: the first wall; row-level security is the second."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, SelectBase, SQLColumnExpression, and_, any_, false, literal, select, true


class Role(StrEnum):
    """Roles of the platform."""

    MINISTRY = "ministry"
    REGION = "region"
    DISTRICT = "district"
    INSTITUTION = "institution"
    ENTERPRISE = "enterprise"
    OPERATOR = "operator"
    SERVICE = "service"


TERRITORIAL = frozenset({Role.MINISTRY, Role.REGION, Role.DISTRICT})
EDUCATION = TERRITORIAL | {Role.INSTITUTION}
SOATO_LENGTHS = {2: (2,), 4: (2, 4), 7: (2, 4, 7)}


@lru_cache(maxsize=1024)
def path_of(soato: str) -> str:
    """The org path of a territory code: "1708201" -> "/17/1708/1708201/"; raises ValueError on any other shape."""
    lengths = SOATO_LENGTHS.get(len(soato))
    if lengths is None or not soato.isdigit():
        raise ValueError(f"{soato!r} is not a SOATO code of nation, region or district")
    return "/" + "/".join(soato[:length] for length in lengths) + "/"


def units_of(path: str) -> list[str]:
    """The codes of the units of the territory that an org path leads through, the nation first."""
    return [code for code in path.split("/") if code.isdigit()]


@dataclass(frozen=True, slots=True)
class Scope:
    """The rows a caller sees, by org path, by institution, or by enterprise; `setting` is what PostgreSQL checks.

    An institution sees what lies at or below it: its own, and that of those that were merged into it.
    """

    kind: str
    value: str = ""

    @property
    def setting(self) -> str:
        """The text of `app.scope`."""
        return f"{self.kind}:{self.value}" if self.value else self.kind

    @property
    def is_office(self) -> bool:
        """Whether it is a territory's: that of a district, a region, or the ministry."""
        return self.kind == "path"

    def sees(self, org_path: str, enterprises: Sequence[str] = ()) -> bool:
        """True if a row at `org_path` that concerns `enterprises` is visible."""
        match self.kind:
            case "all":
                return True
            case "path":
                return org_path.startswith(self.value)
            case "institution":
                return f"/{self.value}/" in org_path
            case "enterprise":
                return self.value in enterprises
        return False

    def condition(self, org_path: SQLColumnExpression[str], enterprises: Any = None) -> ColumnElement[bool]:
        """The same as SQL over a path column and, where rows concern enterprises, a text[] column.

        A path's beginning is asked for as a range of its bytes: row-level security lets an index serve comparisons,
        which tell nothing of rows unseen, and no pattern (LIKE), which might.
        """
        match self.kind:
            case "all":
                return true()
            case "path":
                # It ends with "/", and "0" is what comes next.
                return and_(org_path.bool_op("~>=~")(self.value), org_path.bool_op("~<~")(f"{self.value[:-1]}0"))
            case "institution":
                return org_path.contains(f"/{self.value}/", autoescape=True)
            case "enterprise" if enterprises is not None:
                return literal(self.value) == any_(enterprises)
        return false()


def paths_of(
    id_: SQLColumnExpression[str], path: SQLColumnExpression[str], closed: ColumnElement[bool]
) -> Callable[[str], SelectBase]:
    """Where the rows of an institution lie, by its id, and those of institutions whose work it goes on with.

    From columns of a service's table of institutions; `closed` says which are, for only those have a successor.
    """

    def paths(institution_id: str) -> SelectBase:
        merged = select(path).where(closed, Scope("institution", institution_id).condition(path))
        return select(path).where(id_ == institution_id).union_all(merged)

    return paths


ALL = Scope("all")
NONE = Scope("none")


PERSONS_ONLY = frozenset({"api_key"})
"""What no key may do: a key that makes keys would outlive its own revocation."""


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller: `subject` from the token, `org` a SOATO code, an institution's or enterprise's id.

    `scopes` limits what an API key may do; None does not limit anything.
    """

    subject: str
    role: Role
    org: str = ""
    scopes: frozenset[str] | None = None

    @property
    def identity(self) -> str:
        """Who it is, whatever the token allows: keys of commands and shares of what is dear go by it."""
        return f"{self.role}:{self.subject}"

    def may(self, action: str) -> bool:
        """Whether the scopes of the caller's key include `action`: by name, as `visit.*`, or as `read` or `write`."""
        if self.scopes is None:
            return True
        what, _, verb = action.rpartition(".")
        kind = "read" if verb == "read" else "write"
        return what not in PERSONS_ONLY and not self.scopes.isdisjoint({action, f"{what}.*", kind})

    @property
    def scope(self) -> Scope:
        """The rows this caller sees; an operator watches the machinery and sees none of the business."""
        match self.role:
            case Role.SERVICE:
                return ALL
            case Role.MINISTRY:
                return Scope("path", "/17/")
            case Role.REGION | Role.DISTRICT:
                return Scope("path", path_of(self.org))
            case Role.INSTITUTION:
                return Scope("institution", self.org)
            case Role.ENTERPRISE:
                return Scope("enterprise", self.org)
        return NONE


SYSTEM = Principal("system", Role.SERVICE)
