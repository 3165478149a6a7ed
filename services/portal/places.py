"""What a place's page shows: cards of all indicators, the places below compared, the trend."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

from services.portal.charts import Region, Scale, region_map, sparkline
from services.portal.monitoring import Indicator, Monitoring, PlaceInfo, Point, Value, gather_or_none
from services.portal.periods import Period, choices
from services.portal.territory import NATION, territory
from shared.contracts.vocabulary import Form, PartnerCategory
from shared.errors import NotFound
from shared.i18n import Lang

PREFERRED = ("F1", "I5", "I2")
"""The indicator a page opens with: the first of these that exists."""
ROWS = 50
TREND_MONTHS = 13
TREND_YEARS = 5
FORMS = frozenset(Form)
CATEGORIES = frozenset(PartnerCategory)
SORTS = ("name", "value", "numerator", "denominator", "coverage")


@dataclass(frozen=True, slots=True)
class Choice:
    """What the reader chose, as it stands in the address."""

    place: str
    indicator: str
    period: Period
    sort: str = "value"
    descending: bool = True
    q: str = ""
    page: int = 1
    root: bool = False

    def query(self, **changes: Any) -> str:
        """The query string of this choice with `changes`; defaults are left out."""
        now = replace(self, **changes)
        query = {"indicator": now.indicator, "period": now.period.text}
        if now.sort != "value" or not now.descending:
            query["sort"] = ("-" if now.descending else "") + now.sort
        query |= {"q": now.q} if now.q else {}
        query |= {"page": str(now.page)} if now.page > 1 else {}
        return urlencode(query)

    def href(self, **changes: Any) -> str:
        """The address of the page with `changes`."""
        place = changes.get("place", self.place)
        path = "/" if self.root and place == self.place else f"/places/{place}"
        return f"{path}?{self.query(**changes)}"

    def fragment(self, name: str) -> str:
        """The address of one part of the page."""
        return f"/fragments/{name}/{self.place}?{self.query()}" + ("&root=1" if self.root else "")

    def sorted_by(self, column: str) -> str:
        """The address with the table sorted by `column`; the other way round where it is so already."""
        descending = not self.descending if column == self.sort else column != "name"
        return self.href(sort=column, descending=descending, page=1)


@dataclass(frozen=True, slots=True)
class Card:
    """One indicator of a place: the value, how it moved, and its short trend."""

    indicator: Indicator
    period: Period
    value: Value | None
    spark: list[str]
    change: float | None
    chosen: bool


@dataclass(frozen=True, slots=True)
class Children:
    """The places below, compared by the chosen indicator."""

    rows: list[tuple[Value, str, float]]  # value, name, length of its bar in percent
    found: int
    total: int
    pages: int
    scale: Scale | None
    regions: list[Region]
    values: dict[str, Value]
    as_of: datetime | None
    columns: list[str]  # columns of the table after the name


@dataclass(frozen=True, slots=True)
class Trend:
    """The chosen indicator over time, and the parts of its present value."""

    points: list[tuple[Period, Point]]
    parts: list[
        tuple[str, list[tuple[str, float | None, float]]]
    ]  # group, (part, amount, length of its bar in percent)
    value: Value | None
    whole: int  # how many of the points belong to periods that are over


def chosen_indicator(indicators: Sequence[Indicator], code: str) -> Indicator:
    """The indicator with that code, else the preferred one; raises NotFound where there is none."""
    by_code = {indicator.code: indicator for indicator in indicators}
    for candidate in (code, *PREFERRED, *by_code):
        if candidate in by_code:
            return by_code[candidate]
    raise NotFound


def chosen_period(text: str, today: date) -> Period:
    """The period of that text, else the current academic year."""
    return Period.parse(text) or Period.academic_year_of(today)


def period_choices(chosen: Period, kind: str, today: date) -> list[Period]:
    """The periods of a kind to choose from, the chosen one among them if it is of that kind."""
    offered = choices(kind, today)
    return offered if chosen.kind != kind or chosen in offered else [*offered, chosen]


async def cards(monitoring: Monitoring, choice: Choice, today: date) -> list[Card]:
    """The cards of all indicators at the chosen place."""
    indicators = await monitoring.indicators()
    return list(await asyncio.gather(*(card(monitoring, choice, indicator, today) for indicator in indicators)))


async def card(monitoring: Monitoring, choice: Choice, indicator: Indicator, today: date) -> Card:
    """The card of one indicator at the chosen place."""
    period = choice.period.fitted(indicator.period_kinds)
    value, points = await gather_or_none(
        monitoring.value(indicator.code, choice.place, period.text),
        _series(monitoring, indicator, choice.place, period),
    )
    known = [point.value for _, point in points or []]
    # a sum that is still growing says nothing beside a whole period before it
    comparable = indicator.unit in ("ratio", "score") or period.complete(today)
    before, now = known[-2:] if len(known) > 1 else (None, None)
    return Card(
        indicator,
        period,
        value.value if value is not None else None,
        sparkline(known),
        now - before if now is not None and before is not None and comparable else None,
        indicator.code == choice.indicator,
    )


async def children(monitoring: Monitoring, choice: Choice, indicator: Indicator, lang: Lang) -> Children:
    """The places directly below the chosen one: filtered, sorted, one page of them."""
    period = choice.period.fitted(indicator.period_kinds)
    answer = await monitoring.value(indicator.code, choice.place, period.text, children=True)
    scale = Scale.of([child.value for child in answer.children])
    named = [(child, name_of(child.place.code, child.place.name, lang)) for child in answer.children]
    wanted = [item for item in named if choice.q.casefold() in item[1].casefold()] if choice.q else named
    wanted.sort(key=lambda item: item[1].casefold())
    if choice.sort != "name":
        # unknown values stay at the end whichever way the table is sorted
        sign = -1 if choice.descending else 1
        wanted.sort(key=lambda item: _sort_key(getattr(item[0], choice.sort), sign))
    elif choice.descending:
        wanted.reverse()
    first = (choice.page - 1) * ROWS
    rows = [
        (child, name, scale.percent_of_high(child.value) if scale else 0.0)
        for child, name in wanted[first : first + ROWS]
    ]
    by_code = {child.place.code: child for child in answer.children}
    is_nation = choice.place == NATION
    shades = {code: child.value for code, child in by_code.items()}
    return Children(
        rows,
        len(wanted),
        len(named),
        max(1, math.ceil(len(wanted) / ROWS)),
        scale,
        region_map(shades, scale) if is_nation else [],
        by_code,
        answer.value.as_of,
        _columns(indicator, answer.children),
    )


def _columns(indicator: Indicator, children: Sequence[Value]) -> list[str]:
    """A mean's numerator is a sum of scores and says nothing to a reader: the number of answers does."""
    columns = {"ratio": ["value", "numerator", "denominator"], "score": ["value", "denominator"]}
    shown = columns.get(indicator.unit, ["value"])
    return [*shown, "coverage"] if any(child.coverage is not None for child in children) else shown


