"""Texts, numbers and dates in the four languages: catalogues in TOML, one file per language and owner package.

    MESSAGES = Catalogue.load(SHARED_MESSAGES, Path(__file__).parent / "messages")
    MESSAGES.text("sign_in.title", Lang.RU)
    MESSAGES.text("places.found", Lang.EN, count=3)      # [places] found.one / found.other
    negotiate("ru-RU,ru;q=0.9,en;q=0.5")                 # Lang.RU

Uzbek Latin is the language that is written first; `python -m shared.i18n transliterate` writes Uzbek Cyrillic from it.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
import warnings
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from babel import Locale
from babel.dates import format_date, format_datetime, format_time
from babel.numbers import format_decimal, format_percent

from shared.clock import TASHKENT
from shared.transliteration import normalise, transliterate

SHARED_MESSAGES: Final = Path(__file__).parent / "messages"
"""The messages every service may use: errors, validation, names of codes."""


class Lang(StrEnum):
    """A language of the product; the value is its BCP 47 tag and the stem of its catalogue files."""

    UZ = "uz"
    UZ_CYRL = "uz-Cyrl"
    RU = "ru"
    EN = "en"

    @classmethod
    def parse(cls, tag: str | None) -> Lang | None:
        """The language with exactly that tag, or None."""
        return next((lang for lang in cls if lang == tag), None)

    @property
    def locale(self) -> Locale:
        """The Babel locale that formats this language's numbers and dates."""
        return _LOCALES[self]

    @property
    def own_name(self) -> str:
        """The language's name in itself, for a language switch."""
        return _OWN_NAMES[self]


DEFAULT_LANG: Final = Lang.UZ
_OWN_NAMES: Final = {Lang.UZ: "Oʻzbekcha", Lang.UZ_CYRL: "Ўзбекча", Lang.RU: "Русский", Lang.EN: "English"}
_LOCALES: Final = {
    Lang.UZ: Locale("uz", script="Latn"),
    Lang.UZ_CYRL: Locale("uz", script="Cyrl"),
    Lang.RU: Locale("ru"),
    Lang.EN: Locale("en", territory="GB"),
}
PLURAL_FORMS: Final = frozenset({"zero", "one", "two", "few", "many", "other"})


class MissingMessageWarning(UserWarning):
    """A text was asked for by a key that no catalogue has; an error in tests."""


class _Given(dict[str, object]):
    """Parameters of a text; one that was not given stays visible as its placeholder instead of raising."""

    def __missing__(self, name: str) -> str:
        return "{" + name + "}"


def _written(params: Mapping[str, object], lang: Lang) -> Mapping[str, object]:
    """The parameters with `count` as the language writes whole numbers."""
    count = params.get("count")
    return {**params, "count": number(count, lang, 0)} if isinstance(count, int) else params


class Catalogue:
    """The texts of one or more owner packages, by language and key. Immutable after loading."""

    def __init__(self, texts: Mapping[Lang, Mapping[str, str]]) -> None:
        self._texts = {lang: dict(texts.get(lang, {})) for lang in Lang}

    @classmethod
    def load(cls, *directories: Path) -> Catalogue:
        """The catalogue of all `<lang>.toml` and `<room>.<lang>.toml` in `directories`; ValueError for a key twice."""
        texts: dict[Lang, dict[str, str]] = {lang: {} for lang in Lang}
        for directory in directories:
            for path in sorted(directory.glob("*.toml")):
                lang, entries = lang_of(path), read_messages(path)
                if twice := sorted(entries.keys() & texts[lang].keys()):
                    raise ValueError(f"{path}: already defined in another catalogue: {', '.join(twice)}")
                texts[lang] |= entries
        return cls(texts)

    def text(self, key: str, lang: Lang | str = DEFAULT_LANG, /, **params: object) -> str:
        """The text of `key` in `lang`, `{name}`s filled from `params`.

        Where the key has plural forms, the integer parameter `count` chooses one. Without the key in `lang` the Uzbek
        text stands in, without that the key itself, with a MissingMessageWarning.
        """
        asked = Lang(lang)
        for candidate in dict.fromkeys((asked, DEFAULT_LANG)):
            template = self._template(key, candidate, params.get("count"))
            if template is not None:
                return template.format_map(_Given(_written(params, asked))) if "{" in template else template
        warnings.warn(MissingMessageWarning(f"no text for {key!r}"), stacklevel=2)
        return key

    def has(self, key: str) -> bool:
        """Whether the default language has a text for `key`."""
        texts = self._texts[DEFAULT_LANG]
        return key in texts or f"{key}.other" in texts

    def section(self, prefix: str, lang: Lang | str) -> dict[str, str]:
        """All texts below `prefix.`, keyed by the rest of their keys: for what a page's script must be able to say."""
        start = prefix + "."
        merged = self._texts[DEFAULT_LANG] | self._texts[Lang(lang)]
        return {key[len(start) :]: text for key, text in merged.items() if key.startswith(start)}

    def _template(self, key: str, lang: Lang, count: object) -> str | None:
        texts = self._texts[lang]
        if isinstance(count, int) and not isinstance(count, bool):
            form = str(lang.locale.plural_form(abs(count)))
            for candidate in (f"{key}.{form}", f"{key}.other"):
                if candidate in texts:
                    return texts[candidate]
        return texts.get(key, texts.get(f"{key}.other"))


