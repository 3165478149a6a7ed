"""Registers in and out, many entries at once: export, bulk, import – the same for every register.

GET  /visits/export?format=xlsx&institution_id=…    every entry the caller sees, flattened, safe in spreadsheets
POST /visits/bulk      {"items": [{"row_key": "42", "entry": {…}}], "atomic": false}
POST /visits/import    a CSV or XLSX file whose columns are the create command's fields; ?commit=false only tries
"""

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field, SkipValidation, create_model
from sqlmodel import col
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from shared.clock import local_day
from shared.errors import FieldError, HamkorError, InvalidInput
from shared.persistence.pages import page_of_states
from shared.web.bulk import Outcome, Row, Work, told
from shared.web.edge import Edge, RequestEdge
from shared.web.registers import PAGING, Creation, Filter, Reference, Register
from shared.web.tabular import (
    MOST_SHEET_ROWS,
    Column,
    NotReadable,
    columns_of,
    csv_file,
    csv_rows,
    entry_of,
    xlsx_file,
    xlsx_rows,
)

PAGE_ROWS = 500
MOST_ITEMS = 1_000
MOST_FILE_ROWS = 5_000
CSV = "text/csv"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
Pages = AsyncIterator[Sequence[Mapping[str, Any]]]


class UnsupportedFile(HamkorError):
    """An import that is neither CSV nor XLSX."""

    status = 415
    code = "unsupported-file"


class TooManyRows(HamkorError):
    """A file of more rows than one request takes, or one would hold."""

    status = 413
    code = "too-many-rows"


class BulkRefused(HamkorError):
    """Rows of an atomic request were refused: nothing is done."""

    status = 422
    code = "bulk-refused"


class RowReport(BaseModel):
    """What became of one row: 201 done, 200 done before under the same key, otherwise its problem."""

    model_config = ConfigDict(extra="allow")

    status: int = Field(description="201 done; 200 done before under the same key; 4xx refused; 424 undone with others")
    id: str | None = Field(default=None, description="the entry's id")
    version: int | None = Field(default=None, description="the entry's version when it was created")
    problem: dict[str, Any] | None = Field(default=None, description="problem details of a refused row (RFC 9457)")


class BulkRowReport(RowReport):
    """What became of one item of a bulk request."""

    index: int = Field(description="the item's place in the request, from 0")


class FileRowReport(RowReport):
    """What became of one row of a file; `problem.errors[].field` names the column."""

    row: int = Field(description="the row as a spreadsheet counts it; the header is 1")


class BulkReport(BaseModel):
    """The report of a bulk request."""

    done: int
    failed: int
    items: list[BulkRowReport]


class ImportReport(BaseModel):
    """The report of an import."""

    committed: bool = Field(description="false for a dry run")
    done: int
    failed: int
    items: list[FileRowReport]


def add_exchange(router: APIRouter, register: Register, *, imports: bool = True) -> None:
    """Add export and, where entries can be created, bulk and import: before the routes of single entries.

    A register that has an import of its own asks for none.
    """
    shown = register.shown or register.state
    _add_export(router, register, columns_of(shown))
    if register.create is not None:
        _add_bulk(router, register, register.create)
    if register.create is not None and imports:
        _add_import(router, register, register.create)


def _add_export(router: APIRouter, register: Register, columns: Sequence[Column]) -> None:
    async def export_entries(edge: Edge, asked: Any) -> Response:
        edge.allow(register.read)
        pages = _pages(edge, register, asked)
        # what cannot be read is a problem, not a broken file
        first: Sequence[Mapping[str, Any]] = await anext(pages, [])
        whole = _from(first, pages)
        write, media_type = (xlsx_file, XLSX) if asked.format == "xlsx" else (csv_file, f"{CSV}; charset=utf-8")
        name = f"{register.name}-{local_day(edge.database.clock()).isoformat()}.{asked.format}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return StreamingResponse(write(columns, whole), 200, headers, media_type)

    export_entries.__annotations__["asked"] = Annotated[_export_filter(register), Query()]
    router.add_api_route(
        f"/{register.name}/export",
        export_entries,
        name=f"export_{register.name.replace('-', '_')}",
        summary=f"Export {register.name}",
        description=(
            f"All {register.name} of the caller's scope that the filters leave, as a file. A column is a field's path, "
            "a list is divided by semicolons, deeper structures are JSON; text that a spreadsheet would calculate "
            "begins with an apostrophe. Columns: " + ", ".join(f"`{column.name}`" for column in columns) + "."
        ),
        response_class=Response,
        responses={200: {"description": "The file", "content": {CSV: {}, XLSX: {}}}},
        tags=[register.name],
    )


