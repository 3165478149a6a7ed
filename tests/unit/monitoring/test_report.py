"""The report's words: every indicator stands in it, what is hidden stays hidden, in four languages."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from services.monitoring.comparison.effectiveness import composition
from services.monitoring.comparison.reading import Shown
from services.monitoring.domain.definitions import INDICATORS
from services.monitoring.domain.formulas import Direction, Indicator, Unit
from services.monitoring.domain.periods import parse
from services.monitoring.domain.territory import Level, Place
from services.monitoring.domain.values import Value
from services.monitoring.outputs.printing import press
from services.monitoring.outputs.printing.press import Page, printed
from services.monitoring.outputs.report.content import GATE_PARTS, content
from services.monitoring.outputs.report.gathering import BELOW, Figure, Gathered, _periods, fit
from services.monitoring.outputs.report.wording import Words
from services.monitoring.outputs.shapes import outlines
from services.monitoring.queries import PlaceValue
from shared.i18n import SHARED_MESSAGES, Catalogue, Lang
from shared.printing.press import Press

MESSAGES = Path(__file__).parents[3] / "services" / "monitoring" / "messages"
CATALOGUE = Catalogue.load(SHARED_MESSAGES, MESSAGES)
PERIOD, MONTH = parse("2026-Q3"), parse("2026-10").last
HIDDEN = Value(None, None, None, None, True, {})
NATION = Place(1, "17", Level.NATION, None, "/17/", {"uz": "Oʻzbekiston", "ru": "Узбекистан", "en": "Uzbekistan"})
REGIONS = [
    Place(2 + number, each.code, Level.REGION, "17", f"/17/{each.code}/", {"uz": f"Hudud {each.code}"})
    for number, each in enumerate(sorted(outlines(), key=lambda each: each.code))
]


def a_value(indicator: Indicator, random: Random) -> Value:
    if indicator.denominator is None:
        amount = random.randint(100, 5000)
        return Value(amount, amount, None, None, False, dict.fromkeys(indicator.parts, 7.0))
    share = random.random()
    denominator = 10_000
    parts: dict[str, float | None] = dict.fromkeys(indicator.parts, 7.0)
    if "met" in parts:
        parts |= dict(zip(GATE_PARTS, (share * denominator, 1000.0, 500.0, 100.0), strict=True))
    scale = 100 if indicator.unit is Unit.SCORE else 1
    return Value(share * scale, round(share * denominator), denominator, None, False, parts)


def gathered(*, hidden: frozenset[str] = frozenset(), root: Place = NATION) -> Gathered:
    random = Random(5)
    figures = {}
    for code, indicator in INDICATORS.items():
        fitted = fit(indicator, PERIOD, MONTH)
        series = [a_value(indicator, random) for _ in _periods(fitted)]
        if code in hidden:
            series[-1] = HIDDEN
        figures[code] = Figure(indicator, fitted, series[-1], False, _periods(fitted), series)
    children = REGIONS if root is NATION else []
    below = {(each.id, code): a_value(INDICATORS[code], random) for each in children for code in BELOW}
    below |= {(each.id, code): HIDDEN for each in children[:2] for code in hidden}
    scores = [math.nan if each.indicator in hidden else 0.5 for each in composition().component]
    values = [PlaceValue(root, figures[each.indicator].value, None) for each in composition().component]
    index = [
        (Shown(place, 50.0, None, None, 0.9, False, None, tuple(scores)), values) for place in (root, *children[:-1])
    ]
    index += [(Shown(place, None, None, None, 0.2, False, None, tuple(scores)), values) for place in children[-1:]]
    nothing = dict.fromkeys(("open", "accepted", "urgent", "overdue"), 3)
    return Gathered(
        root=root,
        above=[],
        period=PERIOD,
        under_way=False,
        made_at=datetime(2026, 11, 27, 9, 30, tzinfo=UTC),
        as_of=datetime(2026, 11, 27, 9, 29, tzinfo=UTC),
        k=10,
        published=None,
        published_by=None,
        figures=figures,
        children=children,
        below=below,
        progress={"institution": {"submitted": 7, "open": 3, "overdue": 1}},
        counts={"own": nothing, "below": nothing},
        advice=[],
        index=index,
        index_of_now=(),
    )


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from texts(each)


def sections(told: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [each for each in told["sections"] if each["type"] == kind]


@pytest.mark.parametrize("lang", Lang)
def test_every_indicator_stands_in_the_report_in_words_of_the_language(lang: Lang) -> None:
    told = content(gathered(), CATALOGUE, lang)
    codes = {row["code"] for each in told["sections"] for row in each.get("rows", []) if isinstance(row, dict)}
    assert codes == set(INDICATORS)
    json.dumps(told)
    for each in told["sections"]:
        head = each.get("head")
        rows = each.get("rows", [])
        assert not head or all(not isinstance(row, list) or len(row) == len(head) for row in rows)
    if lang in (Lang.RU, Lang.UZ_CYRL):
        wordy = [text for text in texts(told["sections"]) if len(text) > 60]
        assert all(re.search("[а-яёқғўҳ]", text) for text in wordy)


def test_what_is_hidden_stays_hidden_wherever_it_would_stand() -> None:
    hidden = frozenset({"I1", "F3"})
    told = content(gathered(hidden=hidden), CATALOGUE, Lang.EN)
    rows = {row["code"]: row for section in sections(told, "indicators") for row in section["rows"]}
    for code in hidden:
        assert (rows[code]["value"], rows[code]["fraction"], rows[code]["change"]) == ("hidden", "", "")
        assert rows[code]["points"][-1] is None
    (tiles,) = sections(told, "tiles")
    assert {tile["value"] for tile in tiles["tiles"] if tile["code"] in hidden} == {"hidden"}
    (maps,) = sections(told, "maps")
    (first, second) = (each.code for each in REGIONS[:2])
    (of_graduates,) = (each for each in maps["maps"] if each["code"] == "I1")
    assert {first, second}.isdisjoint(of_graduates["shades"])
    assert of_graduates["labels"][second] == "•"
    assert of_graduates["legend"][-1]["shade"] is None
    table = next(each for each in sections(told, "table") if each["total"])
    column = table["head"].index(next(each for each in table["head"] if each.startswith("I1")))
    assert [row[column] for row in table["rows"][:3]] == ["•"] * 3


def test_the_index_stands_beside_its_coverage_and_says_what_it_is_made_of() -> None:
    told = content(gathered(hidden=frozenset({"I1"})), CATALOGUE, Lang.EN)
    (of_places,) = (each for each in sections(told, "table") if each["title"] == "The effectiveness index")
    assert of_places["rows"][0] == ["Uzbekistan", "50", "90%"]
    assert of_places["rows"][-1][1:] == ["–", "20%"]
    assert len(of_places["rows"]) == 1 + len(REGIONS)
    made_of = told["sections"][told["sections"].index(of_places) + 1]
    assert len(made_of["rows"]) == len(composition().component)
    (of_graduates,) = (row for row in made_of["rows"] if row[0].startswith("I1 "))
    assert (of_graduates[1], of_graduates[3:]) == ("•", ["–", "–"])


@pytest.mark.parametrize("lang", Lang)
def test_what_the_edition_lacks_of_the_index_is_named_below_it(lang: Lang) -> None:
    told = gathered()
    (said,) = set(texts(content(replace(told, index_of_now=("I2", "F5")), CATALOGUE, lang))) - set(
        texts(content(told, CATALOGUE, lang))
    )
    assert "I2, F5" in said


def test_only_the_nation_has_a_map_and_only_places_with_places_below_have_tables() -> None:
    school = replace(NATION, id=99, code="0199", level=Level.INSTITUTION, parent="1708201", names={"": "Maktab"})
    told = content(gathered(root=school), CATALOGUE, Lang.UZ)
    assert sections(told, "maps") == []
    assert not any(each.get("total") for each in told["sections"])
    assert len(sections(content(gathered(), CATALOGUE, Lang.UZ), "maps")) == 1


def test_changes_are_good_or_bad_by_the_indicators_direction() -> None:
    words = Words(CATALOGUE, Lang.EN)
    up, down = INDICATORS["I1"], INDICATORS["CAUSES"]
    assert down.direction is Direction.DOWN
    low, high = Value(0.5, 5, 10, None, False, {}), Value(0.75, 6, 8, None, False, {})
    assert words.change(up, high, low) == ("+25 pts", "good")
    assert words.change(up, low, high) == ("−25 pts", "bad")
    few, many = Value(3, 3, None, None, False, {}), Value(9, 9, None, None, False, {})
    assert words.change(down, many, few) == ("+6", "bad")
    assert words.change(up, low, HIDDEN) == words.change(up, HIDDEN, low) == words.change(up, low, None) == ("", "")


def test_what_is_not_over_yet_is_no_fall() -> None:
    told = gathered()
    fewer = {
        code: replace(each, series=[*each.series[:-2], many(each), few(each)], value=few(each))
        for code, each in told.figures.items()
    }
    over = content(replace(told, figures=fewer), CATALOGUE, Lang.EN)
    assert {tile["tone"] for tile in _compared(over)} >= {"bad"}
    assert any("for the worse" in text for text in texts(sections(over, "points")))
    lasting = {code: replace(each, under_way=True) for code, each in fewer.items()}
    told_now = content(replace(told, figures=lasting, under_way=True), CATALOGUE, Lang.EN)
    assert {(each["change"], each["tone"]) for each in _compared(told_now)} == {("", "")}
    assert not any("for the worse" in text for text in texts(sections(told_now, "points")))
    # Only what lasts itself: an indicator of months stands beside one of the academic year.
    mixed = content(replace(told, figures=fewer | {"F3": lasting["F3"]}), CATALOGUE, Lang.EN)
    assert {each["code"] for each in _compared(mixed) if each["change"] == ""} == {"F3"}


def _compared(told: dict[str, Any]) -> list[dict[str, Any]]:
    """Tiles and rows that may say how a value moved."""
    rows = [row for section in sections(told, "indicators") for row in section["rows"]]
    return [*(tile for section in sections(told, "tiles") for tile in section["tiles"]), *rows]


def many(figure: Figure) -> Value:
    return replace(figure.value, value=900.0)


def few(figure: Figure) -> Value:
    return replace(figure.value, value=120.0)


async def test_letters_that_the_font_lacks_are_printed_as_question_marks() -> None:
    odd = replace(NATION, names={"": "王 Texnikum ไทย"})
    pdf = await printed(Page.REPORT, content(gathered(root=odd), CATALOGUE, Lang.EN))
    assert pdf.startswith(b"%PDF-")


async def test_names_in_many_foreign_scripts_cost_one_more_try(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[str] = []

    async def run(module: str, job: bytes, name: str) -> bytes:
        tries.append(job.decode())
        return await Press.run(press.PRESS, module, job, name)

    monkeypatch.setattr(press.PRESS, "run", run)
    odd = [replace(each, names={"": f"{letter} maktab"}) for each, letter in zip(REGIONS, "中ཀሀᎠកႠไक", strict=False)]
    told = replace(gathered(), children=[*odd, *REGIONS[len(odd) :]])
    pdf = await printed(Page.REPORT, content(told, CATALOGUE, Lang.UZ))
    assert pdf.startswith(b"%PDF-")
    assert len(tries) == 2
    assert tries[1].count("? maktab") == tries[0].count(" maktab")


@pytest.mark.parametrize("lang", Lang)
def test_of_our_own_letters_none_is_taken_for_lacking(lang: Lang) -> None:
    told = json.dumps(content(gathered(), CATALOGUE, lang), ensure_ascii=False)
    assert press._without(told, "") == told


async def test_letters_that_are_never_taken_out_are_drawn() -> None:
    every = "".join(chr(code) for code in range(0x20, 0x3000) if chr(code).isprintable())
    kept = " ".join(letter for letter in every if not press._NOT_DRAWN.match(letter))
    assert len(kept) > 2000
    pdf = await press.PRESS.run("services.monitoring.outputs.printing", _page(kept), "letters")
    assert pdf.startswith(b"%PDF-")


def _page(name: str) -> bytes:
    told = content(gathered(root=replace(NATION, names={"": name})), CATALOGUE, Lang.EN)
    return json.dumps({"page": Page.REPORT, "content": told | {"title": name}}).encode()
