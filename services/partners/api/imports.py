"""HTTP routes of large imports: send a file, then watch the job."""

import hashlib
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Annotated

from fastapi import APIRouter, Query, Response
from starlette.concurrency import run_in_threadpool

from services.partners.commands.imports import TARGETS
from shared.admission import Admission
from shared.errors import FieldError, InvalidInput, NotFound, TooLarge, Unavailable
from shared.importing.jobs import Fault, Sent, faults_of, job_of, stage
from shared.importing.reading import header_of, rows_of
from shared.persistence.unit_of_work import could_be_id
from shared.scope import TERRITORIAL, Role, path_of
from shared.web.cursors import decode_cursor, encode_cursor
from shared.web.edge import Edge, RequestEdge, json_response, page_response
from shared.web.exchange import CSV, XLSX, UnsupportedFile
from shared.web.registers import Register

PERMISSIONS: dict[str, frozenset[Role]] = {"enterprise.import": TERRITORIAL, "import.read": TERRITORIAL}
REGISTERS: tuple[Register, ...] = ()
MOST_BYTES = 200_000_000
AT_ONCE = 3
"""Files a process takes in at once: each may fill 350 MB of the disk and a core while it is read."""
LARGE_BODIES = {"/v1/enterprises/import": MOST_BYTES}
"""Routes whose bodies go to a file as they come, with the most bytes they may have."""
JOBS = uuid.UUID("6f3f3b0e-5a63-5d0f-9f6e-1f8b3c6f2f10")
NOTHING: tuple[int, str, str] = (0, "", "")

router = APIRouter(prefix="/v1")


class ImportsBusy(Unavailable):
    """As many files as the process takes at once are coming in, or one of the same caller."""

    code = "imports-busy"
    retry_after_s = 30


ROOM = Admission(AT_ONCE, 1, lambda: ImportsBusy(most=AT_ONCE))
"""Who is sending a file: one a caller, so that nobody's slow line keeps all others out."""


@router.post(
    "/enterprises/import",
    tags=["enterprises"],
    status_code=202,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                CSV: {
                    "schema": {"type": "string"},
                    "example": "stir,name,size,isic_section,district\n301234567,“Jizzax Plast” AJ,medium,C,1708201\n",
                },
                XLSX: {"schema": {"type": "string", "format": "binary"}},
            },
        }
    },
)
async def import_enterprises(
    edge: Edge, commit: Annotated[bool, Query(description="false only says what would be done")] = False
) -> Response:
    """Bring a CSV or XLSX file of any number of enterprises in; answers with a job to watch.

    The first row names the columns: stir, name, size, isic_section, district and, if known, union_affiliation. New
    STIRs are registered, known ones updated by what differs, rows with faults left out and named. The same
    Idempotency-Key with the same file is the same job. One file of a caller is taken at a time, and few of all; else
    the answer is 503 `imports-busy`, with Retry-After.
    """
    return await _import(edge, "enterprises", "enterprise.import", commit=commit)


@router.get("/imports/{id_}", tags=["imports"])
async def get_import(edge: Edge, id_: str) -> Response:
    """How far an import has come: `rows` in all, `done` so far, of them new, changed, unchanged and wrong."""
    async with edge.reading("import.read") as session:
        job = await job_of(session, id_) if could_be_id(id_) else None
    if job is None:
        raise NotFound(what="import", id=id_[:100])
    return json_response(job)


@router.get("/imports/{id_}/faults", tags=["imports"])
async def list_faults(
    edge: Edge,
    id_: str,
    after: Annotated[str | None, Query(max_length=500, description="cursor of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="items a page")] = 50,
) -> Response:
    """What was wrong, by row and column, with what to do about it, in the caller's language."""
    behind = NOTHING if after is None else _behind(after)
    async with edge.reading("import.read") as session:
        if not could_be_id(id_) or await job_of(session, id_) is None:
            raise NotFound(what="import", id=id_[:100])
        faults = await faults_of(session, id_, behind, limit + 1)
    cursor = None
    if len(faults) > limit:
        faults = faults[:limit]
        cursor = encode_cursor(faults[-1].row, faults[-1].field, faults[-1].rule)
    return page_response([_said(edge, fault) for fault in faults], cursor)


def _behind(after: str) -> Sequence[int | str]:
    row, field, rule = decode_cursor(after, 3)
    if not (isinstance(row, int) and isinstance(field, str) and isinstance(rule, str)) or not 0 <= row < 2**31:
        raise InvalidInput(FieldError("after", "cursor"))
    return row, field, rule


def _said(edge: RequestEdge, fault: Fault) -> dict[str, str | int]:
    catalogue = edge.request.app.state.catalogue
    rule = fault.rule if catalogue.has(f"rule.{fault.rule}.message") else "value_error"
    params = {"field": fault.field, "value": fault.value, "row": fault.row, **fault.params}
    texts = {part: catalogue.text(f"rule.{rule}.{part}", edge.lang, **params) for part in ("message", "remedy")}
    return {"row": fault.row, "column": fault.field, "value": fault.value, "rule": fault.rule, **texts}


async def _import(edge: RequestEdge, register: str, action: str, *, commit: bool) -> Response:
    edge.allow(action)
    key = edge.idempotency_key()
    media_type = edge.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in (CSV, XLSX):
        raise UnsupportedFile(value=media_type[:100])
    who = edge.principal
    with ROOM.admitted(who.identity), tempfile.TemporaryDirectory(prefix="hamkor-import-") as folder:
        path = Path(folder) / ("file.xlsx" if media_type == XLSX else "file.txt")
        with path.open("wb") as file:
            digest = await _spool(edge, file)
        digest.update(f"{register} {commit}".encode())
        id_ = str(uuid.uuid5(JOBS, f"{who.identity}:{key}"))
        sent = Sent(id_, register, commit, digest.digest(), path_of(who.org))
        rows = await run_in_threadpool(_opened, path, media_type == XLSX)
        target = TARGETS[register]
        first = next(rows, None)
        if first is None:
            raise InvalidInput(FieldError("file", "file_empty"))
        header = header_of(first[1], target.columns, target.required)
        async with edge.database.unit_of_work(who) as uow:
            await stage(uow, sent, target, header, rows)
    async with edge.database.reading(who) as session:
        job = await job_of(session, id_)
    assert job is not None
    answer = json_response(job)
    answer.status_code = 202
    answer.headers["Location"] = f"/v1/imports/{id_}"
    return answer


def _opened(path: Path, spreadsheet: bool) -> Iterator[tuple[int, list[str]]]:
    """The rows with the first one read: a spreadsheet is unpacked here, off the loop."""
    rows = rows_of(path, spreadsheet=spreadsheet)
    first = next(rows, None)

    def again() -> Iterator[tuple[int, list[str]]]:
        if first is not None:
            yield first
            yield from rows

    return again()


async def _spool(edge: RequestEdge, file: IO[bytes]) -> "hashlib._Hash":
    digest, size = hashlib.sha256(), 0
    async for chunk in edge.request.stream():
        size += len(chunk)
        if size > MOST_BYTES:
            raise TooLarge(limit=MOST_BYTES)
        digest.update(chunk)
        file.write(chunk)
    return digest
