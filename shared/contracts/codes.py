"""Code lists of the reference data that commands are checked against: ISCO-08 and ISIC Rev. 4 (shared/reference)."""

import csv
from functools import cache
from pathlib import Path

REFERENCE = Path(__file__).parents[1] / "reference"


@cache
def isco_unit_groups() -> frozenset[str]:
    """The 436 four-digit unit groups of ISCO-08."""
    return frozenset(row["code"] for row in _rows("isco08.csv") if row["level"] == "4")


@cache
def isco_unit_titles() -> dict[str, str]:
    """The unit groups of ISCO-08 by code, with the titles that the ILO gives them in English."""
    return {row["code"]: row["title_en"] for row in _rows("isco08.csv") if row["level"] == "4"}


@cache
def isco_titles() -> dict[str, str]:
    """The English titles of ISCO-08 by code, of all four levels."""
    return {row["code"]: row["title_en"] for row in _rows("isco08.csv")}


@cache
def isic_sections() -> frozenset[str]:
    """The 21 sections of ISIC Rev. 4, A to U."""
    return frozenset(row["code"] for row in _rows("isic4.csv") if row["level"] == "1")


def _rows(name: str) -> list[dict[str, str]]:
    with (REFERENCE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
