"""The words of registers, fields, codes and steps in the reader's language, and the names of code lists."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import groupby

from services.portal.territory import NATION, REFERENCE, territory
from shared.i18n import Catalogue, Lang

Options = list[tuple[str, str]]
"""Codes with their words."""
Groups = list[tuple[str, Options]]
"""Options under headings; one heading "" where there is nothing to head."""

OWN_SECTIONS = {"Form": "form", "InstitutionKind": "kind"}
"""Codes whose words the indicators' pages have already."""
YEAR_BEGINS = 9
"""September."""


@dataclass(frozen=True, slots=True)
class Words:
    """Texts by what they name; what has no text of its own is shown by the nearest thing that has one."""

    catalogue: Catalogue
    lang: Lang

    def label(self, register: str, name: str) -> str:
        """What a field is called."""
        return self._first((f"field_of.{register}.{name}", f"field.{name}"), name.replace("_", " "))

    def help(self, register: str, name: str, said: str = "") -> str:
        """What helps to fill a field in; what the service says stands in for readers of English."""
        return self._first((f"help_of.{register}.{name}", f"help.{name}"), said if self.lang is Lang.EN else "")

    def code(self, enum: str, value: str) -> str:
        """What a code means."""
        own = OWN_SECTIONS.get(enum)
        keys = (f"code_of.{enum}.{value}", *((f"{own}.{value}",) if own else ()), f"code.{value}")
        return self._first(keys, value)

    def step(self, register: str, step: str) -> str:
        """What a step is called on its button."""
        return self._first((f"step_of.{register}.{step}", f"step.{step}"), step.replace("-", " "))

    def step_help(self, register: str, step: str, said: str = "") -> str:
        """What a step does."""
        keys = (f"step_help_of.{register}.{step}", f"step_help.{step}")
        return self._first(keys, said if self.lang is Lang.EN else "")

    def register(self, name: str) -> str:
        """What a register is called."""
        return self._first((f"register.{name}",), name)

    def new(self, name: str) -> str:
        """What the button says that makes a new entry."""
        return self._first((f"new.{name}",), self.catalogue.text("work.new", self.lang))

    def text(self, key: str, **params: object) -> str:
        """Any text."""
        return self.catalogue.text(key, self.lang, **params)

    def _first(self, keys: Sequence[str], otherwise: str) -> str:
        found = next((key for key in keys if self.catalogue.has(key)), None)
        return self.catalogue.text(found, self.lang) if found else otherwise


def named(source: str, code: str, lang: Lang) -> str:
    """The name of a code of a list; the code itself where the list has no name for it."""
    match source:
        case "isco":
            return f"{code} – {_isco()[code]}" if code in _isco() else code
        case "isic":
            return f"{code} – {_isic()[code]}" if code in _isic() else code
        case "region" | "district" | "territory" | "owner":
            place = territory().get(code)
            return place.name(lang) if place else code
    return code


def choices(source: str, lang: Lang, today: date, office: str = NATION) -> Groups:
    """What may be chosen from a code list; professions are too many to choose from: they are typed (`suggestions`).

    `office` is the reader's territory: it may speak for itself and what lies in it.
    """
    match source:
        case "isic":
            return [("", [(code, named(source, code, lang)) for code in _isic()])]
        case "academic_year":
            begun = today.year if today.month >= YEAR_BEGINS else today.year - 1
            return [("", [(f"{year}-{(year + 1) % 100:02}",) * 2 for year in range(begun + 1, begun - 4, -1)])]
        case "region":
            return [("", _places("region", lang))]
        case "district":
            return _districts(lang)
        case "territory":
            return [("", _places("nation", lang) + _places("region", lang)), *_districts(lang)]
        case "owner":
            return _within(choices("territory", lang, today), office)
    return []


def suggestions(source: str) -> Options:
    """Codes that a field suggests while one types."""
    return list(_isco().items()) if source == "isco" else []


def _within(groups: Groups, office: str) -> Groups:
    narrowed = [(name, [option for option in options if option[0].startswith(office)]) for name, options in groups]
    return [(name, options) for name, options in narrowed if options]


def _places(level: str, lang: Lang) -> Options:
    found = [(place.code, place.name(lang)) for place in territory().values() if place.level == level]
    return sorted(found, key=lambda item: item[1])


def _districts(lang: Lang) -> Groups:
    by_region = sorted(
        (place for place in territory().values() if place.level == "district"), key=lambda place: place.parent
    )
    groups = [
        (named("region", region, lang), sorted(((place.code, place.name(lang)) for place in places), key=_second))
        for region, places in groupby(by_region, key=lambda place: place.parent)
    ]
    return sorted(groups)


def _second(item: tuple[str, str]) -> str:
    return item[1]


@cache
def _isco() -> Mapping[str, str]:
    """ISCO-08 unit groups (4 digits) by code."""
    return _titles("isco08.csv", "4")


@cache
def _isic() -> Mapping[str, str]:
    """ISIC Rev. 4 sections (A–U) by code."""
    return _titles("isic4.csv", "1")


def _titles(file: str, level: str) -> Mapping[str, str]:
    with (REFERENCE / file).open(encoding="utf-8", newline="") as rows:
        return {row["code"]: row["title_en"] for row in csv.DictReader(rows) if row["level"] == level}
