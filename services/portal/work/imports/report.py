"""What became of a file's rows, as a service reports it: counts, and faults by row and column in the page's words."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from services.portal.work.api import Answer
from services.portal.work.imports.carried import packed, unpacked
from services.portal.work.words import Words

MOST_FAULT_BYTES: Final = 30_000_000
"""Of the faults that a page carries, unpacked: twenty of each of five thousand rows, which is what services tell."""
CREATED: Final = 201
REUSED: Final = "idempotency-key-reused"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in a row: the column as the file calls it and as pages do, and what to do about it."""

    row: int
    column: str
    label: str
    value: str
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the rows, or would: `before` are those that were in already under the same key."""

    committed: bool
    new: int
    before: int
    refused: int
    faults: tuple[Fault, ...]

    @property
    def rows(self) -> int:
        """All of them."""
        return self.new + self.before + self.refused


def report_of(words: Words, register: str, body: Mapping[str, Any]) -> Report:
    """The report of an import (shared.web.exchange.ImportReport)."""
    items = [each for each in body.get("items", ()) if isinstance(each, Mapping)]
    refused = [each for each in items if each.get("problem")]
    new = sum(each.get("status") == CREATED for each in items)
    faults = [fault for each in refused for fault in _of_row(words, register, each)]
    return Report(bool(body.get("committed")), new, len(items) - len(refused) - new, len(refused), tuple(faults))


def fault_of(words: Words, register: str, said: Mapping[str, Any]) -> Fault:
    """A fault of a watched import (`/v1/imports/{id}/faults`)."""
    column = str(said.get("column", ""))
    label = _label(words, register, column)
    message, remedy = (_in_words(str(said.get(part, "")), column, label) for part in ("message", "remedy"))
    return Fault(int(said.get("row", 0)), column, label, str(said.get("value", "")), message, remedy)


def faults_of_file(words: Words, register: str, answer: Answer) -> list[Fault]:
    """What is wrong with a file as a whole: its header, its kind. Its columns are named; "file" is the file itself."""
    errors = [each for each in answer.body.get("errors", ()) if isinstance(each, Mapping)]
    return [_of_error(words, register, 0, each) for each in errors]


def _of_row(words: Words, register: str, item: Mapping[str, Any]) -> Iterator[Fault]:
    row, problem = int(item.get("row", 0)), item["problem"]
    if str(problem.get("type", "")).endswith(f":{REUSED}"):
        yield Fault(row, "", "", "", words.text("import.row_is_in"), words.text("import.row_is_in_remedy"))
        return
    errors = [each for each in problem.get("errors", ()) if isinstance(each, Mapping)]
    for error in errors:
        yield _of_error(words, register, row, error)
    if not errors:
        said = str(problem.get("detail") or problem.get("title", ""))
        yield Fault(row, "", "", "", said, str(problem.get("remedy", "")))


def _of_error(words: Words, register: str, row: int, error: Mapping[str, Any]) -> Fault:
    named = str(error.get("field", ""))
    column = "" if named == "file" else named
    label = _label(words, register, column)
    return Fault(row, column, label, "", str(error.get("message", "")), str(error.get("remedy", "")))


def _label(words: Words, register: str, column: str) -> str:
    """What pages call a column; nothing where they call it as the file does, or it is none of ours."""
    parts = [part for part in column.split(".") if part and not part.isdecimal()]
    if not all(re.fullmatch(r"[a-z][a-z0-9_]*", part) for part in parts):
        return ""
    return " – ".join(label for part in parts if (label := words.label(register, part)) != part)


def _in_words(text: str, column: str, label: str) -> str:
    return text.replace(f" {column} ", f" “{label}” ") if column and label else text


def carried_faults(faults: Sequence[Fault]) -> str:
    """Faults for a hidden field; "" where there is nothing, or too much, to carry."""
    told = json.dumps([list(asdict(each).values()) for each in faults], ensure_ascii=False).encode() if faults else b""
    return packed(told) if 0 < len(told) <= MOST_FAULT_BYTES else ""


def faults_carried(text: str) -> list[Fault]:
    """The faults that a page carried; none where it did not come from a page of ours."""
    try:
        rows = json.loads(unpacked(text, MOST_FAULT_BYTES) or b"[]")
        return [
            Fault(int(row), *(str(each)[:2000] for each in (column, label, value, message, remedy)))
            for row, column, label, value, message, remedy in rows
        ]
    except (ValueError, TypeError, RecursionError):
        return []
