"""Comparison as the templates show it: intervals and box figures as shapes, numbers in words of one language."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared import i18n
from shared.i18n import Lang

WIDTH, HEIGHT, FOOT = 640.0, 200.0, 46.0
"""Of the figure of a spread; its foot holds the box."""
COURSES: Final = {
    "met": "live", "on_course": "live", "possible": "gold", "off_course": "warn", "missed": "warn",
    "unknown": "past", "none": "past",
}  # fmt: skip
BANDS: Final = {"upper": "live", "lower": "warn", "open": "past"}


def amount(value: float | None, unit: str, lang: Lang) -> str:
    """A value of a unit."""
    if value is None:
        return "–"
    if unit == "ratio":
        return i18n.percent(value, lang)
    whole = unit != "score" and float(value).is_integer()
    return i18n.number(value, lang, 0 if whole else 1)


@dataclass(frozen=True, slots=True)
class Line:
    """An interval on a common scale of 0…100: from, to, and where the estimate and the bare value lie."""

    low: float
    high: float
    at: float
    bare: float | None


@dataclass(frozen=True, slots=True)
class Scale:
    """The values between which the shapes of a page are drawn."""

    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float | None]) -> "Scale":
        """The scale of the known values, with a little room at both ends."""
        known = [value for value in values if value is not None]
        low, high = (min(known), max(known)) if known else (0.0, 1.0)
        room = (high - low) * 0.05 or 0.5
        return cls(low - room, high + room)

    def at(self, value: float) -> float:
        """Where a value lies, 0…100."""
        return round(max(0.0, min(100.0, (value - self.low) / (self.high - self.low) * 100)), 2)


def rows_of(items: Sequence[Mapping[str, Any]], unit: str, lang: Lang, *, per: bool) -> list[dict[str, Any]]:
    """Places of a ranking with their texts and intervals."""
    ranked = [each for each in items if each["rank"] is not None]
    own = "per_institution" if per else "value"
    # By the intervals alone: a bare value far out would press all others together; it is drawn at the end.
    scale = Scale.of([each[name] for each in ranked for name in ("low", "high")])
    return [
        {
            **each,
            "text": amount(each["value"], unit, lang),
            "bare": amount(each.get(own), unit, lang),
            "estimated": amount(each.get("estimate"), unit, lang),
            "between": f"{amount(each['low'], unit, lang)} – {amount(each['high'], unit, lang)}"
            if each["rank"] is not None
            else "",
            "fraction": _fraction(each, unit, lang),
            "tone": BANDS.get(each.get("band", ""), ""),
            "line": Line(scale.at(each["low"]), scale.at(each["high"]), scale.at(each["estimate"]), scale.at(each[own]))
            if each["rank"] is not None
            else None,
            "target": each.get("target"),
            "goal": amount(each["target"]["value"], unit, lang) if each.get("target") else None,
        }
        for each in items
    ]


def _fraction(each: Mapping[str, Any], unit: str, lang: Lang) -> str:
    if unit == "score" or not each["denominator"]:
        return ""
    top, bottom = (i18n.number(each[part] or 0, lang) for part in ("numerator", "denominator"))
    return f"{top} / {bottom}"


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a histogram."""

    x: float
    y: float
    width: float
    height: float
    text: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A spread as a histogram above a box figure; `own` is where one place lies in it."""

    bars: tuple[Bar, ...]
    low: float
    lower: float
    median: float
    upper: float
    high: float
    own: float | None
    least: str
    most: str
    box: str = f"0 0 {WIDTH:g} {HEIGHT:g}"


def figure(spread: Mapping[str, Any] | None, unit: str, lang: Lang, own: float | None = None) -> Figure | None:
    """The figure of a spread; None where nothing is known."""
    if spread is None:
        return None
    low, high = spread["least"], spread["most"]
    if own is not None:
        low, high = min(low, own), max(high, own)
    span = (high - low) or 1.0

    def x(value: float) -> float:
        return round(10 + float((value - low) / span) * (WIDTH - 20), 1)

    most = max((each["count"] for each in spread["bins"]), default=1) or 1
    floor = HEIGHT - FOOT
    bars = []
    for each in spread["bins"]:
        tall = each["count"] / most * (floor - 12)
        left, right = x(each["from"]), x(each["to"])
        text = f"{amount(each['from'], unit, lang)} – {amount(each['to'], unit, lang)}: {each['count']}"
        bars.append(Bar(left, round(floor - tall, 1), max(3.0, round(right - left - 1.5, 1)), round(tall, 1), text))
    box = spread["box"]
    return Figure(
        bars=tuple(bars),
        low=x(box["low"]),
        lower=x(box["lower"]),
        median=x(box["median"]),
        upper=x(box["upper"]),
        high=x(box["high"]),
        own=None if own is None else x(own),
        least=amount(low, unit, lang),
        most=amount(high, unit, lang),
    )


def quantiles_of(spread: Mapping[str, Any], unit: str, lang: Lang) -> list[tuple[str, str]]:
    """(share of places, value below which they lie)."""
    return [
        (i18n.percent(float(share), lang, 0), amount(value, unit, lang)) for share, value in spread["quantiles"].items()
    ]


def component_of(each: Mapping[str, Any], lang: Lang) -> dict[str, Any]:
    """A component of the index with its texts."""
    unit = each["indicator"]["unit"]
    return {
        **each,
        "text": amount(each["value"], unit, lang),
        "weight_text": i18n.percent(each["weight"], lang, 0),
        "score_text": "" if each["score"] is None else i18n.number(100 * each["score"], lang, 0),
        "adds_text": "" if each["adds"] is None else i18n.number(each["adds"], lang, 1),
        "bar": 0 if each["score"] is None else round(100 * each["score"], 1),
    }


def target_of(each: Mapping[str, Any], lang: Lang) -> dict[str, Any]:
    """A target with its texts."""
    unit, progress = each["indicator"]["unit"], each.get("progress")
    told: dict[str, Any] = {**each, "text": amount(each["value"], unit, lang), "shown": None}
    if progress:
        now = progress["running"] if progress["running"] is not None and unit in ("ratio", "score") else None
        told["shown"] = {
            **progress,
            "tone": COURSES[progress["course"]],
            "value_text": amount(progress["value"] if now is None else now, unit, lang),
            "left_text": "" if progress["left"] is None else amount(abs(progress["left"]), unit, lang),
            "projected_text": "" if progress["projected"] is None else amount(progress["projected"], unit, lang),
        }
    return told


def parts_of(items: Sequence[Mapping[str, Any]], lang: Lang) -> list[dict[str, Any]]:
    """Rows of a breakdown with their bars."""
    names = [name for name in (items[0] if items else {}) if name != "key"]
    most = max((each[names[0]] or 0 for each in items), default=0) or 1
    return [
        {
            **each,
            "texts": ["–" if each[name] is None else i18n.number(each[name], lang) for name in names],
            "bar": round(100 * (each[names[0]] or 0) / most, 1),
        }
        for each in items
    ]
