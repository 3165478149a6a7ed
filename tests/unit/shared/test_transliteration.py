"""Uzbek Latin becomes Uzbek Cyrillic by rule; the official names of the territory are the reference."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.transliteration import normalise, transliterate

TERRITORY = Path(__file__).parents[3] / "shared/reference/territory.csv"

OWN_SPELLING = {
    "Surxondaryo viloyati", "Izboskan tumani", "Sharof Rashidov tumani", "Pastdarg‘om tumani", "Nurobod tumani",
    "Qumqo‘rg‘on tumani", "Bektemir tumani", "Mirzo Ulug‘bek tumani", "Sergeli tumani", "Bekobod tumani",
    "Quyi Chirchiq tumani", "Yuqori Chirchiq tumani", "O‘rta Chirchiq tumani", "Angren shahri", "Bekobod shahri",
    "Bag‘dod tumani", "Hazorasp tumani", "Kegeyli tumani",
}  # fmt: skip
"""Places whose two official names differ by more than the alphabet."""


def test_names_of_the_territory_come_out_as_the_official_ones() -> None:
    with TERRITORY.open(encoding="utf-8", newline="") as file:
        names = {row["name_uz_latn"]: row["name_uz_cyrl"] for row in csv.DictReader(file)}
    different = {latin for latin, cyrillic in names.items() if transliterate(latin) != cyrillic}
    assert different == OWN_SPELLING


@pytest.mark.parametrize(
    ("latin", "cyrillic"),
    [
        ("yoʻl, bogʻcha, Oʻgʻil", "йўл, боғча, Ўғил"),
        ("Ta'lim muassasasi", "Таълим муассасаси"),
        ("YOSHLAR shahri", "ЁШЛАР шаҳри"),
        ("Isʼhoq", "Исҳоқ"),
        ("ekspert, yetti, poyezd, maʼno", "эксперт, етти, поезд, маъно"),
        ("kvalifikatsiya litseyi", "квалификация лицейи"),
        ("ketsa", "кетса"),
        ("rol, roli, fakultet, sentabr", "роль, роли, факультет, сентябрь"),
        ("STIR", "СТИР"),
        ("API orqali {field_name} maydoni", "API орқали {field_name} майдони"),
        ("AF1–AF8 va R13, ISCO-08", "AF1–AF8 ва R13, ISCO-08"),
        ("https://hamkor.uz/oʻquv sahifasi", "https://hamkor.uz/oʻquv саҳифаси"),
        ("`make up` buyrugʻi", "`make up` буйруғи"),
        ("/v1/values manzili", "/v1/values манзили"),
        ("<b>qalin</b>", "<b>қалин</b>"),
    ],
)
def test_rules_and_exceptions(latin: str, cyrillic: str) -> None:
    assert transliterate(latin) == cyrillic


@given(st.text(max_size=60))
def test_any_text_is_taken_and_gives_the_same_letters_again(text: str) -> None:
    assert transliterate(text) == transliterate(text)


def test_what_stands_in_a_code_span_stays_as_it_is() -> None:
    text = "`yes` yoki `no` yozing, keyin `from` va `to` ostida bo`lsin"
    assert normalise(text) == "`yes` yoki `no` yozing, keyin `from` va `to` ostida boʻlsin"
    assert transliterate(normalise(text)) == "`yes` ёки `no` ёзинг, кейин `from` ва `to` остида бўлсин"


def test_letters_that_name_something_stay_latin() -> None:
    assert transliterate("R natijalar, A shaxsiy sabablar (webhook)") == "R натижалар, A шахсий сабаблар (вебхук)"
    assert transliterate("U keldi. O dedi, A. Navoiy") == "У келди. О деди, А. Навоий"


def test_normalise_writes_the_official_signs() -> None:
    assert normalise("O'zbekiston, bog‘, yo’l, ma'lumot, 'soʻz'") == "Oʻzbekiston, bogʻ, yoʻl, maʼlumot, 'soʻz'"
