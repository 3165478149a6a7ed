"""Registers in and out: exports, bulk requests and imports, row by row."""

import asyncio
import csv
import io
import uuid
from typing import Any

import httpx
import pytest
from openpyxl import Workbook, load_workbook

from shared.i18n import Lang
from shared.scope import Role
from shared.web.exchange import CSV, MOST_FILE_ROWS, MOST_ITEMS, XLSX
from tests.integration.chassis.test_edge import NAMES, an_institution, assert_problem, ministry
from tests.support.hostile import SHEETS, TEXTS, a_book
from tests.support.services import Client, Running

HEADER = "institution_id,category,partner_ref,forms,opportunities,since"


@pytest.fixture(scope="module")
async def institution(service: Running) -> str:
    for soato in ("17", "1708", "1708201"):
        assert (await ministry(service).put(f"/v1/territory/{soato}", {"names": NAMES})).status_code == 200
    answer = await ministry(service).post("/v1/institutions", an_institution(f"X-{uuid.uuid4()}"))
    assert answer.status_code == 201
    return str(answer.json()["id"])


def a_partnership(institution: str, ref: str, **changes: Any) -> dict[str, Any]:
    return {
        "institution_id": institution,
        "category": "trade_union",
        "partner_ref": ref,
        "forms": ["AF1", "AF3"],
        "opportunities": ["O1"],
        "since": "2026-01-02",
    } | changes


def items_of(*entries: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"items": [{"entry": entry} for entry in entries], **options}


async def partners_of(client: Client, institution: str) -> list[str]:
    found = (await client.get("/v1/partnerships", institution_id=institution, limit=500)).json()["items"]
    return sorted(each["partner_ref"] for each in found)


async def upload(client: Client, content: bytes, media_type: str, key: str = "", **params: Any) -> httpx.Response:
    headers = client._headers() | {"Content-Type": media_type, "Idempotency-Key": key or str(uuid.uuid4())}
    path = client.base + "/v1/partnerships/import"
    return await client.http.post(path, content=content, headers=headers, params=params)


async def test_rows_of_a_bulk_request_are_judged_one_by_one(service: Running, institution: str) -> None:
    client = ministry(service)
    body = items_of(
        a_partnership(institution, "b-1"),
        a_partnership(institution, "b-2", forms=["AF99"]),
        a_partnership("no-such", "b-3"),
        a_partnership(institution, "b-1"),
        {"nothing": 1},
        a_partnership(institution, "b-4"),
    )
    answer = await client.post("/v1/partnerships/bulk", body, key="bulk-1")
    assert answer.status_code == 207, answer.text
    report = answer.json()
    assert (report["done"], report["failed"]) == (2, 4), report["items"]
    assert [item["status"] for item in report["items"]] == [201, 422, 422, 409, 422, 201]
    wrong = report["items"][1]["problem"]
    assert wrong["type"] == "urn:hamkor:problem:invalid-input"
    assert wrong["errors"][0]["field"] == "forms.0"
    assert wrong["errors"][0]["remedy"]
    assert await partners_of(client, institution) == ["b-1", "b-4"]
    assert answer.headers["hamkor-position"].startswith("partners/")

    # The same again does nothing twice; the mended rows are done.
    body["items"][1]["entry"]["forms"] = ["AF2"]
    again = (await client.post("/v1/partnerships/bulk", body, key="bulk-1")).json()
    assert [item["status"] for item in again["items"]] == [200, 201, 422, 409, 422, 200]
    assert again["items"][0]["id"] == report["items"][0]["id"]
    assert await partners_of(client, institution) == ["b-1", "b-2", "b-4"]


async def test_one_wrong_row_undoes_an_atomic_request(service: Running, institution: str) -> None:
    client = ministry(service)
    before = await partners_of(client, institution)
    rows = [a_partnership(institution, "a-1"), a_partnership(institution, "a-2", since="never")]
    refused = await client.post("/v1/partnerships/bulk", items_of(*rows, atomic=True), key="atomic")
    problem = assert_problem(refused, 422, "bulk-refused")
    assert [item["status"] for item in problem["items"]] == [424, 422]
    assert await partners_of(client, institution) == before
    rows[1]["since"] = "2026-01-02"
    done = await client.post("/v1/partnerships/bulk", items_of(*rows, atomic=True), key="atomic")
    assert done.status_code == 200
    assert await partners_of(client, institution) == sorted([*before, "a-1", "a-2"])


