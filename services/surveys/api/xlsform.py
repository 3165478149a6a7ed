"""HTTP routes of instruments as XLSForm workbooks: exported for the convention's tools, imported from them."""

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from services.surveys.api.instruments import AskedVersion, Version
from services.surveys.api.parts import Parts, Surveys
from services.surveys.commands import instruments
from services.surveys.domain.documents import summary_of
from services.surveys.domain.publication import OwnInstrument
from services.surveys.instruments.professions import titles
from services.surveys.queries import instruments as queries
from services.surveys.xlsform.exporting import exported
from services.surveys.xlsform.importing import Imported, imported
from services.surveys.xlsform.sheets import SheetFault
from shared.contracts.vocabulary import RespondentGroup
from shared.errors import FieldError, InvalidInput
from shared.i18n import Lang
from shared.persistence.unit_of_work import UnitOfWork
from shared.scope import Role
from shared.web.edge import Edge, RequestEdge, json_response
from shared.web.exchange import XLSX

PERMISSIONS: dict[str, frozenset[Role]] = {}
"""Reading and drafting are permitted as without a workbook (api/instruments.py)."""

router = APIRouter(prefix="/v1")

DryRun = Annotated[bool, Query(description="say what would become of the workbook, and keep nothing")]
AskedGroup = Annotated[
    RespondentGroup | None, Query(description="who is asked, where the form does not say (hamkor::group in settings)")
]
Unnamed = Annotated[Lang, Query(description="language of columns that name none, as plain `label`")]
FILE: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            },
            XLSX: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
WORKBOOK: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {XLSX: {"schema": {"type": "string", "format": "binary"}}}, "description": "The workbook."}
}


@router.get("/instruments/{code}/xlsform", tags=["instruments"], response_class=Response, responses=WORKBOOK)
async def export_xlsform(edge: Edge, parts: Parts, code: str, version: AskedVersion = None) -> Response:
    """A questionnaire as an XLSForm workbook in four languages, for ODK, KoboToolbox and the like.

    Dimensions, scores and scales stand in columns beginning with `hamkor`, which those tools pass over; importing the
    workbook gives the same questionnaire.
    """
    async with edge.reading("instrument.read") as session:
        instrument = await queries.parsed(session, edge.principal.scope, parts.library, code, version)
    catalogue = edge.request.app.state.catalogue

    def say(key: str, lang: Lang) -> str:
        return str(catalogue.text(f"condition.{key}", lang))

    content = await run_in_threadpool(exported, instrument, say, titles())
    name = f"{instrument.code}.v{instrument.version}.xlsx"
    return Response(content, 200, {"Content-Disposition": f'attachment; filename="{name}"'}, media_type=XLSX)


@router.post("/instruments/xlsform", tags=["instruments"], status_code=201, openapi_extra=FILE)
async def import_xlsform(
    edge: Edge,
    parts: Parts,
    dry_run: DryRun = False,
    group: AskedGroup = None,
    language: Unnamed = Lang.EN,
    code: Annotated[str | None, Query(max_length=20, description="instead of the form's form_id")] = None,
) -> Response:
    """Draft a questionnaire from an XLSForm workbook (.xlsx), as `file` of a form or as the body itself.

    Supported: select_one, select_multiple (also or_other), integer, decimal, date, text, range, note, groups. Whatever
    else is there is named by sheet, row and column with what to do instead, all at once: `errors[].field` is
    `<sheet>.<row>.<column>`. With `dry_run` the answer is 200 with `document`, `summary`, `faults` and `warnings`.
    """
    content, result = await _read(edge, parts, group, language)
    if code:
        result.document["code"] = code
    if dry_run:
        return _judged(edge, result)
    return await _drafted(
        edge, content, result, 201, lambda uow: instruments.draft(uow, parts.library, result.document)
    )


@router.put("/instruments/{code}/versions/{version}/xlsform", tags=["instruments"], openapi_extra=FILE)
async def replace_by_xlsform(
    edge: Edge,
    parts: Parts,
    code: str,
    version: Version,
    dry_run: DryRun = False,
    group: AskedGroup = None,
    language: Unnamed = Lang.EN,
) -> Response:
    """Put what a workbook says in the place of a draft; its code and version stay."""
    content, result = await _read(edge, parts, group, language)
    result.document.update(code=code, version=version)
    if dry_run:
        return _judged(edge, result)
    return await _drafted(
        edge,
        content,
        result,
        200,
        lambda uow: instruments.edit(uow, parts.library, code, version, result.document),
        versioned=True,
    )


async def _read(
    edge: RequestEdge, parts: Surveys, group: RespondentGroup | None, language: Lang
) -> tuple[bytes, Imported]:
    edge.allow("instrument.draft")
    content = await _file(edge)
    catalogue = edge.request.app.state.catalogue
    words = {
        key: {lang: catalogue.text(f"condition.{key}", lang) for lang in Lang} for key in ("broken", "other", "specify")
    }
    named = group.value if group else None
    result = await run_in_threadpool(imported, content, parts.library.catalogues, words, group=named, language=language)
    return content, result


async def _file(edge: RequestEdge) -> bytes:
    """The workbook; the body is read first, so that the command can still take its fingerprint."""
    body = await edge.request.body()
    if not edge.request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return body
    async with edge.request.form(max_files=1, max_fields=10) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise InvalidInput(FieldError("file", "missing"))
        return await file.read()


def _judged(edge: RequestEdge, result: Imported) -> Response:
    summary = None if result.instrument is None else summary_of(result.instrument)
    return json_response(
        {
            "document": None if result.instrument is None else result.document,
            "summary": summary,
            "faults": _told(edge, result.faults),
            "warnings": _told(edge, result.warnings),
        }
    )


async def _drafted(
    edge: RequestEdge,
    content: bytes,
    result: Imported,
    status: int,
    use_case: Callable[[UnitOfWork], Awaitable[OwnInstrument]],
    *,
    versioned: bool = False,
) -> Response:
    if result.faults:
        raise InvalidInput(*(FieldError(_place(each), each.rule, each.params) for each in result.faults))

    async def drafting(uow: UnitOfWork) -> dict[str, Any]:
        own = await use_case(uow)
        return {**own.model_dump(mode="json"), "warnings": _told(edge, result.warnings)}

    answer = await edge.command("instrument.draft", drafting, status=status, versioned=versioned, content=content)
    answer.headers["ETag"] = f'"{json.loads(bytes(answer.body))["version"]}"'
    return answer


def _place(fault: SheetFault) -> str:
    return ".".join(str(part) for part in (fault.sheet or "file", fault.row, fault.column) if part)


def _told(edge: RequestEdge, faults: Sequence[SheetFault]) -> list[dict[str, Any]]:
    """Faults with their texts in the caller's language, as problems have them, and where they are."""
    problems = edge.request.app.state.problems
    errors = [FieldError(_place(each), each.rule, each.params) for each in faults]
    texts = problems.told(edge.request, InvalidInput(*errors)).get("errors", [])
    return [
        {"sheet": fault.sheet or None, "row": fault.row, "column": fault.column, **text}
        for fault, text in zip(faults, texts, strict=True)
    ]