def _export_filter(register: Register) -> type[BaseModel]:
    """The register's filters without pages, and the format."""
    fields: dict[str, Any] = {
        name: (field.annotation, field) for name, field in register.filters.model_fields.items() if name not in PAGING
    }
    fields["format"] = (Literal["csv", "xlsx"], Field(default="csv", description="kind of file"))
    return create_model(
        f"Export{register.filters.__name__}{register.what.title().replace('_', '')}",
        __config__=Filter.model_config,
        __doc__=f"What an export of {register.name} is narrowed by.",
        **fields,
    )


async def _pages(edge: RequestEdge, register: Register, asked: BaseModel) -> Pages:
    """The entries, page by page, each read in a moment: a slow reader holds no transaction open."""
    by = [col(getattr(register.row, name)) for name in register.order]
    scope = edge.principal.scope
    query = register.query(scope, asked)
    after: str | None = None
    count = 0
    while True:
        async with edge.database.reading(edge.principal) as session:
            page, after = await page_of_states(
                session, query, by=by, names=register.order, after=after, limit=PAGE_ROWS, scope=scope
            )
        count += len(page)
        if asked.format == "xlsx" and count >= MOST_SHEET_ROWS:  # type: ignore[attr-defined]  # of every export filter
            raise TooManyRows(limit=MOST_SHEET_ROWS)
        yield page
        if after is None:
            return


async def _from(first: Sequence[Mapping[str, Any]], rest: Pages) -> Pages:
    yield first
    async for page in rest:
        yield page


# -- bulk


def _add_bulk(router: APIRouter, register: Register, create: Creation) -> None:
    async def create_many(edge: Edge, body: Any) -> Response:
        edge.allow(create.action)
        key = edge.idempotency_key()
        rows = [
            Row(index, f"row:{register.name}:{item.row_key}" if item.row_key else f"{key}#{index}", item.entry)
            for index, item in enumerate(body.items)
        ]
        work = Work(edge, register.name, create.command, create.use_case)
        outcomes = await (work.together(rows) if body.atomic else work.each(rows))
        items = list(told(edge, outcomes, "index"))
        if body.atomic and any(outcome.problem for outcome in outcomes):
            return _refused(edge, items)
        return _report({"items": items}, outcomes, work)

    create_many.__annotations__["body"] = _bulk_model(register, create.command)
    router.add_api_route(
        f"/{register.name}/bulk",
        create_many,
        methods=["POST"],
        name=f"bulk_create_{register.what}",
        summary=f"Create many {register.name}",
        description=(
            f"Up to {MOST_ITEMS} entries. Every item is judged by itself and answered by itself; with `atomic` all are "
            "created or none. An item with the same `row_key` (or, without one, the same place under the same "
            "Idempotency-Key) is created once, however often it is sent in seven days: send the whole again after a "
            "broken connection."
        ),
        response_model=BulkReport,
        responses={207: {"model": BulkReport, "description": "Some items were refused; the others are done"}},
        tags=[register.name],
    )


def _bulk_model(register: Register, command: type[BaseModel]) -> type[BaseModel]:
    stem = register.what.title().replace("_", "")
    config = ConfigDict(frozen=True, extra="forbid")
    fields: dict[str, Any] = {
        "row_key": (
            Reference,
            Field(default=None, description="the sender's own name of this row; a repeat does nothing"),
        ),
        "entry": (Annotated[command, SkipValidation], Field(description="as in the single command")),
    }
    item = create_model(f"Bulk{stem}Item", __config__=config, __doc__="One entry to be.", **fields)
    return create_model(
        f"Bulk{stem}",
        __config__=config,
        __doc__=f"Many {register.name} to be.",
        items=(list[item], Field(min_length=1, max_length=MOST_ITEMS)),
        atomic=(bool, Field(default=False, description="all or none")),
    )


# -- import


