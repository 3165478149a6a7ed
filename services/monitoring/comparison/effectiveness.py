"""The composite effectiveness index: weighted scores of what there is, with its coverage; weights are configuration.

How it is made, and how unsure the weights make ranks, follows the OECD and JRC Handbook on Constructing Composite
Indicators (2008) and Saisana, Saltelli & Tarantola (2005), JRSS A 168:307: the ranks are drawn again under weights
around the declared ones.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from services.monitoring.comparison.noise import Numbers
from services.monitoring.domain.definitions import INDICATORS
from services.monitoring.domain.formulas import Indicator, Unit
from services.monitoring.domain.periods import Period, period_at
from services.monitoring.domain.territory import Level

SOURCES: Final = (
    "OECD & JRC (2008), Handbook on Constructing Composite Indicators",
    "Saisana, Saltelli & Tarantola (2005), JRSS A 168:307",
)
CODE: Final = "INDEX"
"""How the index is named where indicators are."""
DECLARED: Final = Path(__file__).with_name("effectiveness.toml")


class WrongIndex(SystemExit):
    """Stops the start with a sentence that names the line in effectiveness.toml."""


class Bounds(BaseModel):
    """The values at which the score is 0 and 1; of what should be small the goal is below."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: float = Field(allow_inf_nan=False)
    goal: float = Field(allow_inf_nan=False)

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.low == self.goal:
            raise ValueError("low and goal must differ: between them lies the score")
        return self


class Component(Bounds):
    """One part of the index."""

    indicator: str
    weight: Annotated[float, Field(gt=0, le=1000)]
    per: Literal["institution"] | None = None
    institution: Bounds | None = None

    @model_validator(mode="after")
    def _sound(self) -> Self:
        known = INDICATORS.get(self.indicator)
        if known is None:
            raise ValueError(f"indicator {self.indicator!r} does not exist; there are {', '.join(INDICATORS)}")
        counted = known.unit in (Unit.COUNT, Unit.PERSONS)
        if counted != (self.per is not None):
            raise ValueError('counts, and only counts, need per = "institution": large places are not better ones')
        return self

    def score(self, value: float, level: Level) -> float:
        """Between 0 and 1."""
        bounds = self.institution if self.institution is not None and level is Level.INSTITUTION else self
        return min(1.0, max(0.0, (value - bounds.low) / (bounds.goal - bounds.low)))


class Composition(BaseModel):
    """The whole index."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    least_coverage: Annotated[float, Field(gt=0, le=1)]
    component: Annotated[list[Component], Field(min_length=2)]

    @model_validator(mode="after")
    def _once(self) -> Self:
        codes = [each.indicator for each in self.component]
        twice = sorted({code for code in codes if codes.count(code) > 1})
        if twice:
            raise ValueError(f"component {twice[0]} is declared twice")
        return self

    @property
    def weights(self) -> Numbers:
        """The components' weights, together 1."""
        weights = np.asarray([each.weight for each in self.component], dtype=np.float64)
        return weights / float(weights.sum())


@cache
def composition() -> Composition:
    """The index as declared."""
    return load(DECLARED)


def load(path: Path) -> Composition:
    """The index of a file; raises WrongIndex with the line and what is wrong there."""
    text = path.read_text(encoding="utf-8")
    try:
        return Composition.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as problem:
        raise WrongIndex(f"{path.name}: this is not TOML: {problem}") from None
    except ValidationError as problem:
        fault = problem.errors()[0]
        line = _line(text, [part for part in fault["loc"] if part != "component"])
        name = ".".join(map(str, fault["loc"]))
        said = fault["msg"].removeprefix("Value error, ")
        raise WrongIndex(f"{path.name}, line {line}: {f'{name}: ' if name else ''}{said}") from None


def _line(text: str, where: Sequence[int | str]) -> int:
    """The line of a field, in the component of that number if it is in one; else of what it stands in."""
    lines = text.splitlines()
    begins = [number for number, line in enumerate(lines, 1) if line.strip() == "[[component]]"]
    first, last = 1, len(lines)
    if where and isinstance(where[0], int) and where[0] < len(begins):
        first = begins[where[0]]
        last = begins[where[0] + 1] - 1 if where[0] + 1 < len(begins) else last
    for name in reversed([part for part in where if isinstance(part, str)]):
        for number in range(first, last + 1):
            if re.match(rf"\s*{re.escape(name)}\s*=", lines[number - 1]):
                return number
    return first


def fitted(indicator: Indicator, period: Period) -> Period:
    """The period of a component: the index's own, or that of the indicator's first kind in which it ends."""
    if period.kind in indicator.period_kinds:
        return period
    return period_at(indicator.period_kinds[0], period.last)


@dataclass(frozen=True, slots=True)
class Composed:
    """Of each place (row) its scores by component (nan: none), the index of 100 (nan: too little known), coverage."""

    scores: Numbers
    index: Numbers
    coverage: Numbers


def composed(scores: Numbers, declared: Composition) -> Composed:
    """The index of places from their scores (a row a place, a column a component, nan where there is none)."""
    known = ~np.isnan(scores)
    coverage = known @ declared.weights
    index = _mean(scores, declared.weights[None, :])[0]
    index[coverage < declared.least_coverage - 1e-9] = np.nan
    return Composed(scores, 100 * index, coverage)


def drawn(scores: Numbers, declared: Composition, random: "np.random.Generator", times: int) -> Numbers:
    """The index of places under weights drawn around the declared ones: a row a draw."""
    weights = random.dirichlet(declared.weights * len(declared.component), times)
    return 100 * _mean(scores, weights)


def _mean(scores: Numbers, weights: Numbers) -> Numbers:
    """Means of what is known of each place under each set of weights."""
    known = ~np.isnan(scores)
    total = weights @ known.T
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((weights @ np.where(known, scores, 0.0).T) / total, dtype=np.float64)


def parts_of(declared: Composition, scores: Sequence[float]) -> list[Mapping[str, Any]]:
    """Each component with its weight (of 1), its score, and what it adds to the index out of 100."""
    known = float(sum(weight for weight, score in zip(declared.weights, scores, strict=True) if not np.isnan(score)))
    return [
        {
            "indicator": each.indicator,
            "weight": round(float(weight), 6),
            "per": each.per,
            "score": None if np.isnan(score) else float(score),
            "adds": None if np.isnan(score) or not known else 100 * float(weight) * float(score) / known,
        }
        for each, weight, score in zip(declared.component, declared.weights, scores, strict=True)
    ]
