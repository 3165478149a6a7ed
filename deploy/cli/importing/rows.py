"""Rows into entries: each cell is checked; a fault names the row, the column, and what to do."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from deploy.cli.importing.columns import Column, Header
from deploy.cli.importing.files import Row
from shared.i18n import SHARED_MESSAGES, Catalogue, Lang

MESSAGES = Path(__file__).parent / "messages"
SPREADSHEET_ERRORS = frozenset({"#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!"})
DAY_FORMATS = ("%Y-%m-%d", "%d.%m.%Y", "%Y-%m-%dT%H:%M:%S")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in one cell, or (without `column`) with one row."""

    row: int
    column: str
    value: str
    rule: str
    params: Mapping[str, str | int | float] = field(default_factory=dict)
    message: str = ""
    remedy: str = ""


class Texts:
    """The words for faults in one language: the importer's own, else those of the API's rules."""

    def __init__(self, lang: Lang) -> None:
        self.lang = lang
        self._catalogue = Catalogue.load(SHARED_MESSAGES, MESSAGES)

    def of(self, fault: Fault) -> tuple[str, str]:
        """What is wrong, and what to do; what the API said stays as it said it."""
        if fault.message:
            return fault.message, fault.remedy
        params = {"field": fault.column, "column": fault.column, **fault.params, "value": fault.value}
        for stem in (f"import.{fault.rule}", f"rule.{fault.rule}", "rule.value_error"):
            if self._catalogue.has(f"{stem}.message"):
                break
        else:  # pragma: no cover - rule.value_error is there
            raise KeyError(fault.rule)
        return (
            self._catalogue.text(f"{stem}.message", self.lang, **params),
            self._catalogue.text(f"{stem}.remedy", self.lang, **params),
        )


class Line(BaseModel):
    """What one row says; empty cells are left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _day(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    for form in DAY_FORMATS:
        try:
            return datetime.strptime(value, form).date()  # noqa: DTZ007 - a calendar day has no zone
        except ValueError:
            continue
    raise ValueError("day")


def _lower(value: Any) -> Any:
    return value.strip().lower().replace(" ", "_").replace("-", "_") if isinstance(value, str) else value


def _upper(value: Any) -> Any:
    return value.strip().upper() if isinstance(value, str) else value


Day = Annotated[date, BeforeValidator(_day)]
Lowered = BeforeValidator(_lower)
Uppered = BeforeValidator(_upper)

L = TypeVar("L", bound=Line)


@dataclass(frozen=True, slots=True)
class Parsed(Generic[L]):
    """A row that was understood."""

    row: int
    line: L


def cells_of(row: Row, header: Header) -> tuple[dict[str, str], list[Fault]]:
    """A row's filled cells by column code."""
    columns = header.columns
    beyond = [cell for cell in row.cells[len(columns) :] if cell]
    if beyond:
        fault = Fault(row.number, "", beyond[0], "too_many_cells", {"count": len(row.cells), "limit": len(columns)})
        return {}, [fault]
    cells = {column.code: cell for column, cell in zip(columns, row.cells, strict=False) if column is not None and cell}
    broken = [
        Fault(row.number, code, cell, "spreadsheet_error") for code, cell in cells.items() if cell in SPREADSHEET_ERRORS
    ]
    return cells, broken


def parse(row: Row, header: Header, columns: Sequence[Column], line: type[L]) -> Parsed[L] | list[Fault]:
    """The row as a line, or every fault of its cells."""
    cells, faults = cells_of(row, header)
    if faults:
        return faults
    try:
        return Parsed(row.number, line.model_validate(cells))
    except ValidationError as problem:
        known = {column.code for column in columns}
        return [_fault(row.number, cells, known, error) for error in problem.errors()]


def _fault(row: int, cells: Mapping[str, str], known: Iterable[str], error: Any) -> Fault:
    column = str(error["loc"][0]) if error["loc"] else ""
    context = error.get("ctx") or {}
    cause = context.get("error")
    rule = str(error["type"])
    if rule == "value_error" and isinstance(cause, ValueError):
        rule, _, detail = str(cause).partition(":")
        context = {"detail": detail}
    params = {name: value for name, value in context.items() if isinstance(value, str | int | float)}
    if rule == "enum":  # pydantic writes 'a', 'b' or 'c', in English
        params["expected"] = ", ".join(re.findall(r"'([^']*)'", str(context.get("expected"))))
    column = column if column in known else ""
    return Fault(row, column, cells.get(column, ""), rule, params)