def _add_import(router: APIRouter, register: Register, create: Creation) -> None:
    columns = {column.name: column for column in columns_of(create.command)}

    async def import_entries(
        edge: Edge, commit: Annotated[bool, Query(description="false only tries: nothing is stored")] = True
    ) -> Response:
        edge.allow(create.action)
        key = edge.idempotency_key()
        table = await _table(edge)
        rows, unreadable = await run_in_threadpool(_rows_of, table, columns, key)
        work = Work(edge, register.name, create.command, create.use_case)
        outcomes = await (work.each(rows) if commit else work.tried(rows))
        outcomes = sorted([*outcomes, *unreadable], key=lambda outcome: outcome.row.number)
        return _report({"committed": commit, "items": list(told(edge, outcomes, "row"))}, outcomes, work)

    router.add_api_route(
        f"/{register.name}/import",
        import_entries,
        methods=["POST"],
        name=f"import_{register.name.replace('-', '_')}",
        summary=f"Import {register.name} from a file",
        description=(
            f"A CSV (UTF-8) or XLSX file of up to {MOST_FILE_ROWS} rows as the request's body. The first row names the "
            "columns, in any order: " + ", ".join(_described(column) for column in columns.values()) + ". The report "
            "says for each row what became of it, naming the column. The same Idempotency-Key with the mended file "
            "creates only the rows that were refused before."
        ),
        response_model=ImportReport,
        responses={207: {"model": ImportReport, "description": "Some rows were refused; the others are done"}},
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {CSV: {"schema": {"type": "string"}}, XLSX: {"schema": {"type": "string"}}},
            }
        },
        tags=[register.name],
    )


def _described(column: Column) -> str:
    return f"`{column.name}`" + ("" if column.required else " (optional)")


async def _table(edge: RequestEdge) -> list[tuple[int, list[str]]]:
    """The numbered rows of the request's file. Raises UnsupportedFile, InvalidInput, TooManyRows."""
    media_type = edge.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    readers: dict[str, Callable[[bytes], Iterator[tuple[int, list[str]]]]] = {CSV: csv_rows, XLSX: xlsx_rows}
    if media_type not in readers:
        raise UnsupportedFile(value=media_type[:100])
    content = await edge.request.body()
    table = await run_in_threadpool(lambda: list(islice(readers[media_type](content), MOST_FILE_ROWS + 2)))
    if len(table) > MOST_FILE_ROWS + 1:
        raise TooManyRows(limit=MOST_FILE_ROWS)
    return table


def _rows_of(
    table: Sequence[tuple[int, Sequence[str]]], columns: Mapping[str, Column], key: str
) -> tuple[list[Row], list[Outcome]]:
    """The rows that can be read, and the outcomes of those that cannot; raises InvalidInput for a wrong header."""
    if not table:
        raise InvalidInput(FieldError("file", "file_empty"))
    header = _header(table[0][1], columns)
    rows: list[Row] = []
    unreadable: list[Outcome] = []
    for number, cells in table[1:]:
        row = Row(number, f"{key}#{number}", None)
        if len(cells) > len(header) and any(cells[len(header) :]):
            unreadable.append(Outcome(row, problem=InvalidInput(FieldError("file", "more_cells"))))
            continue
        try:
            entry = entry_of(dict(zip(header, cells, strict=False)), columns)
        except NotReadable as problem:
            rule, column = problem.args
            unreadable.append(Outcome(row, problem=InvalidInput(FieldError(column, rule))))
            continue
        rows.append(Row(number, row.key, entry))
    return rows, unreadable


def _header(cells: Sequence[str], columns: Mapping[str, Column]) -> list[str]:
    header = [cell.lower() for cell in cells]
    while header and not header[-1]:
        header.pop()
    wrong = [
        FieldError(name[:100] or f"#{place}", "unknown_column", {"expected": ", ".join(columns)})
        for place, name in enumerate(header, start=1)
        if name not in columns
    ]
    wrong += [FieldError(name, "duplicate", {"value": name}) for name in sorted(set(header)) if header.count(name) > 1]
    wrong += [FieldError(name, "missing") for name, column in columns.items() if column.required and name not in header]
    if wrong:
        raise InvalidInput(*wrong[:50])
    return header


# -- answers


def _report(body: dict[str, Any], outcomes: Sequence[Outcome], work: Work) -> Response:
    failed = sum(outcome.problem is not None for outcome in outcomes)
    body = {"done": len(outcomes) - failed, "failed": failed, **body}
    headers = {"Hamkor-Position": ", ".join(_newest(work.positions))} if work.positions else {}
    content = json.dumps(body, ensure_ascii=False).encode()
    return Response(content, 207 if failed else 200, headers, media_type="application/json")


def _newest(positions: Sequence[str]) -> list[str]:
    """The last position of every shard: a header of a thousand would be refused on its way."""
    last: dict[str, int] = {}
    for position in positions:
        shard, _, number = position.rpartition("/")
        last[shard] = max(last.get(shard, 0), int(number))
    return [f"{shard}/{number}" for shard, number in last.items()]


def _refused(edge: RequestEdge, items: list[dict[str, Any]]) -> Response:
    body = edge.request.app.state.problems.told(edge.request, BulkRefused())
    content = json.dumps({**body, "items": items}, ensure_ascii=False).encode()
    return Response(content, BulkRefused.status, media_type="application/problem+json")
