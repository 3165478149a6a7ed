"""An import from file to platform: read and check everything, compare, then send – many at once, each exactly once."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Generic

from deploy.api_client import Api, Problem, Unreachable
from deploy.cli.importing.columns import understand
from deploy.cli.importing.files import FileProblem, Row, open_rows
from deploy.cli.importing.registers import SERVICE, Bulk, Entry, Known, L, Outcome, Plan, Register
from deploy.cli.importing.rows import Fault, Parsed, parse

Advance = Callable[[], None]


@dataclass
class Checked(Generic[L]):
    """A file read and checked without asking the platform for its entries."""

    rows: int
    entries: list[Entry[L]]
    faults: list[Fault]
    unknown_titles: tuple[str, ...] = ()


@dataclass
class Result:
    """What became of the entries; `interrupted` says that some were not looked at."""

    counts: Counter[Outcome] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    interrupted: bool = False

    @property
    def looked_at(self) -> int:
        """Entries that were compared."""
        return sum(self.counts.values())


def check_file(path: Path, register: Register[L], known: Known) -> Checked[L]:
    """Read a file and check each row. Raises FileProblem when it can't be read as a whole."""
    with open_rows(path) as rows:
        titles = next(rows, None)
        if titles is None:
            raise FileProblem(f"{path.name} is empty. The first row must name the columns; see --template.")
        header = understand(titles.cells, register.columns)
        checked: Checked[L] = Checked(0, [], [], header.unknown)
        parsed = list(
            _parsed(rows, register, known, checked, lambda row: parse(row, header, register.columns, register.line))
        )
    checked.entries, doubled = register.gather(parsed)
    checked.faults += doubled + register.check_together(checked.entries, known)
    wrong = {fault.row for fault in checked.faults}
    checked.entries = [entry for entry in checked.entries if wrong.isdisjoint(line.row for line in entry.lines)]
    return checked


def _parsed(
    rows: Iterator[Row],
    register: Register[L],
    known: Known,
    checked: Checked[L],
    parse_row: Callable[[Row], Parsed[L] | list[Fault]],
) -> Iterator[Parsed[L]]:
    for row in rows:
        checked.rows += 1
        outcome = parse_row(row)
        if isinstance(outcome, list):
            checked.faults += outcome
            continue
        checked.faults += register.check(outcome, known)
        yield outcome


@dataclass
class Import(Generic[L]):
    """One run over the good entries of a file; without `commit` it only compares."""

    register: Register[L]
    known: Known
    api: Api
    user: str
    commit: bool
    at_once: int = 16
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    result: Result = field(default_factory=Result)

    async def run(self, entries: list[Entry[L]], advance: Advance) -> Result:
        """Work through all entries, wave by wave.

        After `stop` is set, what is under way is finished and nothing new begun. Raises Unreachable when the platform
        stays silent, and Problem when it doesn't let the user in.
        """
        bulk = self.register.in_bulk(entries)
        if bulk is not None:
            await self._in_bulk(bulk, entries, advance)
            return self.result
        for _, wave in groupby(entries, key=lambda entry: entry.wave):
            waiting = iter(list(wave))
            async with asyncio.TaskGroup() as workers:
                for _ in range(self.at_once):
                    workers.create_task(self._work(waiting, advance))
        self.result.interrupted = self.stop.is_set() and self.result.looked_at < len(entries)
        return self.result

    async def _in_bulk(self, bulk: Bulk[L], entries: list[Entry[L]], advance: Advance) -> None:
        for begin in range(0, len(entries), bulk.at_once):
            if self.stop.is_set():
                self.result.interrupted = True
                return
            part = entries[begin : begin + bulk.at_once]
            counts, faults = await bulk.send(part, self.api, self.user, commit=self.commit)
            self.result.counts.update(counts)
            self.result.faults += faults
            for _ in part:
                advance()

    async def _work(self, waiting: Iterator[Entry[L]], advance: Advance) -> None:
        for entry in waiting:
            if self.stop.is_set():
                return
            outcome, faults = await self._one(entry)
            self.result.counts[outcome] += 1
            self.result.faults += faults
            advance()

    async def _one(self, entry: Entry[L]) -> tuple[Outcome, list[Fault]]:
        for last_try in (False, True):
            try:
                plan = await self.register.plan(entry, self.known, self.api, self.user)
                if self.commit:
                    await self._carry_out(entry, plan)
                return plan.outcome, list(plan.faults)
            except Problem as problem:
                if problem.status == 401:
                    raise
                if problem.code in ("version-mismatch", "already-exists") and not last_try:
                    continue  # somebody else was faster: compare again
                return Outcome.WRONG, list(self._faults_of(entry, problem))
        raise AssertionError("the second try ends the loop")

    async def _carry_out(self, entry: Entry[L], plan: Plan) -> None:
        id_, version = plan.id, plan.version
        for step in plan.steps:
            answer = await self.api.command(
                self.user,
                step.method,
                SERVICE,
                step.path.replace("{id}", id_),
                step.body,
                key=step.key(self.register.name, entry.key, version),
                version=version if step.versioned else None,
            )
            id_, version = answer.id, answer.version

    def _faults_of(self, entry: Entry[L], problem: Problem) -> Iterator[Fault]:
        for error in problem.errors:
            column = self.register.column_of(error.field)
            value = str(getattr(_line_of(entry, error.field).line, column, "") or "") if column else ""
            yield Fault(
                _line_of(entry, error.field).row, column, value, error.rule, message=error.message, remedy=error.remedy
            )
        if not problem.errors:
            message = problem.detail or problem.title
            yield Fault(entry.row, "", entry.key, problem.code, message=message, remedy=problem.remedy)


def _line_of(entry: Entry[L], field_path: str) -> Parsed[L]:
    """The line that a field such as "programmes.2.title" speaks of."""
    parts = field_path.split(".")
    if parts[0] == "programmes" and len(parts) > 1 and parts[1].isdigit() and int(parts[1]) < len(entry.lines):
        return entry.lines[int(parts[1])]
    return entry.lines[0]


__all__ = ["Checked", "Import", "Result", "Unreachable", "check_file"]