def lang_of(path: Path) -> Lang:
    """The language of a catalogue file: `uz.toml`, or `visits.uz.toml` for a room's own; ValueError for others."""
    return Lang(path.stem.rpartition(".")[2])


def sibling(path: Path, lang: Lang) -> Path:
    """The file with the same room's texts in another language."""
    room, dot, _ = path.stem.rpartition(".")
    return path.with_name(f"{room}{dot}{lang}.toml")


def read_messages(path: Path) -> dict[str, str]:
    """The texts of one catalogue file by dotted key; raises ValueError for anything that is not text."""
    with path.open("rb") as file:
        entries = dict(_flatten(tomllib.load(file), "", path))
    return {key: normalise(text) for key, text in entries.items()} if lang_of(path) is Lang.UZ else entries


def _flatten(table: Mapping[str, Any], prefix: str, path: Path) -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.", path)
        elif isinstance(value, str):
            yield prefix + name, value
        else:
            found = type(value).__name__
            raise ValueError(f"{path}: {prefix}{name} must be text in quotes, found {found}")  # noqa: TRY004 - of a file


def placeholders(text: str) -> frozenset[str]:
    """The names in braces in a text."""
    return frozenset(re.findall(r"\{(\w+)", text))


def faults(directory: Path) -> list[str]:
    """What is wrong with one package's catalogues, one sentence each: languages, keys and placeholders must agree."""
    stems = {sibling(path, DEFAULT_LANG) for path in directory.glob("*.toml")} | {directory / f"{DEFAULT_LANG}.toml"}
    return [fault for source in sorted(stems) for fault in _faults(source)]


def _faults(source_path: Path) -> list[str]:
    found: list[str] = []
    languages: dict[Lang, dict[str, list[str]]] = {}
    for lang in Lang:
        path = sibling(source_path, lang)
        if not path.exists():
            found.append(f"{path} is missing")
            continue
        languages[lang] = {}
        for key, text in read_messages(path).items():
            stem, _, form = key.rpartition(".")
            languages[lang].setdefault(stem if stem and form in PLURAL_FORMS else key, []).append(text)
    source = languages.get(DEFAULT_LANG, {})
    for lang, entries in languages.items():
        path = sibling(source_path, lang)
        found += [f"{path} lacks {key}" for key in sorted(source.keys() - entries.keys())]
        found += [f"{path} has {key}, which {source_path.name} lacks" for key in sorted(entries.keys() - source.keys())]
        for key in sorted(source.keys() & entries.keys()):
            wanted, given = (frozenset().union(*map(placeholders, texts)) for texts in (source[key], entries[key]))
            if wanted != given:
                found.append(f"{path}: {key} has placeholders {sorted(given)}, {source_path.name} has {sorted(wanted)}")
            found += [f"{path}: {key} is empty" for text in entries[key] if not text.strip()]
    return found


