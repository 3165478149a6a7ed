"""XLSX files: what their archive may hold, their sheets by name, their shared texts and the formats of their days.

    with Workbook(path, limits) as book:
        for number, cells in book.rows(): ...

An archive's headers may say what they like: no more of a part is unpacked than it declares, and what it declares is
limited.
"""

import io
import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self
from xml.parsers.expat import ExpatError

from shared.files.cells import Kind, Row, Values, kind_of_built_in, kind_of_format, shared_texts, sheet_rows
from shared.files.markup import elements
from shared.files.problems import UnreadableFile, no_table

MOST_ENTRIES: Final = 2_000
MOST_PLAN_BYTES: Final = 5_000_000
"""Of a part that only says where others are, or how cells look."""
MOST_RATIO: Final = 200
DENSE_BYTES: Final = 10_000_000
"""A part as small as this may be packed as densely as it likes."""
MEGABYTE: Final = 1_000_000
_ENTRY: Final = b"PK\x01\x02"

BROKEN: Final = (
    zipfile.BadZipFile,
    zlib.error,
    ExpatError,
    EOFError,
    OSError,
    LookupError,
    ValueError,
    ArithmeticError,
    RuntimeError,
)
"""What files that only look like workbooks end in: damaged or encrypted parts, no XML, references that lead nowhere."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a workbook may hold: bytes of a sheet, bytes and number of the texts that sheets share, columns."""

    sheet_bytes: int
    text_bytes: int
    texts: int
    columns: int = 200


class Workbook:
    """A workbook that is open for reading. Everything here raises UnreadableFile."""

    def __init__(self, source: bytes | Path, limits: Limits) -> None:
        self._limits = limits
        self._file: IO[bytes] = io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")
        try:
            with _told():
                self._size = _size_of(self._file)
                self._archive = zipfile.ZipFile(self._file)
                self._parts = {info.filename.replace("\\", "/").lower(): info for info in self._archive.infolist()}
                self._open_plan()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def names(self) -> list[str]:
        """The worksheets' names in their order."""
        return list(self._sheets)

    def rows(
        self, name: str | None = None, *, booleans: tuple[str, str] = ("false", "true"), cut: bool = False
    ) -> Iterator[Row]:
        """Numbered rows (from 1) of a sheet – the first without a name – that have cells, as a person reads them.

        `booleans`: how false and true are written. Cells beyond the most columns are refused, with `cut` left out.
        """
        if not self._sheets:
            no_table()
        part = self._sheets[self.names[0] if name is None else name]
        with _told():
            values = Values(self._texts, self._kinds, since_1904=self._since_1904, booleans=booleans)
            with self._open(part, self._limits.sheet_bytes) as stream:
                yield from self._limited(sheet_rows(stream, values, self._limits.columns, cut=cut))

    def _limited(self, rows: Iterator[Row]) -> Iterator[Row]:
        """No more text than a sheet of this file may have bytes: one that cells share stands in each of them."""
        most, taken = self._most(self._limits.sheet_bytes), 0
        for row in rows:
            taken += sum(map(len, row[1]))
            if taken > most:
                raise UnreadableFile("file_unpacks", most=most // MEGABYTE)
            yield row

    @cached_property
    def _texts(self) -> list[str]:
        if self._text_part is None:
            return []
        with self._open(self._text_part, self._limits.text_bytes) as stream:
            return shared_texts(stream, self._limits.texts)

    def _open(self, part: str, most: int = MOST_PLAN_BYTES) -> IO[bytes]:
        info = self._parts[part.lower()]
        # Other methods are not among those of this format, and may take as much memory as they say.
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            no_table()
        most = self._most(most)
        if info.file_size > most:
            raise UnreadableFile("file_unpacks", most=most // MEGABYTE)
        return self._archive.open(info)

    def _most(self, limit: int) -> int:
        """How much comes of this file at most, whatever else the limit allows."""
        return min(limit, max(DENSE_BYTES, MOST_RATIO * self._size))

    def _open_plan(self) -> None:
        """Find the workbook, its sheets, and the other parts that it names."""
        root = self._first_related("", "/officeDocument") or "xl/workbook.xml"
        parts = self._related(root, "/worksheet")
        self._sheets: dict[str, str] = {}
        self._since_1904 = False
        with self._open(root) as stream:
            for name, attributes in elements(stream):
                if name == "workbookPr":
                    self._since_1904 = attributes.get("date1904") in ("1", "true")
                elif name == "sheet":
                    id_ = next((value for key, value in attributes.items() if key.endswith(":id")), "")
                    if id_ in parts:
                        self._sheets.setdefault(attributes["name"], parts[id_])
        self._text_part = self._first_related(root, "/sharedStrings")
        styles = self._first_related(root, "/styles")
        self._kinds = self._kinds_of(styles) if styles else []

    def _first_related(self, part: str, kind: str) -> str | None:
        found = (each for each in self._related(part, kind).values() if each.lower() in self._parts)
        return next(found, None)

    def _related(self, part: str, kind: str) -> dict[str, str]:
        """The parts that another one names, of one kind, by their ids."""
        folder, file = posixpath.split(part)
        plan = posixpath.join(folder, "_rels", f"{file}.rels")
        if plan.lower() not in self._parts:
            return {}
        with self._open(plan) as stream:
            return {
                attributes["Id"]: posixpath.normpath(posixpath.join("/", folder, attributes["Target"])).lstrip("/")
                for name, attributes in elements(stream)
                if name == "Relationship" and attributes["Type"].endswith(kind)
            }

    def _kinds_of(self, part: str) -> list[Kind]:
        """What each style makes of a number."""
        known: dict[str, Kind] = {}
        kinds: list[Kind] = []
        within = False
        with self._open(part) as stream:
            for name, attributes in elements(stream):
                if name == "numFmt":
                    known[attributes["numFmtId"]] = kind_of_format(attributes["formatCode"])
                elif name in ("cellXfs", "cellStyleXfs", "cellStyles"):
                    within = name == "cellXfs"
                elif name == "xf" and within:
                    id_ = attributes.get("numFmtId", "0")
                    kinds.append(known[id_] if id_ in known else kind_of_built_in(id_))
        return kinds


@contextmanager
def _told() -> Iterator[None]:
    """What a broken file raises, as UnreadableFile."""
    try:
        yield
    except UnreadableFile:
        raise
    except BROKEN:
        no_table()


def _size_of(file: IO[bytes]) -> int:
    """The file's bytes. Its entries are counted by their mark before anything is made of them."""
    size = entries = 0
    behind = b""
    while chunk := file.read(MEGABYTE):
        looked_at = behind + chunk
        entries += looked_at.count(_ENTRY)
        behind = looked_at[1 - len(_ENTRY) :]
        size += len(chunk)
    if entries > MOST_ENTRIES:
        no_table()
    return size
