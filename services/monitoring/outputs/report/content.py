"""The report's content: sections in the order of reading, every number already in words."""

from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any, Final

from services.monitoring.advice.declarations import rule_text
from services.monitoring.advice.lifecycle import SEVERITIES
from services.monitoring.comparison.effectiveness import composition, parts_of
from services.monitoring.domain.definitions import INDICATORS
from services.monitoring.domain.formulas import Indicator
from services.monitoring.domain.gates import GATES
from services.monitoring.domain.periods import Period
from services.monitoring.domain.territory import Level, Place
from services.monitoring.domain.values import Value
from services.monitoring.outputs.dictionary import entries, group_name, part_name
from services.monitoring.outputs.printing.language import language_of
from services.monitoring.outputs.report.gathering import Figure, Gathered
from services.monitoring.outputs.report.wording import Words
from services.monitoring.outputs.shapes import MAP_HEIGHT, MAP_WIDTH, outlines
from shared.contracts.monitoring import RecommendationState
from shared.i18n import Catalogue, Lang
from shared.outlines import Outline

TILES: Final = ("I1", "I2", "I3", "I4", "I5", "F1", "F3", "STAGE")
MAPS: Final = ("I1", "I5", "I4", "STAGE")
TRENDS: Final = ("I1", "I2", "I3", "I4", "I5", "F1", "F3", "STAGE")
TABLES: Final = (("I1", "I2", "I3", "I4", "I5", "STAGE"), ("F1", "F2", "F3", "F4", "F5", "F6", "F7"))
GATE_PARTS: Final = ("met", "in_progress", "lapsed", "missing")
NOTES: Final = ("sums", "null", "privacy", "surveys", "periods", "events")
SHADES: Final = 6
ROOM_WIDTH, ROOM_HEIGHT = 100, 95
MOST_ROWS: Final = 250
NONE: Final = "–"
Section = dict[str, Any]


def content(told: Gathered, catalogue: Catalogue, lang: Lang) -> dict[str, Any]:
    """The content of the report."""
    words = Words(catalogue, lang)
    place, period = words.place(told.root), words.period(told.period)
    writer = _Writer(told, words)
    return {
        **language_of(lang),
        "ministry": words.say("ministry"),
        "title": words.say("title"),
        "description": words.say("lead"),
        "place": place,
        "period": period,
        "made_at": told.made_at.isoformat(),
        "head": writer.head(),
        "status": writer.status(),
        "footer": words.say("footer", day=words.today(told.made_at), version=version("hamkor")),
        "page": words.say("page"),
        "sections": [section for section in writer.sections() if section is not None],
    }


