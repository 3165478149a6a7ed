"""Required against acquired: the difference of two groups' means per competence, with its interval and significance."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.surveys.domain.instruments import CompetencePair, PairPart
from services.surveys.domain.results import Sums, summary
from services.surveys.domain.scoring import competence_measure
from services.surveys.domain.statistics import difference, shown, shown_pair
from shared.i18n import Lang

SIGNIFICANT: Final = 0.05
REQUIRED: Final = "S1"
ACQUIRED: Final = ("S2", "S3", "S4")


Answered = Mapping[str, Mapping[str, Sums]]
"""What may be shown: sums by respondent group and topic."""


def gaps(
    pairs: Sequence[CompetencePair], answered: Answered, groups: Sequence[str], k: int, lang: Lang
) -> list[dict[str, Any]]:
    """Of each competence: how far it is required, how far acquired as each group sees it, and the gap between."""
    result = []
    for pair in pairs:
        required = _of(answered, REQUIRED, competence_measure(pair.code, PairPart.IMPORTANCE), k)
        acquired = {}
        for group in groups:
            level = _of(answered, group, competence_measure(pair.code, PairPart.SATISFACTION), k)
            acquired[group] = {**summary(level), **_gap(required, level)}
        result.append(
            {
                "competence": pair.code,
                "name": pair.text[lang],
                "dimension": pair.dimension,
                "required": summary(required),
                "acquired": acquired,
            }
        )
    return result


def _of(answered: Answered, group: str, topic: str, k: int) -> Sums | None:
    sums = answered.get(group, {}).get(topic)
    return sums if sums is not None and sums.count >= k else None


def _gap(required: Sums | None, level: Sums | None) -> dict[str, Any]:
    if required is None or level is None:
        return {"gap": None, "gap_interval": None, "p": None, "significant": None}
    found = difference(required, level)
    return {
        "gap": shown(required.mean - level.mean),
        "gap_interval": None if found is None else shown_pair(found.interval),
        "p": None if found is None else round(found.p, 4),
        "significant": None if found is None else found.p < SIGNIFICANT,
    }