def district_of(item: Mapping[str, Any]) -> str:
    """The code of the district that an entry of the partners' registers is in; "" where it does not say."""
    segments = str(item.get("path") or "").strip("/").split("/")
    return str(item.get("district") or (segments[2] if len(segments) > 2 else ""))


async def trend(monitoring: Monitoring, choice: Choice, indicator: Indicator, today: date) -> Trend:
    """The chosen indicator over the last periods, and the parts of its value in the chosen one."""
    period = choice.period.fitted(indicator.period_kinds)
    along = period
    if period.kind in ("academic_year", "fiscal_year") and "month" in indicator.period_kinds:
        along = Period.month_of(min(period.last, today))  # months tell more of a year than years do
    points, value = await gather_or_none(
        _series(monitoring, indicator, choice.place, along),
        monitoring.value(indicator.code, choice.place, period.text),
    )
    own = value.value if value is not None else None
    whole = sum(item.complete(today) for item, _ in points or [])
    return Trend(points or [], _grouped(own.parts) if own is not None else [], own, whole)


async def _series(
    monitoring: Monitoring, indicator: Indicator, place: str, period: Period
) -> list[tuple[Period, Point]]:
    if period.kind == "quarter":
        period = Period.month_of(period.last)
    count = TREND_YEARS if period.kind in ("academic_year", "fiscal_year") else TREND_MONTHS
    first = period.earlier(count - 1)
    points = await monitoring.series(indicator.code, place, period.kind, first.text, period.text)
    by_period = {point.period: point for point in points}
    wanted = [first.earlier(-step) for step in range(count)]
    return [(item, by_period.get(item.text, Point(period=item.text))) for item in wanted]


def _grouped(parts: Mapping[str, float | None]) -> list[tuple[str, list[tuple[str, float | None, float]]]]:
    """The parts of a value by what they divide it by – form, category of partner, or neither – largest first."""
    groups: dict[str, list[tuple[str, float | None]]] = {"other": [], "form": [], "category": []}
    for part, amount in parts.items():
        group = "form" if part in FORMS else "category" if part in CATEGORIES else "other"
        if group == "other" or amount:
            groups[group].append((part, amount))
    made = []
    for group, members in groups.items():
        scale = Scale.of([amount for _, amount in members])
        ordered = members if group == "other" else sorted(members, key=lambda item: -(item[1] or 0))
        rows = [(part, amount, scale.percent_of_high(amount) if scale else 0.0) for part, amount in ordered]
        made += [(group, rows)] if rows else []
    return made


def _sort_key(value: float | None, sign: int) -> tuple[bool, float]:
    return value is None, sign * (value or 0.0)


def name_of(code: str, name: str | dict[str, str], lang: Lang) -> str:
    """A place's name: the official one of the territory, else what the API says."""
    known = territory().get(code)
    if known is not None:
        return known.name(lang)
    if isinstance(name, dict):
        return name.get(lang) or next(iter(name.values()), code)
    return name or code


def breadcrumbs(place: PlaceInfo, lang: Lang) -> list[tuple[str, str]]:
    """Code and name of the places above, the widest first; only what the reader may see."""
    return [(item.code, name_of(item.code, item.name, lang)) for item in place.ancestors]