async def test_row_keys_name_rows_across_requests_sent_at_once(service: Running, institution: str) -> None:
    client = ministry(service)
    rows = [{"row_key": f"k-{n}", "entry": a_partnership(institution, f"k-{n}")} for n in range(6)]
    bodies = [{"items": rows}, {"items": rows[::-1]}, {"items": rows[2:]}, {"items": rows[:4]}]
    answers = await asyncio.gather(*(client.post("/v1/partnerships/bulk", body) for body in bodies))
    assert {answer.status_code for answer in answers} == {200}
    created = [item["id"] for answer in answers for item in answer.json()["items"] if item["status"] == 201]
    assert len(created) == len(set(created)) == 6
    other = {"items": [{"row_key": "k-1", "entry": a_partnership(institution, "else")}]}
    answer = await client.post("/v1/partnerships/bulk", other)
    assert answer.json()["items"][0]["problem"]["type"] == "urn:hamkor:problem:idempotency-key-reused"


async def test_bulk_requests_have_limits_and_permissions(service: Running, institution: str) -> None:
    entry = {"entry": a_partnership(institution, "limit")}
    many = await ministry(service).post("/v1/partnerships/bulk", {"items": [entry] * (MOST_ITEMS + 1)})
    assert assert_problem(many, 422, "invalid-input")["errors"][0]["rule"] == "too_long"
    enterprise = await service.as_(Role.ENTERPRISE, "e-1").post("/v1/partnerships/bulk", {"items": [entry]})
    assert_problem(enterprise, 403, "forbidden")
    elsewhere = await service.as_(Role.DISTRICT, "1703202").post("/v1/partnerships/bulk", {"items": [entry]})
    assert elsewhere.json()["items"][0]["status"] in (404, 422)


async def test_a_file_is_tried_then_imported_then_mended(service: Running, institution: str) -> None:
    client = ministry(service)
    lines = [
        HEADER,
        f"{institution},trade_union,f-1,AF1; AF3,O1,2026-01-02",
        f"{institution},trade_union,f-2,AF99,O1,2026-01-02",
        f"{institution},trade_union,f-3,AF1,O1,2026-01-02,too much",
        f"{institution},trade_union,f-1,AF1,O1,2026-01-02",
    ]
    content = "\r\n".join(lines).encode()
    before = await partners_of(client, institution)
    tried = await upload(client, content, CSV, commit="false")
    assert tried.status_code == 207
    assert tried.json()["committed"] is False
    assert [(item["row"], item["status"]) for item in tried.json()["items"]] == [(2, 201), (3, 422), (4, 422), (5, 409)]
    assert await partners_of(client, institution) == before
    done = await upload(client, content, CSV, key="file")
    report = done.json()
    assert (report["done"], report["failed"]) == (1, 3)
    assert report["items"][1]["problem"]["errors"][0]["field"] == "forms.0"
    mended = "\n".join([*lines[:2], lines[2].replace("AF99", "AF9"), lines[3].replace(",too much", "")]).encode()
    again = await upload(client, mended, CSV, key="file")
    assert [item["status"] for item in again.json()["items"]] == [200, 201, 201]
    assert await partners_of(client, institution) == sorted([*before, "f-1", "f-2", "f-3"])


async def test_spreadsheets_are_imported_too(service: Running, institution: str) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(HEADER.split(","))
    sheet.append([institution, "trade_union", 301234567, "AF1", "O1; O2", "2026-01-02"])
    file = io.BytesIO()
    book.save(file)
    answer = await upload(ministry(service), file.getvalue(), XLSX)
    assert answer.status_code == 200, answer.text
    assert "301234567" in await partners_of(ministry(service), institution)


