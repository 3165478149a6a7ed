"""The data dictionary: complete for every indicator in four languages, and true to the declarations."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from services.monitoring.domain.definitions import INDICATORS
from services.monitoring.domain.formulas import Privacy
from services.monitoring.outputs.dictionary import FIELDS, entries, family_of, markdown, rows
from shared.contracts.events import REGISTRY
from shared.i18n import SHARED_MESSAGES, Catalogue, Lang

MESSAGES = Path(__file__).parents[3] / "services" / "monitoring" / "messages"
CATALOGUE = Catalogue.load(SHARED_MESSAGES, MESSAGES)
K = 10


@pytest.mark.parametrize("lang", Lang)
def test_every_indicator_is_described_in_every_language(lang: Lang) -> None:
    told = entries(CATALOGUE, lang, K)
    assert [entry.code for entry in told] == list(INDICATORS)
    for entry in told:
        indicator = INDICATORS[entry.code]
        for field in FIELDS:
            if field != "breakdowns":
                assert entry.cell(field).strip(), f"{entry.code} has no {field} in {lang}"
        assert (entry.denominator == "–") == (indicator.denominator is None)
        assert {part.code for part in entry.breakdowns} >= set(indicator.parts)
        family = family_of(entry.code)
        for section in ("numerator", "roll_up", *(["denominator"] if indicator.denominator else [])):
            assert CATALOGUE.has(f"dictionary.{section}.{family}"), f"write dictionary.{section}.{family}"
        for part in entry.breakdowns:
            assert CATALOGUE.has(f"dictionary.part.{part.code}"), f"write dictionary.part.{part.code}"
        assert CATALOGUE.has(f"dictionary.group.{indicator.group}"), f"write dictionary.group.{indicator.group}"


@pytest.mark.parametrize("lang", [Lang.UZ_CYRL, Lang.RU])
def test_cyrillic_languages_are_written_in_cyrillic(lang: Lang) -> None:
    for entry in entries(CATALOGUE, lang, K):
        for field in ("definition", "numerator", "unit", "roll_up", "privacy"):
            assert re.search("[а-яё]", entry.cell(field)), f"{entry.code} {field}"


def test_sources_are_events_that_there_are() -> None:
    known = {f"hamkor.{each.service}.{each.aggregate}.*" for each in REGISTRY.values()}
    by_code = {entry.code: set(entry.events) for entry in entries(CATALOGUE, Lang.EN, K)}
    for code, events in by_code.items():
        assert events, code
        assert events <= known, code
    assert "hamkor.agreements.income.*" in by_code["I3"]
    assert "hamkor.surveys.response.*" in by_code["R8"]
    assert {"hamkor.partners.visit.*", "hamkor.agreements.agreement.*"} == by_code["CONVERSION"]
    assert "hamkor.partners.market_review.*" not in by_code["I4"]


def test_privacy_follows_the_limit() -> None:
    for entry in entries(CATALOGUE, Lang.EN, 25):
        match INDICATORS[entry.code].privacy:
            case Privacy.PERSONS:
                assert "1 to 24 persons" in entry.privacy
            case Privacy.SURVEY:
                assert "at least 25" in entry.privacy
            case None:
                assert "every value is shown" in entry.privacy


def test_a_group_that_nobody_has_named_goes_by_its_code() -> None:
    (entry,) = entries(CATALOGUE, Lang.EN, K, [replace(INDICATORS["F1"], group="moons")])
    assert entry.group == "moons"


def test_tables_and_markdown_hold_every_entry_whole() -> None:
    told = entries(CATALOGUE, Lang.RU, K)
    table = rows(told, CATALOGUE, Lang.RU)
    assert {len(row) for row in table} == {len(FIELDS)}
    text = markdown(told, CATALOGUE, Lang.RU, K)
    for entry in told:
        assert f"### {entry.code} – {entry.name}" in text
        assert entry.definition in text
