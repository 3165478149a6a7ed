"""From amounts to a value: formula, coverage, and what must be withheld."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.monitoring.domain.formulas import Amounts, Indicator, Privacy, deviation
from services.monitoring.domain.measures import INSTITUTIONS
from services.monitoring.domain.persons import family_of


@dataclass(frozen=True, slots=True)
class Value:
    """A value as it may be shown; numbers are null where there is nothing to say, or where it may not be said."""

    value: float | None
    numerator: int | None
    denominator: int | None
    coverage: float | None
    suppressed: bool
    parts: Mapping[str, float | None]


UNKNOWN = Value(None, None, None, None, False, {})
"""Nothing is said: neither a number, nor that one is withheld."""


@dataclass(frozen=True, slots=True)
class Openness:
    """What may be shown of persons at a place in a period: how many, and the divisions (bits) they fall into."""

    value: bool
    divisions: int

    def shows(self, divisions: int) -> bool:
        """Whether that may be shown for which these divisions must be open."""
        return self.value and self.divisions & divisions == divisions


@dataclass(frozen=True, slots=True)
class _Needs:
    """The divisions that must be open for the value, its coverage and its parts to be shown."""

    value: int
    coverage: int
    parts: Mapping[str, int]


_NEEDS: dict[str, _Needs] = {}


def _needs(indicator: Indicator) -> _Needs:
    found = _NEEDS.get(indicator.code)
    if found is None:
        of = family_of(indicator).divisions_of
        found = _NEEDS[indicator.code] = _Needs(
            of(indicator.numerator, indicator.denominator),
            of(indicator.coverage),
            {name: of(term) for name, term in indicator.parts.items()},
        )
    return found


CLOSED = Openness(value=False, divisions=0)


def value_of(
    indicator: Indicator,
    amounts: Amounts,
    *,
    institution: bool,
    withheld: bool,
    k: int,
    parts: bool = True,
    openness: Openness | None = None,
) -> Value:
    """The indicator's value from its measures' amounts; without its `parts` if they aren't wanted.

    `institution`: at the institution itself. `withheld`: responses are there, but fewer than k are new (surveys).
    Counts of persons between 0 and k are withheld, a ratio of such counts with them, and so is a part that, or whose
    rest, is such a count – whatever `openness` says, which is about what could be computed from other values.
    """
    numerator = (indicator.own[0] if institution and indicator.own else indicator.numerator)(amounts)
    bottom = indicator.own[1] if institution and indicator.own else indicator.denominator
    denominator = bottom(amounts) if bottom else None
    coverage = None
    if indicator.coverage:
        whole = indicator.coverage_of(amounts) if indicator.coverage_of else amounts(INSTITUTIONS)
        coverage = min(1.0, indicator.coverage(amounts) / whole) if whole > 0 else None
    few = indicator.privacy is Privacy.PERSONS and _few(numerator, denominator, k)
    if openness and indicator.privacy is Privacy.PERSONS:
        few = few or not openness.shows(_needs(indicator).value)
    if indicator.coverage_of and (few or (openness and not openness.shows(_needs(indicator).coverage))):
        coverage = None  # it is a share of the same few persons
    if withheld or few:
        return Value(None, None, None, coverage, True, dict.fromkeys(indicator.parts) if parts else {})
    shown = _parts(indicator, amounts, numerator, k) if parts else {}
    if openness and shown and indicator.privacy is Privacy.PERSONS:
        needs = _needs(indicator).parts
        shown.update(dict.fromkeys(name for name in shown if not openness.shows(needs.get(name, 0))))
    if denominator is None:
        return Value(numerator, numerator, None, coverage, False, shown)
    if denominator <= 0:
        # Nothing to divide by. Where nothing was reported either, there is no number at all: null is not zero.
        return Value(None, numerator or None, denominator or None, coverage, False, shown)
    return Value(numerator / denominator / indicator.scale, numerator, denominator, coverage, False, shown)


def _few(numerator: int, denominator: int | None, k: int) -> bool:
    """Whether the numbers are of fewer than k persons, or tell of so few by their difference."""
    if denominator is None:
        return 0 < numerator < k
    return any(0 < count < k for count in (numerator, denominator, denominator - numerator))


def _parts(indicator: Indicator, amounts: Amounts, numerator: int, k: int) -> dict[str, float | None]:
    parts: dict[str, float | None] = {name: term(amounts) for name, term in indicator.parts.items()}
    if indicator.privacy is Privacy.PERSONS:
        _withhold(indicator, parts, numerator, k)
    if indicator.spread:
        spread = deviation(*map(amounts, indicator.spread))
        parts["spread"] = None if spread is None else spread / indicator.scale
    return parts


def _withhold(indicator: Indicator, parts: dict[str, float | None], numerator: int, k: int) -> None:
    """Hide parts that are few persons, or whose rest is; of groups that make up the whole, so many that no hidden one
    follows from those shown."""
    for name, part in parts.items():
        few = part is not None and (0 < part < k or 0 < abs(numerator - part) < k)
        if few and name not in indicator.amounts and name not in indicator.groups:
            parts[name] = None
    groups = sorted((part, name) for name in indicator.groups if (part := parts[name]))
    hidden = [name for part, name in groups if part < k]
    for _, name in groups[len(hidden) :]:
        if not hidden or sum(each for each, other in groups if other in hidden) >= k:
            break
        hidden.append(name)
    parts.update(dict.fromkeys(hidden))
