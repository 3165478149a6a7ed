"""Recommendations and rules as the templates show them: evidence in words and numbers, a chart of what followed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from shared import i18n
from shared.i18n import Catalogue, Lang

TONES: Final = {"urgent": "warn", "important": "gold", "notice": ""}
STATUS_TONES: Final = {"open": "", "accepted": "live", "done": "live", "resolved": "live", "dismissed": "past"}
MEASURED_AS_VALUE: Final = ("threshold", "before", "median", "quantile")
WIDTH, HEIGHT = 640, 180
_LEFT, _RIGHT, _TOP, _BOTTOM = 8, 8, 24, 26
WORKED_ON: Final = ("open", "accepted")
CLOSED: Final = ("done", "dismissed", "resolved", "expired")


@dataclass(frozen=True, slots=True)
class Fact:
    """A piece of evidence: what it is, and how much."""

    label: str
    text: str


class Shower:
    """Words and numbers of one language."""

    def __init__(self, catalogue: Catalogue, lang: Lang) -> None:
        self._catalogue = catalogue
        self._lang = lang

    def say(self, key: str, **params: object) -> str:
        """A text of these pages."""
        return self._catalogue.text(f"advice.{key}", self._lang, **params)

    def amount(self, value: float | None, unit: str) -> str:
        """A value of a unit."""
        if value is None:
            return "–"
        if unit == "ratio":
            return i18n.percent(value, self._lang)
        return i18n.number(value, self._lang, 2 if unit == "score" else 1)

    def day(self, text: str | None) -> str:
        """A day in words."""
        return i18n.day(date.fromisoformat(text[:10]), self._lang) if text else ""

    def facts(self, told: Mapping[str, Any], unit: str) -> list[Fact]:
        """The evidence, piece by piece, in the order in which one asks for it."""
        found: list[tuple[str, str]] = []
        if told.get("state"):
            found.append(("state", self.say(f"gate.{told['state']}")))
        if told.get("value") is not None:
            found.append(("value", self._value(told, unit)))
        found += self._numbers(told, {"count": 0})
        found += self._shares(told, {"coverage": 1})
        for name in MEASURED_AS_VALUE:
            if told.get(name) is not None:
                found.append((name, self.amount(told[name], _unit_of(name, told, unit))))
        found += [("before_period", str(told["before_period"]))] if told.get("before_period") else []
        found += self._numbers(told, {"peers": 0})
        found += self._shares(told, {"p_value": 2})
        found += [("period", str(told["period"]))] if told.get("period") else []
        return [Fact(self.say(f"fact.{name}"), text) for name, text in found]

    def _value(self, told: Mapping[str, Any], unit: str) -> str:
        text = self.amount(told["value"], unit)
        if not told.get("denominator"):
            return text
        top, bottom = (i18n.number(told[each] or 0, self._lang, 0) for each in ("numerator", "denominator"))
        return f"{text} ({top} / {bottom})"

    def _numbers(self, told: Mapping[str, Any], names: Mapping[str, int]) -> list[tuple[str, str]]:
        known = [(name, digits) for name, digits in names.items() if told.get(name) is not None]
        return [(name, i18n.number(told[name], self._lang, digits)) for name, digits in known]

    def _shares(self, told: Mapping[str, Any], names: Mapping[str, int]) -> list[tuple[str, str]]:
        known = [(name, digits) for name, digits in names.items() if told.get(name) is not None]
        return [(name, i18n.percent(told[name], self._lang, digits)) for name, digits in known]


def _unit_of(name: str, told: Mapping[str, Any], unit: str) -> str:
    """In what a threshold is told: of work and causes how many, of trends a change, of peers and reports a share."""
    if name != "threshold":
        return unit
    if told.get("count") is not None:
        return "count"
    return "ratio" if told.get("p_value") is not None or told.get("value") is None else unit


@dataclass(frozen=True, slots=True)
class Mark:
    """A measuring on the chart."""

    x: float
    y: float
    label: str
    day: str
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What the indicator did since it was recommended: a line through the measurings, drawn without any script."""

    line: str
    marks: tuple[Mark, ...]
    base: float
    threshold: float | None
    box: str = f"0 0 {WIDTH} {HEIGHT}"


def chart(measured: Sequence[Mapping[str, Any]], threshold: float | None, unit: str, shower: Shower) -> Chart | None:
    """The chart of the measurings; None where fewer than two have a value."""
    known = [each for each in measured if each.get("value") is not None]
    if len(known) < 2:
        return None
    days = [date.fromisoformat(each["on"]).toordinal() for each in known]
    values = [float(each["value"]) for each in known]
    high = max([*values, threshold or 0.0]) or 1.0
    low = min([*values, 0.0])
    span = max(1, days[-1] - days[0])

    def x(index: int) -> float:
        # Measurings of the same days lie side by side: time and order share the width.
        share = (days[index] - days[0]) / span * 0.6 + index / (len(known) - 1) * 0.4
        return round(_LEFT + 30 + share * (WIDTH - _LEFT - _RIGHT - 100), 1)

    def y(value: float) -> float:
        return round(_TOP + (high - value) / ((high - low) or 1.0) * (HEIGHT - _TOP - _BOTTOM), 1)

    marks = tuple(
        Mark(
            x(index),
            y(value),
            shower.say(f"measured.{each['what']}"),
            shower.day(each["on"]),
            shower.amount(value, unit),
        )
        for index, (each, value) in enumerate(zip(known, values, strict=True))
    )
    line = " ".join(f"{mark.x},{mark.y}" for mark in marks)
    return Chart(line, marks, y(0.0), None if threshold is None else y(threshold))