class _Writer:
    def __init__(self, told: Gathered, words: Words) -> None:
        self._told = told
        self._words = words
        self._say = words.say

    def head(self) -> list[str]:
        told, words = self._told, self._words
        lines = [self._say("made", moment=words.moment(told.made_at))]
        if told.above:
            lines.insert(0, " › ".join(words.place(each) for each in told.above))
        if told.as_of:
            lines.append(self._say("as_of", moment=words.moment(told.as_of)))
        return lines

    def status(self) -> dict[str, str]:
        told, words = self._told, self._words
        if told.published is None:
            text = self._say("status.under_way") if told.under_way else self._say("status.known_now")
            return {"tone": "open", "text": text}
        edition = told.published.edition
        by = words.place(told.published_by) if told.published_by else told.published.by
        text = self._say(
            "status.published",
            edition=edition.edition,
            moment=words.moment(edition.made_at),
            by=by,
            digest=edition.digest[:16],
        )
        return {"tone": "good", "text": text}

    def sections(self) -> Iterable[Section | None]:
        yield self._section("tiles", "summary", tiles=[self._tile(code) for code in TILES])
        yield self._section("points", "", points=list(self._points()))
        if self._told.root.level is Level.NATION:
            yield self._maps()
        yield from self._tables()
        yield from self._index()
        yield from self._indicators()
        yield self._section("trends", "trends", charts=[self._chart(code) for code in TRENDS])
        yield from self._advice()
        yield self._progress()
        yield from self._method()

    def _section(self, kind: str, title: str, *, level: int = 1, **more: Any) -> Section:
        return {
            "type": kind,
            "level": level if title else 2,
            "title": self._say(f"section.{title}") if title else "",
            "intro": self._say(f"intro.{title}")
            if title and self._words.catalogue.has(f"report.intro.{title}")
            else "",
            **more,
        }

    def _tile(self, code: str) -> dict[str, Any]:
        figure = self._told.figures[code]
        change, tone = self._words.change(figure.indicator, figure.value, figure.before)
        return {
            "code": code,
            "name": self._words.name(figure.indicator) + self._note(figure.period),
            "value": self._words.value(figure.indicator, figure.value),
            "hidden": figure.value.suppressed,
            "change": change,
            "tone": tone,
        }

    def _note(self, period: Period) -> str:
        return "" if period == self._told.period else f" ({self._words.short(period)})"

    def _points(self) -> Iterable[str]:
        told, words = self._told, self._words
        at_work = told.figures["R1"].value.denominator
        if at_work:
            yield self._say("point.institutions", count=at_work)
        tones = [words.change(each.indicator, each.value, each.before)[1] for each in told.figures.values()]
        if any(tones):
            yield self._say(
                "point.moved",
                better=words.number(tones.count("good")),
                worse=words.number(tones.count("bad")),
            )
        yield from self._extremes("I5")
        yield from self._extremes("STAGE")
        counts = told.counts
        waiting = counts["own"]["open"] + counts["below"]["open"]
        if waiting:
            urgent = counts["own"]["urgent"] + counts["below"]["urgent"]
            overdue = counts["own"]["overdue"] + counts["below"]["overdue"]
            yield self._say(
                "point.advice", open=words.number(waiting), urgent=words.number(urgent), overdue=words.number(overdue)
            )
        reported = told.figures["T1"].value
        if reported.value is not None:
            yield self._say("point.reported", share=words.percent(reported.value))

    def _extremes(self, code: str) -> Iterable[str]:
        """Who is highest and lowest among the units below; institutions are not ranked by one number."""
        told, words = self._told, self._words
        known = [
            (value.value, child)
            for child in told.children
            if child.level is not Level.INSTITUTION
            and (value := told.below.get((child.id, code)))
            and value.value is not None
        ]
        if len(known) > 2:
            indicator = told.figures[code].indicator
            ordered = sorted(known, key=lambda each: (each[0], each[1].code))
            (low, lowest), (high, highest) = ordered[0], ordered[-1]
            if high > low:
                yield self._say(
                    "point.extremes",
                    name=words.name(indicator),
                    highest=words.place(highest),
                    high=words.amount(indicator, high),
                    lowest=words.place(lowest),
                    low=words.amount(indicator, low),
                )

    def _maps(self) -> Section:
        shapes = [
            {"code": each.code, "rings": each.rings, "x": each.x, "y": each.y, "small": each.small}
            for each in outlines()
        ]
        maps = [self._map(code) for code in MAPS]
        return self._section("maps", "maps", outlines=shapes, width=MAP_WIDTH, height=MAP_HEIGHT, maps=maps)

    def _map(self, code: str) -> dict[str, Any]:
        told, words = self._told, self._words
        figure = told.figures[code]
        indicator = figure.indicator
        values = {child.code: told.below.get((child.id, code)) for child in told.children}
        known = {place: value.value for place, value in values.items() if value and value.value is not None}
        low, high = min(known.values(), default=0.0), max(known.values(), default=0.0)
        step = (high - low) / SHADES

        def shade(value: float) -> int:
            return min(SHADES - 1, int((value - low) / step)) if step else SHADES // 2

        roomy = {each.code for each in outlines() if _roomy(each)}
        bounds = [words.amount(indicator, low + number * step) for number in range(SHADES + 1)]
        legend: list[dict[str, Any]] = [
            {"shade": number, "label": f"{bounds[number]}–{bounds[number + 1]}"}
            for number in range(SHADES if step else 0)
        ]
        each_place = "; ".join(
            f"{words.place(child)}: {words.value(indicator, values[child.code])}" for child in told.children
        )
        if known and not step:
            legend.append({"shade": SHADES // 2, "label": words.amount(indicator, low)})
        if len(known) < len(values):
            legend.append({"shade": None, "label": self._say("no_value")})
        return {
            "code": code,
            "name": words.name(indicator) + self._note(figure.period),
            "shades": {place: shade(value) for place, value in known.items()},
            "labels": {
                place: words.value(indicator, value, brief=True) for place, value in values.items() if place in roomy
            },
            "legend": legend,
            "here": "",
            "alt": f"{self._say('map_alt', name=words.name(indicator))} {each_place}",
        }

    def _indicators(self) -> Iterable[Section]:
        yield self._section("heading", "indicators")
        groups: dict[str, list[Figure]] = {}
        for figure in self._told.figures.values():
            groups.setdefault(figure.indicator.group, []).append(figure)
        for group, figures in groups.items():
            title = group_name(self._words.catalogue, self._words.lang, group)
            gates = [each for each in figures if each.indicator.code in GATES]
            others = [self._row(each) for each in figures if each not in gates]
            if others:
                yield {
                    **self._section("indicators", ""),
                    "title": title,
                    "head": self._head("indicators"),
                    "rows": others,
                }
            if gates:
                yield self._gates(gates, "" if others else title)

    def _head(self, table: str) -> list[str]:
        return self._say(f"head.{table}").split("|")

    def _row(self, figure: Figure) -> dict[str, Any]:
        words, indicator = self._words, figure.indicator
        change, tone = words.change(indicator, figure.value, figure.before)
        return {
            "code": indicator.code,
            "name": words.name(indicator),
            "note": self._note(figure.period).strip(),
            "value": words.value(indicator, figure.value),
            "fraction": words.fraction(indicator, figure.value),
            "change": change,
            "tone": tone,
            "points": [each.value for each in figure.series],
        }

    def _gates(self, gates: Sequence[Figure], title: str) -> Section:
        words = self._words
        names = [{"tone": part, "name": part_name(words.catalogue, words.lang, part)} for part in GATE_PARTS]
        return {
            **self._section("bars", ""),
            "title": title,
            "legend": names,
            "head": self._head("gates"),
            "rows": [
                {
                    "code": each.indicator.code,
                    "name": words.name(each.indicator),
                    "value": words.value(each.indicator, each.value),
                    "segments": _segments(each),
                }
                for each in gates
            ],
        }

    def _tables(self) -> Iterable[Section]:
        told, words = self._told, self._words
        if not told.children:
            return
        shown = told.children[:MOST_ROWS]
        for number, codes in enumerate(TABLES):
            indicators = [told.figures[code].indicator for code in codes]
            rows = [
                [
                    words.place(told.root),
                    *(words.value(each, told.figures[each.code].value, brief=True) for each in indicators),
                ]
            ]
            rows += [
                [
                    words.place(child),
                    *(words.value(each, told.below.get((child.id, each.code)), brief=True) for each in indicators),
                ]
                for child in shown
            ]
            head = [self._say("head.place"), *(self._column(each) for each in codes)]
            section = self._section("table", "below" if number == 0 else "")
            yield {**section, "head": head, "rows": rows, "total": True, "left": False}
        if len(told.children) > MOST_ROWS:
            left = self._say("more_rows", count=len(told.children) - MOST_ROWS)
            yield self._section("points", "", points=[left])

    def _index(self) -> Iterable[Section]:
        """The effectiveness index: of the place and those below, then what the place's own is made of."""
        words = self._words
        rows = [
            [words.place(shown.place), self._index_value(shown.value), words.percent(shown.coverage or 0.0, 0)]
            for shown, _ in self._told.index[: MOST_ROWS + 1]
        ]
        head = self._head("index")
        yield {**self._section("table", "index"), "head": head, "rows": rows, "total": len(rows) > 1, "left": False}
        own, values = self._told.index[0]
        parts = []
        for part, found in zip(parts_of(composition(), own.scores), values, strict=True):
            indicator = INDICATORS[part["indicator"]]
            parts.append(
                [
                    f"{indicator.code} {words.name(indicator)}",
                    words.value(indicator, found.value, brief=True),
                    words.percent(part["weight"], 0),
                    NONE if part["score"] is None else words.percent(part["score"], 0),
                    self._index_value(part["adds"]),
                ]
            )
        yield {
            **self._section("table", ""),
            "head": self._head("index_parts"),
            "rows": parts,
            "total": False,
            "left": True,
        }
        if self._told.index_of_now:
            of_now = self._say("index_of_now", codes=", ".join(self._told.index_of_now))
            yield self._section("points", "", points=[of_now])

    def _index_value(self, value: float | None) -> str:
        return NONE if value is None else self._words.number(value, 1)

    def _line(self, place: Place, values: Sequence[tuple[Indicator, Value | None]]) -> list[str]:
        words = self._words
        return [words.place(place), *(words.value(each, value, brief=True) for each, value in values)]

    def _column(self, code: str) -> str:
        figure = self._told.figures[code]
        label = self._say("stage_column") if code == "STAGE" else code
        return label + self._note(figure.period)

    def _chart(self, code: str) -> dict[str, Any]:
        words = self._words
        figure = self._told.figures[code]
        indicator = figure.indicator
        points = [each.value for each in figure.series]
        known = [each for each in points if each is not None]
        high = max(known, default=0.0)
        low = min(known, default=0.0)
        floor = 0.0 if low >= 0 else low
        told = "; ".join(
            f"{words.short(period)}: {words.value(indicator, value)}"
            for period, value in zip(figure.periods, figure.series, strict=True)
        )
        return {
            "code": code,
            "name": words.name(indicator),
            "points": points,
            "low": floor,
            "high": high,
            "low_text": words.amount(indicator, floor) if known else "",
            "high_text": words.amount(indicator, high) if known and high > floor else "",
            "first": words.short(figure.periods[0]),
            "last": words.short(figure.periods[-1]),
            "alt": self._say("chart_alt", name=words.name(indicator)) + " " + told,
        }

    def _advice(self) -> Iterable[Section]:
        told, words = self._told, self._words
        counts = told.counts
        states = ("open", "accepted", "urgent", "overdue")
        rows = [
            [self._say(f"advice.{where}"), *(words.number(counts[where][state]) for state in states)]
            for where in ("own", "below")
            if where == "own" or told.children
        ]
        head = ["", *(self._say(f"advice.{state}") for state in states)]
        yield {**self._section("table", "advice"), "head": head, "rows": rows, "total": False, "left": False}
        if not told.advice:
            yield self._section("points", "", points=[self._say("advice.none")])
            return
        pressing = {number: severity for severity, number in SEVERITIES.items()}
        listed = []
        for row in told.advice:
            state = RecommendationState.model_validate(row.state)
            place = told.places.get(state.place)
            listed.append(
                [
                    rule_text(words.catalogue, state.rule, "title", words.lang),
                    state.element,
                    words.place(place) if place else state.place,
                    self._say(f"severity.{pressing[row.severity].value}"),
                    words.day(state.due_on),
                ]
            )
        section = self._section("table", "", level=2)
        yield {
            **section,
            "title": self._say("advice.pressing"),
            "head": self._head("advice"),
            "rows": listed,
            "total": False,
            "left": True,
        }

    def _progress(self) -> Section:
        told, words = self._told, self._words
        section = self._section("table", "progress")
        rows = []
        for level in ("institution", "district", "region"):
            counts = told.progress.get(level)
            if counts:
                done = counts.get("submitted", 0) + counts.get("approved", 0) + counts.get("locked", 0)
                every = sum(number for state, number in counts.items() if state != "overdue")
                approved = counts.get("approved", 0) + counts.get("locked", 0)
                rows.append(
                    [self._say(f"level.{level}"), *map(words.number, (every, done, approved, counts["overdue"]))]
                )
        if not rows:
            return {**section, "type": "points", "points": [self._say("progress.none")]}
        return {**section, "head": self._head("progress"), "rows": rows, "total": False, "left": False}

    def _method(self) -> Iterable[Section]:
        told, words = self._told, self._words
        notes = [
            self._say(f"method.{note}", k=told.k)
            for note in ("sums", "null", "privacy", "surveys", "periods", "events")
        ]
        yield {**self._section("points", "method"), "points": notes}
        known = entries(words.catalogue, words.lang, told.k, [each.indicator for each in told.figures.values()])
        rows = [
            {
                "code": each.code,
                "name": each.name,
                "definition": each.definition,
                "formula": each.formula,
                "standard": "" if each.standard == "–" else each.standard,
            }
            for each in known
        ]
        yield {**self._section("definitions", "definitions"), "head": self._head("definitions"), "rows": rows}


def _roomy(outline: Outline) -> bool:
    """Whether a number has room in the region on the map; the table of places has them all."""
    xs, ys = ([point[axis] for ring in outline.rings for point in ring] for axis in (0, 1))
    return max(xs) - min(xs) >= ROOM_WIDTH and max(ys) - min(ys) >= ROOM_HEIGHT and not outline.small


def _segments(figure: Figure) -> list[dict[str, Any]]:
    """The shares of a bar: by state where they are known, else the share that has the result."""
    value: Value = figure.value
    if value.denominator and all(value.parts.get(part) is not None for part in GATE_PARTS):
        return [{"tone": part, "share": _share(value.parts[part], value.denominator)} for part in GATE_PARTS[:3]]
    return [{"tone": "met", "share": value.value}] if value.value else []


def _share(part: float | None, whole: int) -> float:
    return max(0.0, min(1.0, (part or 0) / whole))
