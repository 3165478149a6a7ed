"""The gap by profession and place as a file, a row a competence and group, and its codebook."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from services.surveys.domain.gaps import REQUIRED
from shared.i18n import Catalogue, Lang
from shared.web.tabular import Column, Kind, csv_file, xlsx_file

COLUMNS: Final = (
    "profession",
    "profession_name",
    "place",
    "competence",
    "competence_name",
    "group",
    "count",
    "mean",
    "spread",
    "low",
    "high",
    "gap",
    "gap_low",
    "gap_high",
    "p",
)
PAGE: Final = 500
"""Cells written at once."""


def gap_file(table: Mapping[str, Any], form: str) -> AsyncIterator[bytes]:
    """The file of a table, a piece at a time."""
    names = {"profession", "profession_name", "place", "competence", "competence_name", "group"}
    columns = [Column((name,), Kind.TEXT if name in names else Kind.PLAIN, False) for name in COLUMNS]
    return (xlsx_file if form == "xlsx" else csv_file)(columns, _pages(table))


async def _pages(table: Mapping[str, Any]) -> AsyncIterator[Sequence[Mapping[str, Any]]]:
    names = {each["profession"]: each["name"] for each in table["professions"]}
    cells = table["cells"]
    for start in range(0, len(cells), PAGE):
        yield [row for cell in cells[start : start + PAGE] for row in _rows(cell, names)]


def _rows(cell: Mapping[str, Any], names: Mapping[str, str]) -> list[dict[str, Any]]:
    found = []
    for each in cell["competences"]:
        for group, shown in ((REQUIRED, each["required"]), *each["acquired"].items()):
            if shown["count"] is None:
                continue
            low, high = shown["interval"] or (None, None)
            gap_low, gap_high = shown.get("gap_interval") or (None, None)
            found.append(
                {
                    "profession": cell["profession"],
                    "profession_name": names[cell["profession"]],
                    "place": cell["place"],
                    "competence": each["competence"],
                    "competence_name": each["name"],
                    "group": group,
                    "count": shown["count"],
                    "mean": shown["mean"],
                    "spread": shown["spread"],
                    "low": low,
                    "high": high,
                    "gap": shown.get("gap"),
                    "gap_low": gap_low,
                    "gap_high": gap_high,
                    "p": shown.get("p"),
                }
            )
    return found


def gap_codebook(catalogue: Catalogue) -> list[dict[str, Any]]:
    """What each column says."""
    return [
        {"name": name, "label": {lang.value: catalogue.text(f"gap_table.{name}", lang) for lang in Lang}}
        for name in COLUMNS
    ]
