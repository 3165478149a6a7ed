"""A form with a file, read as it comes: short fields are kept, the file passes through chunk by chunk."""

from collections.abc import AsyncIterator
from contextlib import suppress
from email.message import Message
from pathlib import PurePath
from typing import Final

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from shared.errors import TooLarge

CSV: Final = "text/csv"
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
KINDS: Final = {".csv": CSV, ".txt": CSV, ".tsv": CSV, ".xlsx": XLSX}
"""By the name's end: what browsers say of a CSV file's kind depends on the programs that are installed."""
MOST_FIELD_BYTES: Final = 4_000_000
"""Of all fields together: a packed file and packed faults are among them."""
MOST_PARTS: Final = 20
"""Of a form: empty ones weigh nothing, and take memory all the same."""
MOST_NAME: Final = 200
DRAINED_BYTES: Final = 64_000_000
"""How much of a refused file is read all the same: whoever is cut off while sending never sees the answer."""
FILE: Final = "file"
"""The name of the file's input."""


class Upload:
    """One form: `open` reads up to its file, `chunks` the file, and then the rest of the fields.

    `name` is what the file is called, "" where none was chosen. What is no such form is HTTPException(400); a file of
    more than `most` bytes, or fields of more than MOST_FIELD_BYTES, are TooLarge.
    """

    def __init__(self, request: Request, most: int) -> None:
        self.fields: dict[str, str] = {}
        self.name = ""
        self._most = most
        self._stream = request.stream()
        self._size = self._kept = self._parts = 0
        self._in_file = self._whole = False
        self._header, self._headers = b"", Message()
        self._named: dict[str, bytearray] = {}
        self._part: bytearray | None = None
        self._ready: list[bytes] = []
        self._parser = MultipartParser(
            _boundary(request),
            {
                "on_part_begin": self._begin,
                "on_header_field": self._on_header_name,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers,
                "on_part_data": self._on_data,
                "on_part_end": self._end,
                "on_end": self._over,
            },
        )
        self._value = b""

    @property
    def kind(self) -> str:
        """The file's media type by its name; "" where imports take no such files."""
        return KINDS.get(PurePath(self.name).suffix.lower(), "")

    async def open(self) -> None:
        """Read as far as the file begins, or to the end where there is none."""
        while not self._in_file and await self._more():
            pass

    async def chunks(self) -> AsyncIterator[bytes]:
        """The file's content as it comes; afterwards all fields are known."""
        while True:
            while self._ready:
                yield self._ready.pop(0)
            if not await self._more():
                return

    async def drain(self) -> None:
        """Let what is still being sent come to nothing, as far as that is decent."""
        left = DRAINED_BYTES
        with suppress(ClientDisconnect):
            async for chunk in self._stream:
                left -= len(chunk)
                if left < 0:
                    return

    async def _more(self) -> bool:
        chunk = await anext(self._stream, None)
        if not chunk:
            # An empty chunk is the last. A file that was cut off on its way is no shorter file.
            if not self._whole:
                raise HTTPException(400)
            self.fields |= {name: bytes(value).decode("utf-8", "replace") for name, value in self._named.items()}
            return False
        try:
            self._parser.write(chunk)
        except MultipartParseError as problem:
            raise HTTPException(400) from problem
        return True

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise HTTPException(400)
        self._headers, self._part, self._in_file = Message(), None, False

    def _on_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._header.decode("latin-1")] = self._value.decode("utf-8", "replace")
        self._header = self._value = b""

    def _on_headers(self) -> None:
        name = str(self._headers.get_param("name", "", "content-disposition"))
        file = self._headers.get_param("filename", None, "content-disposition")
        if file is None:
            self._part = self._named[name] = bytearray()
        elif name == FILE and file and not self.name:
            self.name, self._in_file = PurePath(str(file)).name[-MOST_NAME:], True

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._size += end - start
            if self._size > self._most:
                raise TooLarge(limit=f"{self._most // 1_000_000} MB")
            self._ready.append(data[start:end])
        elif self._part is not None:
            self._kept += end - start
            if self._kept > MOST_FIELD_BYTES:
                raise TooLarge(limit=f"{MOST_FIELD_BYTES // 1_000_000} MB")
            self._part += data[start:end]

    def _end(self) -> None:
        self._in_file = False

    def _over(self) -> None:
        self._whole = True


def _boundary(request: Request) -> bytes:
    header = Message()
    header["content-type"] = request.headers.get("content-type", "")
    boundary = header.get_boundary()
    if header.get_content_type() != "multipart/form-data" or not boundary:
        raise HTTPException(400)
    return boundary.encode("latin-1", "replace")
