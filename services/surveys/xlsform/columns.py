"""The columns of a sheet by what they mean, in whatever spelling and languages a form has them."""

from dataclasses import dataclass, field

from services.surveys.xlsform.convention import OWN, SETTINGS, SURVEY, language_of
from services.surveys.xlsform.sheets import Line, Sheet, SheetFault
from services.surveys.xlsform.vocabulary import CHANGING, COLUMNS, SILENT, TRANSLATED
from shared.i18n import Lang


@dataclass(slots=True)
class Columns:
    """Where the columns of a sheet stand, by what they mean."""

    sheet: Sheet
    plain: dict[str, str] = field(default_factory=dict)
    texts: dict[str, dict[Lang, str]] = field(default_factory=dict)
    faults: list[SheetFault] = field(default_factory=list)
    warnings: list[SheetFault] = field(default_factory=list)

    def get(self, line: Line, column: str) -> str:
        """A cell, empty where there is none."""
        return line.cells.get(self.plain.get(column, ""), "")

    def own(self, line: Line, column: str) -> str:
        """A cell of one of our own columns."""
        return self.get(line, OWN + column)

    def text(self, line: Line, column: str) -> dict[str, str]:
        """A text by language, as far as it is given."""
        columns = self.texts.get(column, {})
        return {lang.value: line.cells[header] for lang, header in columns.items() if line.cells.get(header)}

    def header(self, column: str, lang: Lang | None = None) -> str:
        """The header to show beside a fault."""
        headers = self.texts.get(column, {})
        if lang is not None and lang in headers:
            return headers[lang]
        return next(iter(headers.values()), self.plain.get(column, column))

    def left_out(self, header: str, rule: str) -> None:
        """Warn of a column that is filled and not taken over."""
        if any(header in line.cells for line in self.sheet.lines):
            self.warnings.append(SheetFault(self.sheet.name, 1, header[:80], rule, {"value": header[:80]}))


def columns_of(sheet: Sheet, unnamed: Lang) -> Columns:
    """The columns of a sheet; `unnamed` is the language of those that name none."""
    found = Columns(sheet)
    for header in sheet.headers:
        _column(found, header, unnamed)
    if sheet.name == SURVEY and "type" not in found.plain:
        found.faults.append(SheetFault(SURVEY, 1, None, "xlsform-no-column", {"column": "type"}))
    if sheet.name == SURVEY and sheet.headers and "label" not in found.texts:
        found.faults.append(SheetFault(SURVEY, 1, None, "xlsform-no-column", {"column": "label::English (en)"}))
    return found


def _column(found: Columns, header: str, unnamed: Lang) -> None:
    lowered = header.strip().lower()
    prefix = next((each for each in ("hamkor::", "hamkor:", "hamkor_") if lowered.startswith(each)), None)
    if prefix is not None:
        _own_column(found, header, header.strip()[len(prefix) :].strip())
        return
    whole = COLUMNS.get(lowered, lowered)
    base, _, name = lowered.replace("::", "\0").replace(":", "\0", 1).partition("\0")
    base = COLUMNS.get(base, base)
    if whole in TRANSLATED:
        found.texts.setdefault(whole, {}).setdefault(unnamed, header)
    elif base in TRANSLATED and name:
        lang = language_of(name)
        if lang is None:
            found.left_out(header, "xlsform-language" if base == "label" else "xlsform-ignored-column")
        else:
            found.texts.setdefault(base, {})[lang] = header
    elif whole in SILENT or whole in CHANGING or found.sheet.name == SETTINGS:
        found.plain[whole] = header
    else:
        found.left_out(header, "xlsform-ignored-column")


def _own_column(found: Columns, header: str, name: str) -> None:
    if not name.lower().startswith("title"):
        found.plain[OWN + name.lower()] = header
    elif (lang := language_of(name[5:].lstrip(":"))) is not None:
        found.texts.setdefault("title", {})[lang] = header
