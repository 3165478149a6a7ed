"""Titles of ISCO-08 unit groups: in our languages where we have them, else in English."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from services.surveys.domain.instruments import Text
from shared.contracts.codes import isco_unit_titles
from shared.i18n import Lang
from shared.transliteration import normalise, transliterate

FILE: Final = Path(__file__).parent / "professions.toml"


@cache
def titles() -> Mapping[str, Text]:
    """The title of each of the 436 unit groups, by code."""
    ours = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return {code: _title(english, ours.get(code, {})) for code, english in sorted(isco_unit_titles().items())}


@cache
def familiar() -> tuple[str, ...]:
    """The unit groups whose titles we have in every language: those that people here are trained for, by code."""
    return tuple(sorted(tomllib.loads(FILE.read_text(encoding="utf-8"))))


def title_of(code: str, lang: Lang) -> str:
    """A unit group's title, or the code itself where it is none."""
    title = titles().get(code)
    return code if title is None else title[lang]


def _title(english: str, ours: Mapping[str, str]) -> Text:
    uzbek = normalise(ours["uz"]) if "uz" in ours else english
    return {
        Lang.UZ: uzbek,
        Lang.UZ_CYRL: transliterate(uzbek) if "uz" in ours else english,
        Lang.RU: ours.get("ru", english),
        Lang.EN: english,
    }
