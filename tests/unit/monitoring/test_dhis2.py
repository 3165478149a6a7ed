"""DHIS2's notation: identifiers, periods, values; and metadata that its own schema accepts."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.monitoring.domain.definitions import INDICATORS
from services.monitoring.domain.periods import PeriodKind, parse, period_at
from services.monitoring.domain.territory import Level, Place
from services.monitoring.domain.values import Value
from services.monitoring.outputs.dhis2.mapping import (
    PERIOD_TYPES,
    NoSuchPeriod,
    Scheme,
    data_values,
    elements,
    number_text,
    period_of,
    uid,
)
from services.monitoring.outputs.dhis2.metadata import Metadata, OrgUnit
from services.monitoring.outputs.shapes import geometries
from shared.i18n import SHARED_MESSAGES, Catalogue, Lang
from tests.support.dhis2 import UID, faults, metadata_faults

MESSAGES = Path(__file__).parents[3] / "services" / "monitoring" / "messages"
SCHOOL = "0199aaaa-0000-7000-8000-000000000001"
NAMES = {"uz": "Jizzax", "uz-Cyrl": "Жиззах", "ru": "Джизак", "en": "Jizzakh"}
UNITS = (
    OrgUnit(Place(1, "17", Level.NATION, None, "/17/", NAMES)),
    OrgUnit(Place(2, "1708", Level.REGION, "17", "/17/1708/", NAMES), geometry=geometries()["1708"]),
    OrgUnit(Place(3, "1708201", Level.DISTRICT, "1708", "/17/1708/1708201/", NAMES)),
    OrgUnit(
        Place(4, SCHOOL, Level.INSTITUTION, "1708201", f"/17/1708/1708201/{SCHOOL}/", {"": "Texnikum " * 40}),
        date(2020, 9, 1),
        date(2026, 8, 31),
    ),
)


@given(st.text(max_size=60), st.text(max_size=60))
def test_identifiers_are_dhis2s_and_the_same_for_the_same_code_alone(one: str, other: str) -> None:
    assert UID.fullmatch(uid("organisationUnit", one))
    assert uid("organisationUnit", one) == uid("organisationUnit", one)
    assert (uid("organisationUnit", one) == uid("organisationUnit", other)) == (one == other)
    assert uid("dataElement", one) != uid("organisationUnit", one)


def test_identifiers_never_change() -> None:
    assert uid("organisationUnit", "17") == "jazBVJc5oxe"
    assert uid("dataElement", "HAMKOR_I1") == elements(INDICATORS["I1"])[0].id


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("2026-01", "202601"), ("2026-12", "202612"), ("2026-Q3", "2026Q3"), ("2026", "2026"), ("2025-26", "2025Sep")],
)
def test_periods_are_written_as_dhis2_writes_them(ours: str, theirs: str) -> None:
    assert period_of(parse(ours)) == theirs


@given(st.sampled_from(list(PERIOD_TYPES)), st.integers(2012 * 12, 2100 * 12))
def test_no_two_periods_are_written_alike(kind: PeriodKind, month: int) -> None:
    period, following = period_at(kind, month), period_at(kind, period_at(kind, month).last + 1)
    assert period_of(period) != period_of(following)
    others = {period_of(period_at(other, month)) for other in PERIOD_TYPES if other is not kind}
    assert period_of(period) not in others


def test_dhis2_has_no_rolling_months() -> None:
    with pytest.raises(NoSuchPeriod):
        period_of(parse("2026-09-R12"))


@given(st.one_of(st.integers(-(10**15), 10**15), st.floats(-1e9, 1e9)))
def test_numbers_are_plain_decimals(amount: float) -> None:
    text = number_text(amount)
    assert "e" not in text
    assert float(text) == pytest.approx(amount, abs=1e-9, rel=1e-12)


@pytest.mark.parametrize("scheme", Scheme)
def test_what_is_withheld_or_unknown_is_left_out(scheme: Scheme) -> None:
    for indicator in INDICATORS.values():
        hidden = Value(None, None, None, None, True, dict.fromkeys(indicator.parts))
        assert list(data_values(indicator, "17", "2026Q3", hidden, scheme)) == []
        unknown = Value(None, None, 7, None, False, dict.fromkeys(indicator.parts))
        told = list(data_values(indicator, "17", "2026Q3", unknown, scheme))
        assert [each["value"] for each in told] == (["7"] if indicator.denominator else [])


@pytest.mark.parametrize("lang", Lang)
def test_dhis2s_schema_accepts_metadata_and_every_value_refers_to_it(lang: Lang) -> None:
    metadata = Metadata(Catalogue.load(SHARED_MESSAGES, MESSAGES), lang, 10).all(UNITS)
    assert metadata_faults(metadata) == []
    made = {entry["id"] for entry in metadata["dataElements"]}
    combos = {entry["id"]: entry["categoryCombo"]["id"] for entry in metadata["categoryOptionCombos"]}
    combo_of = {entry["id"]: entry["categoryCombo"]["id"] for entry in metadata["dataElements"]}
    for indicator in INDICATORS.values():
        value = Value(0.25, 1, 4, None, False, dict.fromkeys(indicator.parts, 3.0))
        told = list(data_values(indicator, "1708", "202609", value, Scheme.UID))
        assert faults("DataValueSet", {"dataValues": told}) == []
        assert {each["dataElement"] for each in told} <= made
        assert all(
            combos[each["categoryOptionCombo"]] == combo_of[each["dataElement"]] for each in told if len(each) > 4
        )
        assert len({(each["dataElement"], each.get("categoryOptionCombo")) for each in told}) == len(told)


def test_the_schema_would_find_faults() -> None:
    metadata = Metadata(Catalogue.load(SHARED_MESSAGES, MESSAGES), Lang.EN, 10).all(UNITS)
    metadata["organisationUnits"][0]["id"] = "1708"
    metadata["dataElements"][0]["aggregationType"] = "TOTAL"
    metadata["dataElements"][1]["code"] = metadata["dataElements"][2]["code"]
    del metadata["dataSets"][0]["periodType"]
    found = metadata_faults(metadata)
    for part in ("$.organisationUnits[0].id", "'TOTAL' is not one of", "dataElements.code twice", "'periodType' is a"):
        assert any(part in fault for fault in found), part


def test_places_have_levels_parents_dates_and_the_shapes_of_regions() -> None:
    units = Metadata(Catalogue.load(SHARED_MESSAGES, MESSAGES), Lang.RU, 10).all(UNITS)["organisationUnits"]
    nation, region, district, school = units
    assert [each["path"].count("/") for each in units] == [1, 2, 3, 4]
    assert [each.get("parent", {}).get("id") for each in units] == [None, nation["id"], region["id"], district["id"]]
    assert school["path"] == f"{district['path']}/{school['id']}"
    assert region["geometry"]["type"] in ("Polygon", "MultiPolygon")
    assert "geometry" not in nation
    assert (school["openingDate"][:10], school["closedDate"][:10]) == ("2020-09-01", "2026-08-31")
    assert len(school["shortName"]) <= 50 < len(school["name"]) <= 230
    assert {each["value"] for each in region["translations"]} == {"Jizzax", "Жиззах", "Jizzakh"}
