"""What a person reads after an import: counts, the first faults as a table, all of them as a CSV file."""

import csv
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from deploy.cli.importing.rows import Fault, Texts

SHOWN = 20
HEADER = ("row", "column", "value", "problem", "what to do", "rule")


def show_faults(console: Console, faults: Sequence[Fault], texts: Texts, report: Path | None) -> None:
    """The first faults as a table, and where the others are."""
    if not faults:
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("row", justify="right")
    for title in ("column", "problem", "what to do"):
        table.add_column(title, overflow="fold")
    ordered = sorted(faults, key=lambda fault: fault.row)
    for fault in ordered[:SHOWN]:
        message, remedy = texts.of(fault)
        table.add_row(str(fault.row), Text(fault.column), Text(message), Text(remedy))
    console.print(table, soft_wrap=False)
    if report is not None:
        write_report(report, ordered, texts)
        console.print(f"All {len(faults)} faults are in {report}.")
    elif len(faults) > SHOWN:
        console.print(f"… and {len(faults) - SHOWN} more; --report errors.csv writes all of them.")


def write_report(path: Path, faults: Sequence[Fault], texts: Texts) -> None:
    """Every fault as a row of a CSV file that a spreadsheet opens as it is."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(HEADER)
        for fault in faults:
            cells = (fault.column, fault.value, *texts.of(fault), fault.rule)  # messages may begin with the value
            writer.writerow([fault.row, *map(_harmless, cells)])


def _harmless(value: str) -> str:
    """A cell that a spreadsheet won't take for a formula."""
    return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
