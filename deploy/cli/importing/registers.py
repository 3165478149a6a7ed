"""The registers an import can fill: their columns, what is compared with the platform, what is sent."""

import csv
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeVar

from deploy.api_client import Api
from deploy.cli.importing.columns import Column
from deploy.cli.importing.rows import Fault, Line, Parsed
from shared.contracts.codes import REFERENCE

SERVICE = "partners"


@dataclass(frozen=True, slots=True)
class Step:
    """One command; "{id}" in its path is the id of the entry, and of the one that a step before made."""

    method: str
    path: str
    body: dict[str, Any]
    versioned: bool = True

    def key(self, register: str, entry: str, version: int) -> str:
        """The same command gets the same key, also in another run; after a change in between it is another command."""
        digest = hashlib.sha256(json.dumps([self.method, self.path, self.body], sort_keys=True).encode()).hexdigest()
        return f"import:{register}:{entry}:{version}:{digest[:24]}"


class Outcome(StrEnum):
    """What an import does with an entry."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Plan:
    """What has to be done for an entry to stand in the platform as in the file."""

    outcome: Outcome
    steps: tuple[Step, ...] = ()
    id: str = ""
    version: int = 0
    faults: tuple[Fault, ...] = ()


L = TypeVar("L", bound=Line)


@dataclass(frozen=True, slots=True)
class Entry(Generic[L]):
    """What the file says about one unit: one line, or several that differ in the programme alone."""

    key: str
    lines: tuple[Parsed[L], ...]
    wave: int = 0

    @property
    def row(self) -> int:
        """The first row."""
        return self.lines[0].row


@dataclass
class Known:
    """What the platform has already, as far as every row needs it."""

    territory: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def reference(cls) -> "Known":
        """The official territory, for a check without a platform."""
        with (REFERENCE / "territory.csv").open(encoding="utf-8", newline="") as file:
            return cls({row["soato"]: {} for row in csv.DictReader(file)})

    @classmethod
    async def of_platform(cls, api: Api, user: str) -> "Known":
        """What the caller sees."""
        answer = await api.get(user, SERVICE, "/v1/territory")
        return cls({state["id"]: state for state in answer.body["items"]})


class Bulk(ABC, Generic[L]):
    """Sends entries of one wave together."""

    at_once: ClassVar[int]

    @abstractmethod
    async def send(
        self, entries: Sequence[Entry[L]], api: Api, user: str, *, commit: bool
    ) -> tuple[dict[Outcome, int], list[Fault]]:
        """Bring up to `at_once` entries in, or without `commit` compare them. Raises Problem and Unreachable."""


class Register(ABC, Generic[L]):
    """How the rows of one register are checked, compared and sent."""

    name: ClassVar[str]
    about: ClassVar[str]
    columns: ClassVar[tuple[Column, ...]]
    line: type[L]

    @abstractmethod
    def check(self, parsed: Parsed[L], known: Known) -> list[Fault]:
        """Faults of a row in the light of what the platform has."""

    @abstractmethod
    def key_of(self, line: L) -> tuple[str, str]:
        """The column of the natural key, and its value."""

    @abstractmethod
    async def plan(self, entry: Entry[L], known: Known, api: Api, user: str) -> Plan:
        """Compare an entry with the platform. Raises Problem and Unreachable."""

    def in_bulk(self, entries: Sequence[Entry[L]]) -> "Bulk[L] | None":
        """How so many entries are sent together; None where each goes by itself."""
        del entries
        return None

    def wave(self, line: L) -> int:
        """Entries of a wave are sent when the waves before are done."""
        del line
        return 0

    def gather(self, parsed: Iterable[Parsed[L]]) -> tuple[list[Entry[L]], list[Fault]]:
        """Lines as entries; the second row of the same key is a fault."""
        first: dict[str, Parsed[L]] = {}
        faults: list[Fault] = []
        for each in parsed:
            column, key = self.key_of(each.line)
            if key in first:
                faults.append(Fault(each.row, column, key, "duplicate", {"first": first[key].row}))
            else:
                first[key] = each
        entries = [Entry(key, (each,), self.wave(each.line)) for key, each in first.items()]
        return sorted(entries, key=lambda entry: entry.wave), faults

    def check_together(self, entries: Sequence[Entry[L]], known: Known) -> list[Fault]:
        """Faults that only the whole file shows."""
        del entries, known
        return []

    def column_of(self, field_path: str) -> str:
        """The column that a field of the API's answer speaks of."""
        names = {column.code for column in self.columns}
        first = field_path.partition(".")[0]
        return first if first in names else ""
