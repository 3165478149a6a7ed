"""Tables as Parquet: written by a process of its own, so that the library's memory never weighs on a service.

python -m shared.web.columnar OUT        # columns and rows as JSON lines on standard input
"""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import structlog
from starlette.concurrency import run_in_threadpool

from shared.errors import Unavailable
from shared.web.tabular import CHUNK_BYTES, Column, Kind

log = structlog.get_logger(__name__)

PARQUET: Final = "application/vnd.apache.parquet"
NAMED: Final = ("PATH", "HOME", "PYTHONPATH", "LD_LIBRARY_PATH")
"""What of the environment the writer needs: it is told no secrets."""
TIMEOUT_S: Final = 300

Type = Literal["text", "number", "integer", "truth"]


@dataclass(frozen=True, slots=True)
class Typed:
    """A column with the type of its cells."""

    name: str
    type: Type

    @property
    def plain(self) -> Column:
        """The same column in CSV and XLSX."""
        return Column((self.name,), Kind.TEXT if self.type == "text" else Kind.PLAIN, False)


async def parquet_file(
    columns: Sequence[Typed], pages: AsyncIterator[Sequence[Mapping[str, Any]]]
) -> AsyncIterator[bytes]:
    """A Parquet file (zstd) of the pages, in which text stays as it is; raises Unavailable where none is written."""
    with tempfile.TemporaryDirectory(prefix="hamkor-parquet-") as folder:
        out = Path(folder) / "table.parquet"
        await _written(columns, pages, out)
        with out.open("rb") as file:
            while piece := await run_in_threadpool(file.read, CHUNK_BYTES):
                yield piece


async def _written(columns: Sequence[Typed], pages: AsyncIterator[Sequence[Mapping[str, Any]]], out: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "shared.web.columnar_writer",
        str(out),
        env={name: os.environ[name] for name in NAMED if name in os.environ},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdin is not None
    try:
        with suppress(BrokenPipeError, ConnectionResetError):  # it has ended: its code says so below
            process.stdin.write(_line([[column.name, column.type] for column in columns]))
            async for page in pages:
                process.stdin.write(b"".join(_line([row.get(column.name) for column in columns]) for row in page))
                await process.stdin.drain()
            process.stdin.close()
        async with asyncio.timeout(TIMEOUT_S):
            await process.wait()
    except BaseException:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        log.error("parquet.failed", code=process.returncode)
        raise Unavailable(service="parquet")


def _line(cells: Sequence[Any]) -> bytes:
    return json.dumps(cells, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
