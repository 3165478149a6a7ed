"""CSV and XLSX files as rows of text, one by one: the file may be larger than memory."""

import contextlib
import csv
import gc
import io
import json
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from shared.errors import FieldError, InvalidInput
from shared.files.cells import Row
from shared.files.delimited import csv_rows
from shared.files.problems import UnreadableFile, no_table
from shared.files.workbooks import MEGABYTE, Limits, Workbook

MOST_CELL_CHARACTERS = 1_000
LIMITS = Limits(sheet_bytes=1_000_000_000, text_bytes=300_000_000, texts=2_000_000)
MOST_PLAIN_BYTES = 150_000_000
"""Of a spreadsheet written as CSV, where temporary files are in memory: half a million enterprises take half of it."""
MOST_MEMORY_BYTES = 1 << 30
"""Of the process that reads a spreadsheet: a wall behind the limits."""
MOST_SECONDS = 300


def rows_of(path: Path, *, spreadsheet: bool) -> Iterator[Row]:
    """Numbered rows (from 1) that are not empty. Raises UnreadableFile, also while iterating."""
    if not spreadsheet:
        yield from _csv_rows(path)
        return
    # A spreadsheet takes seconds to read: a process of its own does not hold up what this one answers meanwhile.
    plain = path.with_suffix(".csv")
    try:
        _convert(path, plain)
        yield from _csv_rows(plain)
    finally:
        plain.unlink(missing_ok=True)


def _csv_rows(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, cells in csv_rows(file):
            yield number, [cell[:MOST_CELL_CHARACTERS] for cell in cells]


def _convert(path: Path, plain: Path) -> None:
    """Have the first sheet of a spreadsheet written as CSV. Raises UnreadableFile."""
    command = (sys.executable, "-m", "shared.importing.reading", str(path), str(plain))
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, timeout=MOST_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        no_table()
    if done.returncode == 0:
        return
    with contextlib.suppress(ValueError):
        told = json.loads(done.stdout)
        raise UnreadableFile(told["rule"], **told["limits"])
    no_table()


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


def _unpack(source: Path, target: Path) -> None:
    """Write the first sheet of a spreadsheet as CSV, each row in the line of its number. Raises UnreadableFile."""
    with Workbook(source, LIMITS) as book, target.open("wb") as file:
        plain = io.StringIO(newline="")
        writer = csv.writer(plain)
        line, written = 1, 0
        for number, cells in book.rows():
            plain.write("\n" * (number - line))
            writer.writerow([cell[:MOST_CELL_CHARACTERS] for cell in cells])
            line = number + 1
            told = plain.getvalue().encode()
            written += len(told)
            if written > MOST_PLAIN_BYTES:
                raise UnreadableFile("file_unpacks", most=MOST_PLAIN_BYTES // MEGABYTE)
            file.write(told)
            plain.seek(0)
            plain.truncate()


def main(source: str, target: str) -> int:
    """The process's exit code; what is wrong with the file it says on its standard output."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
    # What is made here goes as it came, without cycles.
    gc.disable()
    try:
        _unpack(Path(source), Path(target))
    except UnreadableFile as refused:
        sys.stdout.write(json.dumps({"rule": refused.rule, "limits": refused.limits}))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
