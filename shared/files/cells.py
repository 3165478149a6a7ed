"""The cells of a sheet and the texts that sheets share, as their XML tells them.

A handler is called millions of times, so each does as little as can be: what it knows lies in its closure, and the
handler of texts is only there within a text.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from enum import Enum
from itertools import repeat
from typing import IO, Final, NoReturn

from shared.files.markup import MOST_DEPTH, a_parser, fed
from shared.files.problems import UnreadableFile, no_table

MOST_ROWS: Final = 1_048_576
MOST_CELL_CHARACTERS: Final = 32_767
"""What a sheet holds in Excel."""
MOST_COLUMN_LETTERS: Final = 3
EXACT_DIGITS: Final = 15
_DIGITS: Final = "0123456789"
_ESCAPED: Final = re.compile("_x([0-9A-Fa-f]{4})_")
_MOST_FORMAT_CHARACTERS: Final = 255


Row = tuple[int, list[str]]


class Kind(Enum):
    """What a cell's style makes of its number."""

    NUMBER = 0
    MOMENT = 1
    DURATION = 2


def kind_of_format(code: str) -> Kind:
    """What a number format shows."""
    from openpyxl.styles.numbers import is_date_format, is_timedelta_format  # takes a while; few files need it

    code = code[:_MOST_FORMAT_CHARACTERS]
    if is_timedelta_format(code):
        return Kind.DURATION
    return Kind.MOMENT if is_date_format(code) else Kind.NUMBER


def kind_of_built_in(number: str) -> Kind:
    """What a number format shows that every program knows by its number (ECMA-376, 18.8.30)."""
    if number in ("45", "46", "47"):
        return Kind.DURATION if number == "46" else Kind.MOMENT
    return Kind.MOMENT if number.isdecimal() and (14 <= int(number) <= 22 or 27 <= int(number) <= 36) else Kind.NUMBER


class Values:
    """What stands in a cell, as a person reads it: whole numbers without a point, days as YYYY-MM-DD."""

    def __init__(
        self, texts: Sequence[str], kinds: Sequence[Kind], *, since_1904: bool, booleans: tuple[str, str]
    ) -> None:
        self.texts = texts
        self._kinds = kinds
        self._dated = any(kind is not Kind.NUMBER for kind in kinds)
        self._since_1904 = since_1904
        self._booleans = booleans

    def of(self, cell: dict[str, str], value: str) -> str:
        """The text of a cell by its attributes and its raw value."""
        kind = cell.get("t")
        if kind is None or kind == "n":
            return self._number(cell, value)
        if kind in ("inlineStr", "str"):
            return unescaped(value) if "_x" in value else value
        if kind == "b":
            return self._booleans[value.strip() in ("1", "true")]
        if kind == "d":
            return _moment_text(datetime.fromisoformat(value.strip()))
        return "" if kind == "e" else value

    def _number(self, cell: dict[str, str], value: str) -> str:
        if self._dated and (style := cell.get("s")) and (kind := self._kinds[int(style)]) is not Kind.NUMBER:
            return self._moment(value, kind)
        if value.isdigit() and len(value) <= EXACT_DIGITS and value.isascii() and value[0] != "0":
            return value
        try:
            number = float(value)
        except ValueError:
            return value
        return str(int(number)) if number.is_integer() and abs(number) < 10**EXACT_DIGITS else str(number)

    def _moment(self, value: str, kind: Kind) -> str:
        from openpyxl.utils.datetime import MAC_EPOCH, WINDOWS_EPOCH, from_excel

        epoch = MAC_EPOCH if self._since_1904 else WINDOWS_EPOCH
        try:
            found = from_excel(float(value), epoch, timedelta=kind is Kind.DURATION)
        except (ValueError, OverflowError):
            return value
        if isinstance(found, timedelta):
            return str(found)
        return _moment_text(found) if isinstance(found, datetime) else found.isoformat()


def _moment_text(moment: datetime) -> str:
    return moment.date().isoformat() if moment.time() == datetime.min.time() else moment.isoformat()


def unescaped(text: str) -> str:
    """A text whose line ends and the like stand as _x000D_; what no text may hold stays written so."""
    return _ESCAPED.sub(_sign, text)


def _sign(found: re.Match[str]) -> str:
    code = int(found[1], 16)
    return chr(code) if code in (9, 10, 13) or 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE else found[0]


def _column(letters: str) -> int:
    if not 1 <= len(letters) <= MOST_COLUMN_LETTERS or not (letters.isascii() and letters.isalpha()):
        no_table()
    column = 0
    for letter in letters.upper():
        column = column * 26 + ord(letter) - 64
    return column - 1


def clean(text: str) -> str:
    """A cell's text without what only looks empty."""
    return text.replace("\u00a0", " ").replace("\u200b", "").strip()


