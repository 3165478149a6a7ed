"""Report, dictionary and export to DHIS2 over HTTP: within the caller's scope, by the same numbers as everywhere."""

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from pypdf import PdfReader

from services.monitoring.api import outputs
from services.monitoring.comparison.effectiveness import composition
from services.monitoring.domain.definitions import INDICATORS
from services.monitoring.domain.periods import PeriodKind, month_of, period_at
from services.monitoring.outputs.dhis2.mapping import elements, number_text, uid
from services.monitoring.outputs.report.content import content
from services.monitoring.outputs.report.gathering import Gathered
from shared.clock import local_day
from shared.i18n import Catalogue, Lang
from shared.scope import Role
from tests.integration.monitoring.support import alone, tell
from tests.support.dhis2 import faults, metadata_faults
from tests.support.monitoring import Story, a_story
from tests.support.services import Client, Running, eventually

QUARTER, YEAR = "2026-Q1", "2025-26"
DISTRICT, OTHER, REGION, NATION = "1700000", "1701000", "1700", "17"


@pytest.fixture(scope="module")
async def told(
    postgres: Any, issuer: Any, http: Any, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Running, Story]]:
    """A small country of two regions with a year's work of its schools."""
    story = a_story(Random(7), 700, institutions=6)
    async with alone(postgres, issuer, http, tmp_path_factory.mktemp("broker")) as (running, _):
        await tell(running, story.events)
        yield running, story


async def pdf_of(client: Client, **asked: Any) -> PdfReader:
    answer = await client.get("/v1/report.pdf", **asked)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/pdf"
    return PdfReader(io.BytesIO(answer.content))


def text_of(pdf: PdfReader) -> str:
    return " ".join(" ".join(page.extract_text() for page in pdf.pages).split())


@pytest.mark.slow
async def test_a_report_says_what_the_values_say_in_four_languages(told: tuple[Running, Story]) -> None:
    running, _ = told
    ministry = running.as_(Role.MINISTRY, NATION)
    f1 = (await ministry.get("/v1/values", indicator="F1", place=NATION, period=QUARTER)).json()["value"]
    words = {
        Lang.UZ: ("uz", "Hamkorlik samaradorligi", "2026-yil 1-chorak", "Eʼlon qilinmagan", "Tavsiyalar"),
        Lang.UZ_CYRL: ("uz", "Ҳамкорлик самарадорлиги", "2026-йил 1-чорак", "Эълон қилинмаган", "Тавсиялар"),
        Lang.RU: ("ru", "Отчёт об эффективности", "1-й квартал 2026", "Не опубликовано", "Рекомендации"),
        Lang.EN: ("en", "Report on the effectiveness", "Q1 2026", "Not published", "Recommendations"),
    }
    for lang, (tag, *expected) in words.items():
        pdf = await pdf_of(ministry, place=NATION, period=QUARTER, lang=lang)
        text = text_of(pdf)
        for part in (*expected, *(code for code in INDICATORS if "_" not in code)):
            assert part in text, f"{part!r} in {lang}"
        assert number_text(f1["value"]) in text
        assert pdf.metadata is not None
        assert expected[0] in str(pdf.metadata.title)
        root: Any = pdf.trailer["/Root"]
        assert str(root["/Lang"]).startswith(tag)
        assert root["/MarkInfo"]["/Marked"]
        assert len(pdf.pages) >= 5


async def test_a_report_stays_within_the_callers_scope(told: tuple[Running, Story]) -> None:
    running, story = told
    district = running.as_(Role.DISTRICT, DISTRICT)
    for asked in ({"place": REGION}, {"place": OTHER}, {"place": NATION}):
        assert (await district.get("/v1/report.pdf", period=QUARTER, **asked)).status_code == 404
    own = text_of(await pdf_of(district, period=QUARTER, lang="en"))
    ministry = running.as_(Role.MINISTRY, NATION)
    names = {code: (await ministry.get(f"/v1/places/{code}")).json()["name"] for code in (DISTRICT, OTHER)}
    assert names[DISTRICT] in own
    assert names[OTHER] not in own
    assert (
        await running.as_(Role.ENTERPRISE, story.institutions[0]).get("/v1/report.pdf", period=QUARTER)
    ).status_code == 403
    wrong = await district.get("/v1/report.pdf", period="2026-13")
    assert wrong.status_code == 422
    assert "2026-Q3" in wrong.json()["errors"][0]["remedy"]
    school = await pdf_of(running.as_(Role.INSTITUTION, story.institutions[0]), period="2026-03")
    assert len(school.pages) >= 4


