"""Columns of the files: their code, their titles in four languages, and template files made from them."""

import csv
import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.cli.importing.files import SPREADSHEETS, FileProblem
from shared.i18n import Lang
from shared.transliteration import normalise, transliterate


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `code` is its English name, `uz` and `ru` its titles, `also` other names it is known by."""

    code: str
    uz: str
    ru: str
    help: str
    example: str
    required: bool = True
    also: tuple[str, ...] = field(default=())

    def title(self, lang: Lang) -> str:
        """What stands in a template's header."""
        match lang:
            case Lang.EN:
                return self.code
            case Lang.RU:
                return self.ru
            case Lang.UZ:
                return normalise(self.uz)
            case _:
                return transliterate(normalise(self.uz))

    @property
    def names(self) -> frozenset[str]:
        """Every header that means this column."""
        return frozenset(_plain(name) for name in (*(self.title(lang) for lang in Lang), *self.also))


@dataclass(frozen=True, slots=True)
class Header:
    """A file's header understood: place in the row → column, and the titles that mean nothing here."""

    columns: tuple[Column | None, ...]
    unknown: tuple[str, ...]
    missing: tuple[Column, ...]


def understand(titles: Sequence[str], columns: Sequence[Column]) -> Header:
    """Match a header's titles with a register's columns. Raises FileProblem for required or doubled ones."""
    by_name = {name: column for column in columns for name in column.names}
    found = tuple(by_name.get(_plain(title)) for title in titles)
    seen: set[str] = set()
    for title, column in zip(titles, found, strict=True):
        if column is not None and column.code in seen:
            raise FileProblem(f"Two columns mean {column.code} (one is “{title}”). Remove one.")
        if column is not None:
            seen.add(column.code)
    unknown = tuple(title for title, column in zip(titles, found, strict=True) if column is None and title)
    missing = tuple(column for column in columns if column.code not in seen)
    if lacking := [column.code for column in missing if column.required]:
        hints = [hint for title in unknown if (hint := _hint(title, lacking))]
        raise FileProblem(
            f"The header lacks {', '.join(lacking)}. The first row must name the columns "
            f"({', '.join(column.code for column in columns)}); make an example with --template."
            + (f" {' '.join(hints)}" if hints else "")
        )
    return Header(found, unknown, missing)


def _hint(title: str, lacking: Sequence[str]) -> str:
    near = difflib.get_close_matches(_plain(title), lacking, n=1, cutoff=0.6)
    return f"Did you mean {near[0]} by “{title}”?" if near else ""


def _plain(title: str) -> str:
    """A title as it is compared: without case, signs of the turned comma, and with one sign between words."""
    lowered = title.casefold().translate({ord(sign): None for sign in "'‘’`´ʻʼ\"*"})
    return "_".join(lowered.replace("_", " ").replace("-", " ").split())


def write_template(path: Path, columns: Sequence[Column], lang: Lang) -> None:
    """An example file, .xlsx or .csv by the ending of its name: the header in `lang` and one row."""
    header, example = [column.title(lang) for column in columns], [column.example for column in columns]
    if path.exists():
        raise FileProblem(f"{path} is there already. Name another file.")
    if path.suffix.lower() in SPREADSHEETS:
        import openpyxl
        from openpyxl.utils import get_column_letter

        book = openpyxl.Workbook()
        sheet = book.active
        assert sheet is not None
        sheet.append(header)
        sheet.append(example)
        sheet.freeze_panes = "A2"
        for place, column in enumerate(columns, start=1):
            letter = get_column_letter(place)
            sheet.column_dimensions[letter].width = max(len(column.title(lang)), len(column.example)) + 4
        book.save(path)
        return
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=";").writerows([header, example])
