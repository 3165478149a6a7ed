"""What stands on the working pages, read from `registers.toml`."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.scope import Role

FILE = Path(__file__).parent / "registers.toml"
PARTIES = "parties"
"""The list of an agreement's parties."""


class _Declared(BaseModel):
    """A table of the file: a word that is not known stops the start."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class StepRule(_Declared):
    """When a step is offered: to whom (None: the writers), in which states (None: in all), for which entries.

    `careful` steps can't be taken back; `row` ones are offered beside the thing inside the entry that they change;
    `given` is a path in the entry ("pending.awaits") that must hold something, `unless` one by state that must not;
    `fill` names the entry's field that a field of the form begins with; `reveals` is shown this once. `among` says of
    lists inside the entry which things the step is for: those whose field holds one of the values ("": nothing) or, of
    "@path", what stands there in the entry. Where there is none the step isn't offered. `own` roles speak for
    nobody but their own party.
    """

    roles: frozenset[Role] | None = None
    states: frozenset[str] | None = None
    when: Mapping[str, str] = Field(default_factory=dict)
    given: str = ""
    unless: Mapping[str, str] = Field(default_factory=dict)
    careful: bool = False
    row: bool = False
    fill: Mapping[str, str] = Field(default_factory=dict)
    reveals: tuple[str, ...] = ()
    among: Mapping[str, Mapping[str, tuple[str, ...] | str]] = Field(default_factory=dict)
    own: frozenset[Role] = frozenset()

    def takes(self, entry: Mapping[str, Any], list_: str, item: Mapping[str, Any], role: Role, org: str) -> bool:
        """True if the step may be about this thing in that list of the entry, where this reader takes it."""
        if list_ == PARTIES and role in self.own and not is_party(item, role, org):
            return False
        for name, wanted in self.among.get(list_, {}).items():
            values = _held(entry, wanted[1:]) or () if isinstance(wanted, str) else wanted
            if (item.get(name) or "") not in values:
                return False
        return True

    def finds(self, entry: Mapping[str, Any], role: Role, org: str) -> bool:
        """True if there is something that the step may be about, in every list that it asks for."""
        return all(
            any(self.takes(entry, list_, item, role, org) for item in entry.get(list_) or ()) for list_ in self.among
        )


class Declared(_Declared):
    """A register: where it stands, who works with it, what its list shows.

    `under` names the registers whose entries stand under one of this, with the filter that finds them; `under_when`
    the fields an entry must have for that, and `shown_when` those without which a field of it says nothing. `named_by`
    says where a role that may not read an entry finds its name. `importers` are those of the creators who may also
    bring a file of entries in; None: all.
    """

    name: str
    service: str
    stage: str
    results: tuple[str, ...] = ()
    readers: frozenset[Role]
    writers: frozenset[Role]
    creators: frozenset[Role] | None = None
    importers: frozenset[Role] | None = None
    columns: tuple[str, ...]
    title: tuple[str, ...]
    state: str = "status"
    parts: tuple[str, ...] = ()
    under: Mapping[str, str] = Field(default_factory=dict)
    under_when: Mapping[str, Mapping[str, str]] = Field(default_factory=dict)
    shown_when: Mapping[str, Mapping[str, str]] = Field(default_factory=dict)
    named_by: Mapping[Role, str] = Field(default_factory=dict)
    start: Mapping[str, Any] = Field(default_factory=dict)
    own: Mapping[Role, Mapping[str, str]] = Field(default_factory=dict)
    steps: Mapping[str, StepRule] = Field(default_factory=dict)
    templates: str = ""
    called: Mapping[str, str] = Field(default_factory=dict)
    files: tuple[str, ...] = ()
    list_files: tuple[str, ...] = ()
    reveals: tuple[str, ...] = ()

    def belongs(self, role: Role, org: str) -> dict[str, str]:
        """Fields that are known because the reader fills the form in for themselves."""
        if role in self.own:
            return {name: org if value == "@org" else value for name, value in self.own[role].items()}
        name = {Role.INSTITUTION: "institution_id", Role.ENTERPRISE: "enterprise_id"}.get(role)
        return {name: org} if name else {}

    def creates(self, role: Role) -> bool:
        """True if a new entry is offered to this role."""
        return role in (self.writers if self.creators is None else self.creators)

    def brings_in(self, role: Role) -> bool:
        """True if bringing in a file of new entries is offered to this role."""
        return self.creates(role) and (self.importers is None or role in self.importers)

    def offers(self, step: str, role: Role, entry: Mapping[str, Any], org: str) -> bool:
        """True if `step` is offered to a reader of this role and organisation on an entry in its present state."""
        rule = self.rule(step)
        roles = self.writers if rule.roles is None else rule.roles
        fits = _fits(entry, rule.when) and (not rule.given or bool(_held(entry, rule.given)))
        state = str(entry.get(self.state))
        over = state in rule.unless and bool(_held(entry, rule.unless[state]))
        fits = fits and not over and rule.finds(entry, role, org)
        return role in roles and fits and (rule.states is None or state in rule.states)

    def under_of(self, entry: Mapping[str, Any]) -> list[tuple[str, str]]:
        """The registers that may have entries under this one, each with its filter."""
        return [(name, key) for name, key in self.under.items() if _fits(entry, self.under_when.get(name, {}))]

    def shows(self, name: str, entry: Mapping[str, Any]) -> bool:
        """True if this field says something of the entry."""
        return _fits(entry, self.shown_when.get(name, {}))

    def rule(self, step: str) -> StepRule:
        """What is declared of a step; everything is allowed where nothing is."""
        return self.steps.get(step, StepRule())


def is_party(party: Mapping[str, Any], role: Role, org: str) -> bool:
    """True if a party of an agreement is the organisation of that role."""
    return (party.get("category"), party.get("ref")) == (role.value, org)


def _fits(entry: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    return all(str(entry.get(name)) == value for name, value in wanted.items())


def _held(entry: Mapping[str, Any], path: str) -> Any:
    value: Any = entry
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


class Due(_Declared):
    """Entries whose day comes within so many days."""

    field: str
    days: int


class Waiting(_Declared):
    """A list on the desk: entries of a register that wait for the reader.

    `missing` is a field that is empty while an entry waits; `party` says what the reader's own party has not given yet.
    """

    name: str
    register_: str = Field(alias="register")
    roles: frozenset[Role]
    filters: Mapping[str, str] = Field(default_factory=dict)
    due: Due | None = None
    missing: str = ""
    party: Literal["signature", "word"] | None = None
    urgent: bool = False


class Declaration(_Declared):
    """The whole file."""

    stages: tuple[str, ...]
    codes: Mapping[str, str]
    references: Mapping[str, str]
    parties: Mapping[str, str]
    inside: Mapping[str, str]
    registers: tuple[Declared, ...]
    desk: tuple[Waiting, ...]
    gates: Mapping[str, str]
    gate_stages: Mapping[str, tuple[str, ...]]

    def register_of(self, name: str) -> Declared | None:
        """The register of that name."""
        return next((register for register in self.registers if register.name == name), None)


@cache
def declaration() -> Declaration:
    """The declaration; raises pydantic's ValidationError where the file is wrong."""
    return Declaration.model_validate(tomllib.loads(FILE.read_text(encoding="utf-8")))