async def test_only_what_is_over_is_compared_with_the_period_before(
    told: tuple[Running, Story], monkeypatch: pytest.MonkeyPatch
) -> None:
    running, _ = told
    region, gathered = running.as_(Role.REGION, REGION), kept(monkeypatch)
    this_month = period_at(PeriodKind.MONTH, month_of(local_day(datetime.now(UTC))))
    for period, under_way in ((QUARTER, {False}), (this_month.text, {True})):
        assert (await region.get("/v1/report.pdf", period=period)).status_code == 200
        assert {figure.under_way for figure in gathered[-1].figures.values()} == under_way
    assert not any(figure.before for figure in gathered[-1].figures.values())
    assert any(figure.before for figure in gathered[0].figures.values())


def kept(monkeypatch: pytest.MonkeyPatch) -> list[Gathered]:
    """What reports are written from, as they are asked for."""
    found: list[Gathered] = []

    def keeping(gathered: Gathered, catalogue: Catalogue, lang: Lang) -> dict[str, Any]:
        found.append(gathered)
        return content(gathered, catalogue, lang)

    monkeypatch.setattr(outputs, "content", keeping)
    return found


async def test_a_published_report_is_made_of_the_edition(told: tuple[Running, Story]) -> None:
    running, _ = told
    region = running.as_(Role.REGION, REGION)
    ordered = await region.post("/v1/publications", {"place": REGION, "period": QUARTER})
    assert ordered.status_code == 202, ordered.text

    async def made() -> Any:
        state = (await region.get(f"/v1/publications/{ordered.json()['id']}")).json()
        return state["status"] == "published" and state

    edition = (await eventually(made, "the edition is made"))["editions"][-1]
    text = text_of(await pdf_of(region, period=QUARTER, lang="en"))
    assert "Published: edition 1" in text
    assert edition["digest"][:16] in text
    below = text_of(await pdf_of(running.as_(Role.DISTRICT, DISTRICT), period=QUARTER, lang="en"))
    assert "Published: edition 1" in below
    assert "Not published" in text_of(await pdf_of(region, period="2025-Q4", lang="en"))

    frozen = await region.get("/v1/dhis2/dataValueSets", period=QUARTER, published=True)
    known = {
        (item["place"]["code"], item["indicator"]): item["published"]
        for item in (await _all(region, f"/v1/publications/{ordered.json()['id']}/values", limit=500))
    }
    values = {(each["orgUnit"], each["dataElement"]): each["value"] for each in frozen.json()["dataValues"]}
    for (place, code), value in known.items():
        key = uid("organisationUnit", place), elements(INDICATORS[code])[0].id
        shown = None if value["suppressed"] or value["value"] is None else number_text(value["value"])
        assert values.get(key) == shown, (place, code)
    nothing = await region.get("/v1/dhis2/dataValueSets", period="2025-Q4", published=True)
    assert nothing.json()["errors"][0]["rule"] == "unknown_edition"