async def test_files_that_cannot_be_read_say_why(service: Running) -> None:
    client = ministry(service)
    assert_problem(await upload(client, b"{}", "application/json"), 415, "unsupported-file")
    assert_problem(await upload(client, b"a,b\n" + b"c,d\n" * (MOST_FILE_ROWS + 1), CSV), 413, "too-many-rows")
    assert_problem(await upload(client, b"x" * 10_000_001, CSV), 413, "too-large")
    for content, media_type, rules in (
        (b"", CSV, ["file_empty"]),
        (b"\xff\xfe\xff", CSV, ["not_utf8"]),
        (b"not a zip", XLSX, ["not_a_table"]),
        (b"institution_id,shape,since,since", CSV, ["unknown_column", "duplicate", "missing"]),
    ):
        errors = assert_problem(await upload(client, content, media_type), 422, "invalid-input")["errors"]
        assert list(dict.fromkeys(error["rule"] for error in errors)) == rules
        assert all(error["remedy"] for error in errors)


@pytest.mark.parametrize(
    ("name", "media_type", "limit"),
    [
        ("far column", XLSX, "200"),
        ("farthest cell", XLSX, "200"),
        ("many shared texts", XLSX, "200000"),
        ("sheet that unpacks", XLSX, ""),
        ("sheet that says it is small", XLSX, ""),
        ("entities", XLSX, ""),
        ("endless row", CSV, "1000000"),
        ("NUL", CSV, ""),
    ],
)
async def test_hostile_files_are_refused_in_the_readers_language_and_the_service_lives(
    service: Running, institution: str, name: str, media_type: str, limit: str
) -> None:
    content, rule = (SHEETS if media_type == XLSX else TEXTS)[name]
    client, made = ministry(service), content()
    for lang in Lang:
        headers = client._headers() | {"Content-Type": media_type, "Idempotency-Key": name, "Accept-Language": lang}
        answer = await client.http.post(client.base + "/v1/partnerships/import", content=made, headers=headers)
        error = assert_problem(answer, 422, "invalid-input")["errors"][0]
        assert (error["field"], error["rule"]) == ("file", rule)
        assert error["remedy"]
        assert limit in "".join(sign for sign in error["message"] if sign.isalnum())
    good = f"{HEADER}\n{institution},trade_union,alive-{rule},AF1,O1,2026-01-02".encode()
    assert (await upload(client, good, CSV, commit="false")).status_code == 200


async def test_rows_beyond_the_most_are_not_read(service: Running) -> None:
    rows = "<row><c><v>1</v></c></row>" * 3 * MOST_FILE_ROWS + "no XML <"
    assert_problem(await upload(ministry(service), a_book(rows), XLSX), 413, "too-many-rows")
    assert_problem(await upload(ministry(service), b"a\n" * 3_000_000, CSV), 413, "too-many-rows")


async def test_export_holds_what_the_caller_sees_and_comes_back_in(service: Running, institution: str) -> None:
    answer = await ministry(service).get("/v1/partnerships/export", institution_id=institution)
    assert answer.status_code == 200
    assert "attachment" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert sorted(row["partner_ref"] for row in rows) == await partners_of(ministry(service), institution)
    assert {row["forms"] for row in rows} >= {"AF1; AF3"}
    spreadsheet = await ministry(service).get("/v1/partnerships/export", institution_id=institution, format="xlsx")
    sheet = load_workbook(io.BytesIO(spreadsheet.content)).active
    assert sheet is not None
    assert [tuple("" if cell is None else str(cell) for cell in row) for row in sheet.iter_rows(values_only=True)] == [
        tuple(rows[0]),
        *(tuple(row.values()) for row in rows),
    ]
    elsewhere = await service.as_(Role.DISTRICT, "1703202").get("/v1/partnerships/export")
    assert len(elsewhere.text.splitlines()) == 1
    assert_problem(await ministry(service).get("/v1/partnerships/export", format="pdf"), 422, "invalid-input")
    assert_problem(await ministry(service).get("/v1/partnerships/export", after="x"), 422, "invalid-input")
    assert_problem(await service.http.get(service.base + "/v1/partnerships/export"), 401, "unauthenticated")
