"""What results look like: bars, intervals and gaps as numbers of a picture, reliability as a word."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from services.portal.territory import NATION, territory
from shared.i18n import Lang

WIDTH = 100.0
ALPHAS = ((0.9, "very_high"), (0.8, "good"), (0.7, "fair"), (0.6, "weak"))


@dataclass(frozen=True, slots=True)
class Span:
    """A mean and its interval on a scale of 0..100, ready for a picture 100 wide."""

    at: float
    low: float
    high: float

    @property
    def width(self) -> float:
        """Of the interval."""
        return max(self.high - self.low, 0.6)


def span(summary: Mapping[str, Any] | None) -> Span | None:
    """The picture of a mean; None where there is none to show."""
    if not summary or summary.get("mean") is None:
        return None
    low, high = summary.get("interval") or (summary["mean"], summary["mean"])
    return Span(_on(summary["mean"]), _on(low), _on(high))


def _on(value: float) -> float:
    return round(min(max(value, 0.0), WIDTH), 2)


def alpha_word(reliability: Mapping[str, Any] | None) -> str:
    """The word for a reliability: very_high, good, fair, weak, low – or none."""
    if not reliability or reliability.get("alpha") is None:
        return "none"
    return next((word for least, word in ALPHAS if reliability["alpha"] >= least), "low")


def groups_with_gaps(competences: Sequence[Mapping[str, Any]]) -> list[str]:
    """Respondent groups of which at least one gap is shown."""
    groups = list(competences[0]["acquired"]) if competences else []
    return [group for group in groups if any(each["acquired"][group]["mean"] is not None for each in competences)]


def ended_years(today: date) -> list[str]:
    """The last academic years that are over, and a week ago at least: "2025-26", newest first."""
    newest = today.year - (1 if (today.month, today.day) > (9, 7) else 2)
    return [f"{start}-{(start + 1) % 100:02d}" for start in range(newest, newest - 4, -1)]


def grid(
    table: Mapping[str, Any], group: str
) -> list[tuple[Mapping[str, Any], list[tuple[str | None, Mapping[str, Any] | None]]]]:
    """Each profession with what a respondent group's gap is in the whole territory (None) and in each place."""
    found = {
        (cell["profession"], cell["place"]): cell["competences"][0]["acquired"].get(group) for cell in table["cells"]
    }
    return [
        (each, [(place, found.get((each["profession"], place))) for place in (None, *table["places"])])
        for each in table["professions"]
    ]


def places_within(root: str, lang: Lang) -> list[tuple[str, list[tuple[str, str]]]]:
    """What can be chosen below a place: (heading, [(code, name)]), of the nation one group a region."""

    def below(parent: str) -> list[tuple[str, str]]:
        found = [(place.code, place.name(lang)) for place in territory().values() if place.parent == parent]
        return sorted(found, key=lambda each: each[1].casefold())

    if root != NATION:
        return [("", places)] if (places := below(root)) else []
    return [(name, [(code, name), *below(code)]) for code, name in below(root)]


def by_section(questions: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """Questions under the titles of their sections."""
    found: list[tuple[str, list[Mapping[str, Any]]]] = []
    for question in questions:
        if not found or found[-1][0] != question["section"]:
            found.append((question["section"], []))
        found[-1][1].append(question)
    return found


@dataclass(frozen=True, slots=True)
class CellFault:
    """What is wrong in a workbook, and where, as the spreadsheet shows it."""

    sheet: str
    row: str
    column: str
    message: str
    remedy: str


def cell_fault(error: Mapping[str, Any]) -> CellFault:
    """A fault of an uploaded workbook; its field is sheet, row and column, as far as there are such."""
    sheet, _, rest = str(error.get("field", "")).partition(".")
    row, _, column = rest.partition(".") if rest[:1].isdigit() else ("", "", rest)
    return CellFault(sheet, row, column, str(error.get("message", "")), str(error.get("remedy", "")))
