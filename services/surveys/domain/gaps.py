"""Required against acquired: the difference of two groups' means per competence, with its interval and significance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from services.surveys.domain.instruments import CompetencePair, PairPart
from services.surveys.domain.results import ALL_MOMENTS, Sums, summary
from services.surveys.domain.scoring import competence_measure
from services.surveys.domain.statistics import difference, shown, shown_pair
from services.surveys.domain.tallies import AT
from shared.i18n import Lang
from shared.suppression import Relation, hide

SIGNIFICANT: Final = 0.05
REQUIRED: Final = "S1"
_WHOLE: Final = ""
_NOBODY: Final = "nobody"


Moments = Mapping[tuple[str, str], int]
"""How many moments of (group, topic) may be shown; all where nothing is said."""


@dataclass(frozen=True, slots=True)
class Answered:
    """Sums by respondent group and topic, and what of them may be shown."""

    by_group: Mapping[str, Mapping[str, Sums]]
    moments: Moments = field(default_factory=dict)

    def moments_of(self, group: str, topic: str) -> int:
        """2: mean and spread; 1: the mean alone."""
        return self.moments.get((group, topic), ALL_MOMENTS)

    def of(self, group: str, topic: str, k: int) -> Sums | None:
        """The sums of one topic as one group answered it; None below k."""
        sums = self.by_group.get(group, {}).get(topic)
        return sums if sums is not None and sums.count >= k and self.moments_of(group, topic) else None


def gaps(
    pairs: Sequence[CompetencePair], answered: Answered, groups: Sequence[str], k: int, lang: Lang
) -> list[dict[str, Any]]:
    """Of each competence: how far it is required, how far acquired as each group sees it, and the gap between."""
    result = []
    for pair in pairs:
        asked = competence_measure(pair.code, PairPart.IMPORTANCE)
        required, least = answered.of(REQUIRED, asked, k), answered.moments_of(REQUIRED, asked)
        acquired = {}
        for group in groups:
            topic = competence_measure(pair.code, PairPart.SATISFACTION)
            level, own = answered.of(group, topic, k), answered.moments_of(group, topic)
            acquired[group] = {**summary(level, own), **_gap(required, level, min(least, own))}
        result.append(
            {
                "competence": pair.code,
                "name": pair.text[lang],
                "dimension": pair.dimension,
                "required": summary(required, least),
                "acquired": acquired,
            }
        )
    return result


def _gap(required: Sums | None, level: Sums | None, moments: int) -> dict[str, Any]:
    if required is None or level is None:
        return {"gap": None, "gap_interval": None, "p": None, "significant": None}
    found = difference(required, level) if moments == ALL_MOMENTS else None
    return {
        "gap": shown(required.mean - level.mean),
        "gap_interval": None if found is None else shown_pair(found.interval),
        "p": None if found is None else round(found.p, 4),
        "significant": None if found is None else found.p < SIGNIFICANT,
    }


def profession_slice(
    found: Mapping[str, Mapping[str, Sums]], topics: Sequence[str], k: int
) -> dict[str, dict[str, dict[str, Sums]]]:
    """By profession, group and topic, what may be shown of all answers of a year.

    `found` has topics of everybody and, as topic@profession, of each profession. A profession is hidden with all its
    topics where one of them was answered by too few, and others with it, so that none follows from the totals.
    """
    result: dict[str, dict[str, dict[str, Sums]]] = {}
    for group, sums in found.items():
        by_topic = {topic: _by_profession(sums, topic) for topic in topics if topic in sums}
        hidden: set[str] = set()
        grown = True
        while grown:
            before = len(hidden)
            for topic, professions in by_topic.items():
                hidden |= _hidden(professions, sums[topic].count, k, hidden)
            grown = len(hidden) > before
        for topic, professions in by_topic.items():
            for profession, one in professions.items():
                if profession not in hidden:
                    result.setdefault(profession, {}).setdefault(group, {})[topic] = one
    return result


def _by_profession(sums: Mapping[str, Sums], topic: str) -> dict[str, Sums]:
    start = f"{topic}{AT}"
    return {name.removeprefix(start): one for name, one in sums.items() if name.startswith(start)}


def _hidden(professions: Mapping[str, Sums], total: int, k: int, hidden: set[str]) -> set[str]:
    if not professions:
        return set()
    values = {profession: one.count for profession, one in professions.items()}
    nobody = total - sum(values.values())
    relation = Relation(_WHOLE, (*sorted(values), _NOBODY))
    # Who named no profession is no group of its own: known to whoever knows the rest, so no help in hiding another.
    values |= {_WHOLE: total, _NOBODY: nobody}
    found = hide(values, [relation], k, fixed={_WHOLE, _NOBODY}, hidden=hidden & professions.keys())
    return set(found) - {_WHOLE, _NOBODY}
