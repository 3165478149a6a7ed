"""Files of the import pages: empty ones to fill in, and the faults as a table.

Loaded with the first such file: what writes spreadsheets takes 14 MB, which most portals never need.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Final

from services.portal.work.imports.report import Fault
from services.portal.work.words import Words
from shared.i18n import Lang
from shared.web.tabular import BOM, Column, Kind, cell_of, csv_text, xlsx_file

TEXT: Final = Column(("text",), Kind.TEXT, required=True)
NO_PAGES: Final[Sequence[Sequence[Mapping[str, Any]]]] = ()


def empty_csv(names: Sequence[str], lang: Lang) -> bytes:
    """A header alone, with the mark that tells Excel it is UTF-8.

    Excel divides columns by what the country writes between items: a semicolon where numbers have a decimal comma,
    as in Uzbekistan. Imports read both.
    """
    return (BOM + ("," if lang is Lang.EN else ";").join(names) + "\r\n").encode()


def empty_xlsx(names: Sequence[str]) -> AsyncIterator[bytes]:
    """A header alone, as a spreadsheet."""

    async def nothing() -> AsyncIterator[Sequence[Mapping[str, Any]]]:
        for page in NO_PAGES:
            yield page

    return xlsx_file([Column(tuple(name.split(".")), Kind.TEXT, required=False) for name in names], nothing())


def faults_head(words: Words) -> str:
    """The first row of a file of faults."""
    heads = (words.text(f"import.fault.{part}") for part in ("row", "column", "label", "value", "message", "remedy"))
    return BOM + csv_text([list(heads)])


def faults_rows(faults: Iterable[Fault]) -> str:
    """Faults as CSV. What stood in the file stands here again: no spreadsheet may calculate it."""
    return csv_text(
        [
            each.row or "",
            *(cell_of(text, TEXT) for text in (each.column, each.label, each.value, each.message, each.remedy)),
        ]
        for each in faults
    )