async def test_the_index_of_a_published_report_is_made_of_the_edition_too(
    postgres: Any, issuer: Any, http: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story, gathered = a_story(Random(7), 300), kept(monkeypatch)
    async with alone(postgres, issuer, http, tmp_path) as (running, _):
        await tell(running, story.events)
        ministry = running.as_(Role.MINISTRY, NATION)
        ordered = await ministry.post("/v1/publications", {"place": NATION, "period": QUARTER})

        async def made() -> bool:
            return bool((await ministry.get(f"/v1/publications/{ordered.json()['id']}")).json()["editions"])

        await eventually(made, "the edition is made")
        before = text_of(await pdf_of(ministry, period=QUARTER, lang="en"))
        known = len(story.events)
        story.go_on(300)
        # Of reports the service has told by itself meanwhile.
        await tell(running, [event for event in story.events[known:] if event.source != "monitoring"])
        after = text_of(await pdf_of(ministry, period=QUARTER, lang="en"))
        now = (await ministry.get("/v1/effectiveness", place=NATION, period=QUARTER)).json()
    first, last = gathered
    codes = [each.indicator for each in composition().component]
    of_years = [code for code in codes if PeriodKind.QUARTER not in INDICATORS[code].period_kinds]
    corrected = []
    for at, code in enumerate(codes):
        if code in of_years:
            continue
        for (shown, values), (shown_later, later) in zip(first.index, last.index, strict=True):
            assert replace(later[at].value, parts={}) == replace(values[at].value, parts={})
            np.testing.assert_equal(shown_later.scores[at], shown.scores[at])
        assert replace(last.index[0][1][at].value, parts={}) == replace(last.figures[code].value, parts={})
        if now["components"][at]["value"] != last.figures[code].value.value:
            corrected.append(code)
    assert corrected, "there was something to correct"
    assert last.index_of_now == of_years
    assert all("because the published edition does not have them" in text for text in (before, after))


async def _all(client: Client, path: str, **asked: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after: dict[str, Any] = {}
    while True:
        page = (await client.get(path, **asked, **after)).json()
        found += page["items"]
        if not page["next"]:
            return found
        after = {"after": page["next"]}


async def test_dhis2s_schema_accepts_places_and_values_of_the_scope_alone(told: tuple[Running, Story]) -> None:
    running, story = told
    ministry, district = running.as_(Role.MINISTRY, NATION), running.as_(Role.DISTRICT, DISTRICT)
    metadata = (await ministry.get("/v1/dhis2/metadata", depth=3)).json()
    assert metadata_faults(metadata) == []
    codes = {unit["code"] for unit in metadata["organisationUnits"]}
    assert set(story.institutions) | {NATION, REGION, "1701", DISTRICT, OTHER} <= codes
    mine = (await district.get("/v1/dhis2/metadata", depth=3)).json()
    assert metadata_faults(mine) == []
    own = {unit["code"] for unit in mine["organisationUnits"]}
    assert own < codes
    assert {code for code in own if len(code) < 10} == {NATION, REGION, DISTRICT}

    for period, written in ((QUARTER, "2026Q1"), ("2026-03", "202603"), (YEAR, "2025Sep"), ("2026", "2026")):
        answer = await ministry.get("/v1/dhis2/dataValueSets", period=period, depth=3)
        told_set = answer.json()
        assert faults("DataValueSet", told_set) == []
        values = told_set["dataValues"]
        assert {each["period"] for each in values} == {written}
        assert {each["orgUnit"] for each in values} <= {unit["id"] for unit in metadata["organisationUnits"]}
        assert {each["dataElement"] for each in values} <= {each["id"] for each in metadata["dataElements"]}
    for place in (REGION, OTHER, NATION):
        assert (await district.get("/v1/dhis2/dataValueSets", period=QUARTER, place=place)).status_code == 404
    rolling = await ministry.get("/v1/dhis2/dataValueSets", period="2026-03-R12")
    assert (rolling.status_code, rolling.json()["errors"][0]["rule"]) == (422, "dhis2_period")
    unknown = await ministry.get("/v1/dhis2/dataValueSets", period=QUARTER, indicator="X9")
    assert "I5" in unknown.json()["errors"][0]["remedy"]


async def test_exported_values_are_those_of_the_api_and_hidden_ones_are_not_there(told: tuple[Running, Story]) -> None:
    running, _ = told
    ministry = running.as_(Role.MINISTRY, NATION)
    hidden = 0
    for code in ("F1", "F3", "I1", "I5", "F4"):
        period = "2026-03"
        shown = (await ministry.get("/v1/values", indicator=code, place=REGION, period=period, children=True)).json()
        exported = await ministry.get(
            "/v1/dhis2/dataValueSets", indicator=code, place=REGION, period=period, scheme="code"
        )
        body = exported.json()
        assert body["idScheme"] == "CODE"
        values = {(each["orgUnit"], each["dataElement"]): each["value"] for each in body["dataValues"]}
        for each in (shown["value"], *shown["children"]):
            hidden += each["suppressed"]
            expected = None if each["value"] is None else number_text(each["value"])
            assert values.get((each["place"]["code"], f"HAMKOR_{code}")) == expected
            if each["suppressed"]:
                assert not any(place == each["place"]["code"] for place, _ in values)
    assert hidden > 0


async def test_the_dictionary_comes_as_json_csv_markdown_and_pdf(told: tuple[Running, Story]) -> None:
    running, story = told
    school, lang = running.as_(Role.INSTITUTION, story.institutions[0]), Lang.UZ_CYRL
    entries = (await school.get("/v1/dictionary", lang=lang)).json()
    assert [each["code"] for each in entries["items"]] == list(INDICATORS)
    table = (await school.get("/v1/dictionary", lang=lang, format="csv")).content.decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(table)))
    assert rows[0] == list(entries["fields"].values())
    assert [row[0] for row in rows[1:]] == list(INDICATORS)
    text = (await school.get("/v1/dictionary", lang=lang, format="md")).text
    assert all(f"### {code} – " in text for code in INDICATORS)
    printed = await school.get("/v1/dictionary", lang=lang, format="pdf")
    assert entries["items"][0]["name"] in text_of(PdfReader(io.BytesIO(printed.content)))
