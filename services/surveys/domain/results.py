"""Results of a campaign as they may be shown: nothing below k responses, and moving in steps of k only."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.surveys.domain.instruments import Instrument, PairPart
from services.surveys.domain.scoring import INDEX, THOUSANDTHS, competence_measure
from shared.i18n import Lang

DIGITS: Final = 3


@dataclass(frozen=True, slots=True)
class Sums:
    """Count, sum and sum of squares of a measure's values per response, in thousandths."""

    count: int
    total: int
    squares: int


def summary(sums: Sums | None) -> dict[str, Any]:
    """Count, mean and spread (sample standard deviation) on the scale 0..100; all null where nothing is released."""
    if sums is None:
        return {"count": None, "mean": None, "spread": None, "suppressed": True}
    # Exact integers up to the root: n·Σx² − (Σx)² would lose digits as a float.
    scatter = sums.count * sums.squares - sums.total * sums.total
    spread = math.sqrt(scatter / (sums.count * (sums.count - 1))) if sums.count > 1 else None
    return {
        "count": sums.count,
        "mean": round(sums.total / sums.count / THOUSANDTHS, DIGITS),
        "spread": None if spread is None else round(spread / THOUSANDTHS, DIGITS),
        "suppressed": False,
    }


def shown_count(count: int, step: int) -> int | None:
    """A count of persons, or None below `step`, zero included: nobody can tell none from a few."""
    return count if count >= step else None


def results(instrument: Instrument, released: Mapping[str, Sums], lang: Lang) -> dict[str, Any]:
    """Index, dimensions and competences of an instrument from the released sums of its campaign.

    A competence's gap is the mean importance less the mean level: positive where more is required than is there.
    """
    return {
        "index": summary(released.get(INDEX)),
        "dimensions": [
            {"dimension": dimension.value, **summary(released.get(dimension.value))}
            for dimension in instrument.dimensions
        ],
        "competences": [
            _competence(pair.code, pair.text[lang], pair.dimension, released) for pair in instrument.competences
        ],
    }


def _competence(code: str, name: str, dimension: str | None, released: Mapping[str, Sums]) -> dict[str, Any]:
    parts = {part: summary(released.get(competence_measure(code, part))) for part in PairPart}
    importance, level = parts[PairPart.IMPORTANCE]["mean"], parts[PairPart.SATISFACTION]["mean"]
    gap = None if importance is None or level is None else round(importance - level, DIGITS)
    shown = {part.value: summarised for part, summarised in parts.items()}
    return {"competence": code, "name": name, "dimension": dimension, **shown, "gap": gap}