def negotiate(header: str | None) -> Lang:
    """The product's language that fits an Accept-Language header best; the default where none does."""
    wishes: list[tuple[float, int, Lang]] = []
    for order, item in enumerate((header or "")[:1000].split(",")):
        tag, _, quality = item.strip().partition(";")
        try:
            weight = float(quality.strip().removeprefix("q=")) if quality else 1.0
        except ValueError:
            continue
        lang = _lang_of_tag(tag.strip())
        if lang is not None and weight > 0:
            wishes.append((-weight, order, lang))
    return min(wishes)[2] if wishes else DEFAULT_LANG


def _lang_of_tag(tag: str) -> Lang | None:
    parts = tag.lower().replace("_", "-").split("-")
    match parts[0]:
        case "uz":
            return Lang.UZ_CYRL if "cyrl" in parts else Lang.UZ
        case "ru":
            return Lang.RU
        case "en":
            return Lang.EN
        case _:
            return None


# numbers and dates


def number(value: float, lang: Lang | str, digits: int = 1) -> str:
    """`value` with the language's separators and at most `digits` decimals."""
    pattern = "#,##0" + ("." + "#" * digits if digits else "")
    return format_decimal(value, format=pattern, locale=Lang(lang).locale)


def percent(ratio: float, lang: Lang | str, digits: int = 1) -> str:
    """A ratio (1.0 = 100 %) as a percentage with at most `digits` decimals."""
    pattern = "#,##0" + ("." + "#" * digits if digits else "") + ("%" if lang == Lang.EN else "\u00a0%")
    return format_percent(ratio, format=pattern, locale=Lang(lang).locale)


def day(value: date, lang: Lang | str, style: str = "long") -> str:
    """A calendar day in words ("long", "medium") or digits ("short")."""
    return format_date(value, format=style, locale=Lang(lang).locale)


def month(value: date, lang: Lang | str) -> str:
    """A month and its year, standing alone: "sentabr 2026"."""
    return format_date(value, format="LLLL y", locale=Lang(lang).locale)


def moment(value: datetime, lang: Lang | str, *, seconds: bool = True) -> str:
    """An aware moment as date and time of day in Tashkent."""
    if not seconds:
        return f"{day(value.astimezone(TASHKENT).date(), lang)}, {value.astimezone(TASHKENT):%H:%M}"
    return format_datetime(value, format="medium", tzinfo=TASHKENT, locale=Lang(lang).locale)


def time_of_day(value: datetime, lang: Lang | str) -> str:
    """An aware moment as time of day in Tashkent, to the second."""
    return format_time(value, format="HH:mm:ss", tzinfo=TASHKENT, locale=Lang(lang).locale)


# the tool


def cyrillic_file(source: Path) -> str:
    """The content that the Cyrillic file must have beside the given Uzbek one (`uz.toml`, `visits.uz.toml`)."""
    tables: dict[str, list[str]] = {"": []}
    for key, text in read_messages(source).items():
        table, _, name = key.rpartition(".")
        tables.setdefault(table, []).append(f"{name} = {json.dumps(transliterate(text), ensure_ascii=False)}")
    lines = [
        "# Written by `python -m shared.i18n transliterate` from "
        + source.name
        + ": change that file and run it again."
    ]
    lines += tables.pop("")
    for table, entries in tables.items():
        lines += ["", f"[{table}]", *entries]
    return "\n".join(lines) + "\n"


def message_directories(root: Path) -> list[Path]:
    """Every directory of catalogues below `root`: shared/messages and services/*/messages."""
    return sorted(
        path.parent for pattern in ("shared", "services/*") for path in root.glob(f"{pattern}/messages/uz.toml")
    )


def main(arguments: Iterable[str]) -> int:
    """The command line: `transliterate` writes every uz-Cyrl.toml, `check` tells what is wrong with the catalogues."""
    root = Path(__file__).parent.parent
    directories = message_directories(root)
    match list(arguments):
        case ["transliterate"]:
            for source in (path for directory in directories for path in directory.glob("*.toml")):
                if lang_of(source) is Lang.UZ:
                    sibling(source, Lang.UZ_CYRL).write_text(cyrillic_file(source), encoding="utf-8")
            return 0
        case ["check"]:
            wrong = [fault for directory in directories for fault in faults(directory)]
            sys.stdout.write("\n".join(wrong or ["catalogues agree"]) + "\n")
            return 1 if wrong else 0
        case _:
            sys.stderr.write("usage: python -m shared.i18n transliterate | check\n")
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
