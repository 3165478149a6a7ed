"""An export made: responses drawn into a file, then written in the form that was asked for by another process."""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import text
from starlette.concurrency import run_in_threadpool

from services.surveys.domain.instruments import Instrument
from services.surveys.exports.variables import MISSING, Labels, Variable
from shared.errors import HamkorError, Unavailable
from shared.i18n import Catalogue, Lang
from shared.persistence.engine import raw_connection
from shared.persistence.unit_of_work import Database
from shared.scope import SYSTEM

log = structlog.get_logger(__name__)

MEDIA: Final[Mapping[str, str]] = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "parquet": "application/vnd.apache.parquet",
    "sav": "application/x-spss-sav",
}
MOST_ROWS: Final = 500_000
MOST_SHEET_CELLS: Final = 3_000_000
TIMEOUT_S: Final = 600
PREFETCH: Final = 2_000
CHUNK_BYTES: Final = 65_536

# By a random id: the order says nothing.
_ROWS: Final = (
    "select json_build_array(to_char(r.day, 'YYYY-MM'), r.mode, w.region, r.answers)::text "
    "from unnest($1::text[], $2::bigint[], $3::text[]) as w(id, kept, region) "
    "cross join lateral (select * from response r where r.campaign_id = w.id order by r.id limit w.kept) r "
    "order by md5(r.id)"
)
# Of a campaign what came after the last release is left out, as in its results; of pooled ones nothing, as in theirs.
# Where they count in the nation alone their region is not told.
_KEPT = text(
    "select c.id, split_part(c.org_path, '/', 3), max(r.count) from campaign c "
    "join released_result r on r.campaign_id = c.id and r.measure !~ '[@:?]' where c.id = any(:ids) group by 1, 2"
)
_POOLED = text(
    "select p.campaign_id, case when length(p.counts_in) > 4 then split_part(p.org_path, '/', 3) end, i.moved "
    "from pooled_campaign p join intake i using (campaign_id) "
    "where p.campaign_id = any(:ids) and p.counts_in is not null and i.moved > 0"
)


class ExportTooLarge(HamkorError):
    """More cells than a spreadsheet is made for."""

    status = 413
    code = "export-too-large"


class NothingToExport(HamkorError):
    """Nothing is released yet, or answers still come."""

    status = 409
    code = "nothing-to-export"


@dataclass(frozen=True, slots=True)
class _Kept:
    """So many rows of a campaign, and the region they are told of; "" for none."""

    id: str
    region: str
    rows: int


@dataclass(slots=True)
class Exports:
    """Makes one export at a time: a second waits."""

    database: Database
    catalogue: Catalogue
    k: int
    _one: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    async def file(
        self,
        campaigns: Sequence[str],
        instrument: Instrument,
        variables: Sequence[Variable],
        form: str,
        lang: Lang,
        *,
        pooled: bool,
    ) -> AsyncIterator[bytes]:
        """The file, a piece at a time; raises NothingToExport or ExportTooLarge before the first.

        Of one campaign what it released, of those that were `pooled` all that counts in a territory.
        """
        kept = await self._kept(campaigns, pooled=pooled)
        rows = sum(each.rows for each in kept)
        if rows < self.k:
            raise NothingToExport(k=self.k)
        every = [*self.general(), *variables]
        if rows > MOST_ROWS or (form == "xlsx" and rows * len(every) > MOST_SHEET_CELLS):
            raise ExportTooLarge(rows=rows)
        directory = tempfile.TemporaryDirectory(prefix="hamkor-export-")
        try:
            async with self._one:
                out = await self._write(Path(directory.name), kept, instrument, every, form, lang)
        except BaseException:
            directory.cleanup()
            raise
        return _pieces(directory, out)

    def general(self) -> list[Variable]:
        """The variables that every export has: month, who wrote the answers down, region."""
        modes = tuple((mode, self._words(f"export.mode.{mode}")) for mode in ("form", "interview"))
        return [
            Variable("month", "choice", "$month", ("$month",), self._words("export.month")),
            Variable("mode", "choice", "$mode", ("$mode",), self._words("export.mode_label"), modes),
            Variable("region", "choice", "$region", ("$region",), self._words("export.region")),
        ]

    def missing(self) -> dict[str, Labels]:
        """What the missing codes mean."""
        return {str(code): self._words(f"export.missing.{name}") for code, name in MISSING.items()}

    def _words(self, key: str) -> Labels:
        return {lang.value: self.catalogue.text(key, lang) for lang in Lang}

    async def _kept(self, campaigns: Sequence[str], *, pooled: bool) -> list[_Kept]:
        async with self.database.reading(SYSTEM) as session:
            found = await session.execute(_POOLED if pooled else _KEPT, {"ids": list(campaigns)})
            return [_Kept(id_, region or "", int(count)) for id_, region, count in found]

    async def _write(
        self,
        folder: Path,
        kept: Sequence[_Kept],
        instrument: Instrument,
        variables: Sequence[Variable],
        form: str,
        lang: Lang,
    ) -> Path:
        rows, out, job = folder / "rows", folder / f"answers.{form}", folder / "job"
        await self._draw(rows, kept)
        content = {
            "format": form,
            "rows": str(rows),
            "out": str(out),
            "k": self.k,
            "lang": lang.value,
            "languages": [each.value for each in Lang],
            "title": {each.value: words for each, words in instrument.title.items()},
            "variables": [variable.document() for variable in variables],
            "missing": self.missing(),
        }
        await run_in_threadpool(job.write_text, json.dumps(content, ensure_ascii=False), "utf-8")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.surveys.exports.writer",
            str(job),
            env={name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(TIMEOUT_S):
                _, errors = await process.communicate()
        except BaseException:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        if process.returncode != 0:
            # The last line alone, and of it the kind of error: what it quotes may be an answer.
            kind = errors.decode(errors="replace").strip().rpartition("\n")[2].partition(":")[0][:100]
            log.error("export.failed", form=form, code=process.returncode, error=kind)
            raise Unavailable(service="surveys")
        return out

    async def _draw(self, path: Path, kept: Sequence[_Kept]) -> None:
        asked = [each.id for each in kept], [each.rows for each in kept], [each.region for each in kept]
        async with self.database.reading(SYSTEM) as session:
            connection = await raw_connection(session)
            with path.open("w", encoding="utf-8") as file:
                lines: list[str] = []
                async for row in connection.cursor(_ROWS, *asked, prefetch=PREFETCH):
                    lines.append(row[0])
                    if len(lines) >= PREFETCH:
                        await run_in_threadpool(file.write, "\n".join(lines) + "\n")
                        lines.clear()
                file.write("".join(f"{line}\n" for line in lines))


async def _pieces(directory: "tempfile.TemporaryDirectory[str]", out: Path) -> AsyncIterator[bytes]:
    try:
        with out.open("rb") as file:
            while piece := await run_in_threadpool(file.read, CHUNK_BYTES):
                yield piece
    finally:
        directory.cleanup()