def sheet_rows(  # noqa: C901 - one closure: each look-up elsewhere would be made for every cell
    stream: IO[bytes], values: Values, most_columns: int, *, cut: bool
) -> Iterator[Row]:
    """The rows of a sheet's XML that have cells; those beyond the most columns are refused or, with `cut`, left out.

    Where a row or a cell does not say its place it stands behind the one before it. Raises UnreadableFile and what
    `shared.files.workbooks.BROKEN` names.
    """
    parser = a_parser()
    rows: list[Row] = []
    columns: dict[str, int] = {}
    texts, value_of = values.texts, values.of
    parts: list[str] = []
    number = depth = column = 0
    cells: list[str] = []
    cell: dict[str, str] = {}
    value = ""
    unplaced = phonetic = over = False
    c = row = v = t = reading = data = ""

    def root(name: str, attributes: dict[str, str]) -> None:
        nonlocal c, row, v, t, reading, data
        prefix = name[: name.rfind(":") + 1]
        c, row, v, t, reading, data = (prefix + each for each in ("c", "row", "v", "t", "rPh", "sheetData"))
        # The parser gives these very strings then: they are equal at first sight.
        parser.intern.update({each: each for each in (c, row, v, t, reading, data)})
        parser.StartElementHandler = begin
        begin(name, attributes)

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, column, cell, value, phonetic
        depth += 1
        if name == c:
            cell, value = attributes, ""
            parts.clear()
            if place := attributes.get("r"):
                letters = place.rstrip(_DIGITS)
                try:
                    column = columns[letters]
                except KeyError:
                    column = columns[letters] = _column(letters)
                if unplaced:
                    place_row(place[len(letters) :])
        elif name == v or name == t:  # noqa: SIM109 - a tuple would be made each time
            parts.clear()
        elif name == row:
            begin_row(attributes)
        elif name == reading:
            phonetic = True

    def begin_row(attributes: dict[str, str]) -> None:
        nonlocal number, cells, column, unplaced
        number, cells, column = number + 1, [], 0
        parts.clear()
        unplaced = "r" not in attributes
        if not unplaced:
            place_row(attributes["r"])
        elif number > MOST_ROWS:
            no_table(MOST_ROWS)

    def place_row(digits: str) -> None:
        nonlocal number, unplaced
        given = int(digits)
        if not number <= given <= MOST_ROWS:
            no_table(number)
        number, unplaced = given, False

    def end(name: str) -> None:
        nonlocal depth, column, value, over, phonetic
        depth -= 1
        if name == c:
            if value:
                value = texts[int(value)] if cell.get("t") == "s" else value_of(cell, value)
                if len(value) > MOST_CELL_CHARACTERS:
                    _too_long(number)
                if column == len(cells) and column < most_columns:
                    cells.append(value)
                else:
                    put()
            column += 1
        elif name == v or name == t:  # noqa: SIM109 - as above
            if not phonetic:
                if len(parts) == 1:
                    value = value + parts[0] if value else parts[0]
                else:
                    value += "".join(parts)
                parts.clear()
        elif name == row:
            if cells:
                rows.append((number, cells))
        elif name == reading:
            phonetic = False
        elif name == data:
            over = True

    def put() -> None:
        if column >= most_columns:
            if value.strip() and not cut:
                raise UnreadableFile("too_many_columns", row=number, most=most_columns)
        elif column < len(cells):
            cells[column] = value
        else:
            cells.extend(repeat("", column - len(cells)))
            cells.append(value)

    parser.StartElementHandler = root
    parser.EndElementHandler = end
    parser.CharacterDataHandler = parts.append
    for _ in fed(parser, stream):
        yield from rows
        rows.clear()
        if over:
            return
        _check(depth, len(value) + sum(map(len, parts)), number)


def shared_texts(stream: IO[bytes], most: int) -> list[str]:
    """The texts that the sheets of a workbook share, by their numbers."""
    parser = a_parser()
    found: list[str] = []
    parts: list[str] = []
    depth = 0
    phonetic = False

    def begin(name: str, _: dict[str, str]) -> None:
        nonlocal depth, phonetic
        depth += 1
        if name.endswith("t"):
            if not phonetic and name.rpartition(":")[2] == "t":
                parser.CharacterDataHandler = parts.append
        elif name.endswith("rPh"):
            phonetic = True

    def end(name: str) -> None:
        nonlocal depth, phonetic
        depth -= 1
        parser.CharacterDataHandler = None
        if name.endswith("si"):
            text = parts[0] if len(parts) == 1 else "".join(parts)
            found.append(unescaped(text) if "_x" in text else text)
            parts.clear()
        elif name.endswith("rPh"):
            phonetic = False

    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    for _ in fed(parser, stream):
        if len(found) > most:
            raise UnreadableFile("too_many_texts", most=most)
        _check(depth, sum(map(len, parts)), 1)
    return found


def _check(depth: int, characters: int, row: int) -> None:
    """Between two pieces of a part: what has begun must not go on for ever."""
    if depth > MOST_DEPTH:
        no_table(max(row, 1))
    if characters > MOST_CELL_CHARACTERS:
        _too_long(max(row, 1))


def _too_long(row: int) -> NoReturn:
    raise UnreadableFile("cell_too_long", row=row, most=MOST_CELL_CHARACTERS)
