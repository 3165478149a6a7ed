"""CSV and XLSX files as rows of text, one by one: the file may be larger than memory."""

import csv
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook

from shared.errors import FieldError, InvalidInput
from shared.web.tabular import clean

csv.field_size_limit(1_000_000)
MOST_CELL_CHARACTERS = 1_000
HEAD_CHARACTERS = 20_000


def rows_of(path: Path, *, spreadsheet: bool) -> Iterator[tuple[int, list[str]]]:
    """Numbered rows (from 1) that are not empty. Raises InvalidInput, also while iterating."""
    if not spreadsheet:
        yield from _csv_rows(path)
        return
    # A sheet is unpacked as a whole: a process of its own gives the memory back.
    plain = path.with_suffix(".csv")
    done = subprocess.run([sys.executable, "-m", "shared.importing.reading", str(path), str(plain)], check=False)
    if done.returncode:
        raise _unreadable("not_a_table", 1)
    try:
        yield from _csv_rows(plain)
    finally:
        plain.unlink(missing_ok=True)


def _csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    number = 0
    try:
        with path.open(encoding=_encoding(path), newline="") as file:
            head = file.read(HEAD_CHARACTERS)
            if "\0" in head:
                raise _unreadable("not_a_table", 1)
            header = next((line for line in head.splitlines() if line.strip()), "")
            outside = "".join(header.split('"')[::2])
            file.seek(0)
            for number, cells in enumerate(
                csv.reader(file, delimiter=max(",;\t", key=outside.count), strict=True), start=1
            ):
                row = [clean(cell)[:MOST_CELL_CHARACTERS] for cell in cells]
                if any(row):
                    yield number, row
    except UnicodeDecodeError:
        raise _unreadable("not_utf8", number + 1) from None
    except csv.Error:
        raise _unreadable("not_a_table", number + 1) from None


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        return "utf-16" if file.read(2) in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def _unreadable(rule: str, row: int) -> InvalidInput:
    return InvalidInput(FieldError("file", rule, {"row": row}))


def header_of(cells: Sequence[str], columns: Sequence[str], required: Sequence[str]) -> list[str]:
    """The columns that a header names, in its order. Raises InvalidInput naming what is unknown, doubled or missing."""
    header = [cell.lower() for cell in cells]
    while header and not header[-1]:
        header.pop()
    wrong = [
        FieldError(name[:100] or f"#{place}", "unknown_column", {"expected": ", ".join(columns)})
        for place, name in enumerate(header, start=1)
        if name not in columns
    ]
    wrong += [FieldError(name, "duplicate", {"value": name}) for name in sorted(set(header)) if header.count(name) > 1]
    wrong += [FieldError(name, "missing") for name in required if name not in header]
    if wrong:
        raise InvalidInput(*wrong[:50])
    return header


def _cell_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _unpack(source: str, target: str) -> int:
    """Write the first sheet of a spreadsheet as CSV; the process's exit code."""
    try:
        sheet = CalamineWorkbook.from_path(source).get_sheet_by_index(0)
        with Path(target).open("w", encoding="utf-8", newline="") as file:
            # Rows above the first that is filled are left out by the reader: their numbers are kept.
            writer = csv.writer(file)
            writer.writerows([] for _ in range(sheet.start[0] if sheet.start else 0))
            writer.writerows([_cell_text(value) for value in row] for row in sheet.iter_rows())
    except (CalamineError, OSError, IndexError, ValueError):
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_unpack(*sys.argv[1:3]))
