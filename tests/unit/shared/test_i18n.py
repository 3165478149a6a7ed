"""The message catalogues of the whole repository agree, and texts and numbers come out as each language writes them."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from shared import i18n
from shared.i18n import Catalogue, Lang, MissingMessageWarning, negotiate

ROOT = Path(__file__).parents[3]
DIRECTORIES = i18n.message_directories(ROOT)


@pytest.mark.parametrize("directory", DIRECTORIES, ids=lambda path: path.parent.name)
def test_all_languages_have_the_same_keys_and_placeholders(directory: Path) -> None:
    assert i18n.faults(directory) == []


@pytest.mark.parametrize("directory", DIRECTORIES, ids=lambda path: path.parent.name)
def test_cyrillic_catalogue_is_up_to_date(directory: Path) -> None:
    written = (directory / "uz-Cyrl.toml").read_text(encoding="utf-8")
    assert written == i18n.cyrillic_file(directory / "uz.toml"), "run `python -m shared.i18n transliterate`"


def test_no_two_owners_of_a_key() -> None:
    Catalogue.load(*DIRECTORIES)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, Lang.UZ),
        ("", Lang.UZ),
        ("ru", Lang.RU),
        ("ru-RU,ru;q=0.9,en;q=0.5", Lang.RU),
        ("de, en;q=0.5, ru;q=0.4", Lang.EN),
        ("uz-Cyrl-UZ", Lang.UZ_CYRL),
        ("uz-Latn, ru", Lang.UZ),
        ("en;q=0, ru;q=0.1", Lang.RU),
        ("fr, *;q=0.1", Lang.UZ),
        ("en;q=nonsense, ru;q=0.2", Lang.RU),
    ],
)
def test_language_is_negotiated_from_accept_language(header: str | None, expected: Lang) -> None:
    assert negotiate(header) is expected


def catalogue() -> Catalogue:
    return Catalogue(
        {
            Lang.UZ: {"hello": "Salom, {name}", "only": "faqat", "found.other": "{count} ta"},
            Lang.RU: {"hello": "Привет, {name}", "found.one": "{count} запись", "found.few": "{count} записи",
                      "found.many": "{count} записей", "found.other": "{count} записи"},
        }
    )  # fmt: skip


def test_text_is_filled_and_falls_back_to_uzbek() -> None:
    assert catalogue().text("hello", Lang.RU, name="Али") == "Привет, Али"
    assert catalogue().text("only", Lang.RU) == "faqat"


def test_a_parameter_that_was_not_given_stays_visible() -> None:
    assert catalogue().text("hello", Lang.UZ) == "Salom, {name}"


def test_missing_key_warns_and_shows_the_key() -> None:
    with pytest.warns(MissingMessageWarning):
        assert catalogue().text("nowhere", Lang.EN) == "nowhere"


@pytest.mark.parametrize(
    ("count", "expected"), [(1, "1 запись"), (3, "3 записи"), (11, "11 записей"), (21, "21 запись")]
)
def test_count_chooses_the_plural_form(count: int, expected: str) -> None:
    assert catalogue().text("found", Lang.RU, count=count) == expected
    assert catalogue().text("found", Lang.UZ, count=count) == f"{count} ta"


def test_count_is_written_as_the_language_writes_numbers() -> None:
    assert catalogue().text("found", Lang.RU, count=12345) == "12\u00a0345 записей"


def test_numbers_and_dates_are_written_as_the_language_writes_them() -> None:
    assert i18n.number(12345.67, Lang.RU) == "12\u00a0345,7"
    assert i18n.number(12345.67, Lang.EN, 0) == "12,346"
    assert i18n.percent(0.1234, Lang.UZ) == "12,3\u00a0%"
    assert i18n.day(date(2026, 9, 1), Lang.RU).startswith("1 сентября 2026")
    assert i18n.day(date(2026, 9, 1), Lang.EN) == "1 September 2026"
    assert i18n.month(date(2026, 9, 1), Lang.UZ_CYRL).lower().startswith("сентябр")
    assert i18n.time_of_day(datetime(2026, 9, 1, 20, 0, tzinfo=UTC), Lang.UZ) == "01:00:00"


def test_catalogue_faults_name_file_and_key(tmp_path: Path) -> None:
    for lang, text in {"uz": "{a}", "uz-Cyrl": "{b}", "ru": "{a}"}.items():
        (tmp_path / f"{lang}.toml").write_text(f'[x]\ny = "{text}"\n', encoding="utf-8")
    faults = "\n".join(i18n.faults(tmp_path))
    assert "en.toml is missing" in faults
    assert "uz-Cyrl.toml: x.y has placeholders ['b']" in faults
