"""From amounts to a value: formula, coverage, and what must be withheld."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.monitoring.domain.definitions import Amounts, Indicator, Privacy, deviation
from services.monitoring.domain.measures import INSTITUTIONS


@dataclass(frozen=True, slots=True)
class Value:
    """A value as it may be shown; numbers are null where there is nothing to say, or where it may not be said."""

    value: float | None
    numerator: int | None
    denominator: int | None
    coverage: float | None
    suppressed: bool
    parts: Mapping[str, float | None]


def value_of(
    indicator: Indicator, amounts: Amounts, *, institution: bool, withheld: bool, k: int, parts: bool = True
) -> Value:
    """The indicator's value from its measures' amounts; without its `parts` if they aren't wanted.

    `institution`: at the institution itself. `withheld`: responses are there, but fewer than k are new (surveys).
    Counts of persons between 0 and k are withheld, and so is a part that, or whose rest, is such a count.
    """
    numerator = (indicator.own[0] if institution and indicator.own else indicator.numerator)(amounts)
    bottom = indicator.own[1] if institution and indicator.own else indicator.denominator
    denominator = bottom(amounts) if bottom else None
    coverage = None
    if indicator.coverage:
        at_work = amounts(INSTITUTIONS)
        coverage = min(1.0, indicator.coverage(amounts) / at_work) if at_work > 0 else None
    if withheld or (indicator.privacy is Privacy.PERSONS and 0 < numerator < k):
        return Value(None, None, None, coverage, True, dict.fromkeys(indicator.parts) if parts else {})
    shown = _parts(indicator, amounts, numerator, k) if parts else {}
    if denominator is None:
        return Value(numerator, numerator, None, coverage, False, shown)
    if denominator <= 0:
        # Nothing to divide by. Where nothing was reported either, there is no number at all: null is not zero.
        return Value(None, numerator or None, denominator or None, coverage, False, shown)
    return Value(numerator / denominator / indicator.scale, numerator, denominator, coverage, False, shown)


def _parts(indicator: Indicator, amounts: Amounts, numerator: int, k: int) -> dict[str, float | None]:
    parts: dict[str, float | None] = {name: term(amounts) for name, term in indicator.parts.items()}
    if indicator.privacy is Privacy.PERSONS:
        parts = {
            name: None if part is not None and (0 < part < k or 0 < numerator - part < k) else part
            for name, part in parts.items()
        }
    if indicator.spread:
        spread = deviation(*map(amounts, indicator.spread))
        parts["spread"] = None if spread is None else spread / indicator.scale
    return parts
