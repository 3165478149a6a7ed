"""Imports of any size: jobs that are watched, name what is wrong, and never do a row twice – also after a crash."""

import asyncio
import dataclasses
import io
import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import openpyxl
import pytest
from sqlalchemy import text

from services.partners.api import imports
from services.partners.commands.imports import TARGETS, EnterpriseImport
from shared.i18n import Lang
from shared.importing import jobs, worker
from shared.importing.process import ImportProcess
from shared.importing.worker import ImportWorker
from shared.persistence.engine import dsn_of, make_engine
from shared.persistence.migrate import migrate
from shared.persistence.unit_of_work import Database, UnitOfWork
from shared.scope import SYSTEM, Role
from shared.telemetry.progress import Progress
from tests.integration.partners.test_registers import a_territory
from tests.support.engines import Postgres
from tests.support.hostile import SHEETS, TEXTS
from tests.support.services import Client, Running, eventually

HEADER = "stir;name;size;isic_section;district"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


async def send(
    client: Client,
    content: bytes | str | AsyncIterator[bytes],
    *,
    commit: bool = True,
    key: str = "",
    kind: str = "text/csv",
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {client.token}", "Content-Type": kind, "Accept-Language": "en"}
    headers["Idempotency-Key"] = key or str(uuid.uuid4())
    body = content.encode() if isinstance(content, str) else content
    address = f"{client.base}/v1/enterprises/import?commit={str(commit).lower()}"
    return await client.http.post(address, content=body, headers=headers)


async def done(client: Client, answer: httpx.Response) -> dict[str, Any]:
    """The job, once it is over."""
    assert answer.status_code == 202, answer.text
    address = answer.headers["location"]

    async def over() -> dict[str, Any] | None:
        job: dict[str, Any] = (await client.get(address)).json()
        return job if job["status"] == "done" else None

    job: dict[str, Any] = await eventually(over, "the import is done")
    return job


def counts(job: dict[str, Any]) -> tuple[int, int, int, int]:
    assert job["done"] == job["rows"]
    return job["new"], job["changed"], job["unchanged"], job["wrong"]


async def test_rows_are_registered_updated_left_alone_or_named(partners: Running) -> None:
    await a_territory(partners)
    ministry = partners.as_(Role.MINISTRY, "17")
    good = [f"3010000{number:02};Zavod {number};small;C;1708201" for number in range(20)]
    dry = await done(ministry, await send(ministry, "\n".join([HEADER, *good]), commit=False))
    assert counts(dry) == (20, 0, 0, 0)
    assert (await ministry.get("/v1/enterprises")).json()["items"] == []
    assert counts(await done(ministry, await send(ministry, "\n".join([HEADER, *good])))) == (20, 0, 0, 0)
    closed = (await ministry.get("/v1/enterprises", stir="301000003")).json()["items"][0]["id"]
    assert (await ministry.post(f"/v1/enterprises/{closed}/close")).status_code == 200
    rows = [
        HEADER,
        good[0],
        good[1].replace("small", "LARGE"),
        "7;A;small;C;1708201",
        "301000099;;tiny;Z;99",
        good[3].replace("Zavod", "Yangi"),
        good[0],
        "301000098;A;small;C;1799999",
        "301000097;A;small;C;1708201;more",
        "301000096;Yangi zavod;small;C;1708201",
    ]
    answer = await send(ministry, "\n".join(rows))
    job = await done(ministry, answer)
    assert counts(job) == (1, 1, 1, 6)
    address = f"{answer.headers['location']}/faults"
    faults = (await ministry.get(address)).json()["items"]
    assert [(fault["row"], fault["column"], fault["rule"]) for fault in faults] == [
        (4, "stir", "stir"),
        (5, "district", "district_code"),
        (5, "isic_section", "isic_section"),
        (5, "name", "missing"),
        (5, "size", "enum"),
        (6, "stir", "enterprise_ended"),
        (7, "stir", "duplicate_row"),
        (8, "district", "unknown_territory"),
        (9, "", "more_cells"),
    ]
    for lang in Lang:
        headers = {"Authorization": f"Bearer {ministry.token}", "Accept-Language": lang}
        told = (await partners.http.get(partners.base + address, headers=headers)).json()["items"]
        assert all(fault["message"] and fault["remedy"] and "{" not in fault["message"] for fault in told)
    first = (await ministry.get(address, limit=4)).json()
    rest = (await ministry.get(address, after=first["next"])).json()
    assert first["items"] + rest["items"] == faults
    assert (await ministry.get("/v1/enterprises", q="янги завод")).json()["items"][0]["stir"] == "301000096"


async def test_same_file_with_the_same_key_is_the_same_job(partners: Running) -> None:
    await a_territory(partners)
    ministry = partners.as_(Role.MINISTRY, "17")
    content = f"{HEADER}\n301000001;A;small;C;1708201"
    first, again = [await send(ministry, content, key="k") for _ in range(2)]
    assert first.json()["id"] == again.json()["id"]
    await done(ministry, first)
    other = await send(ministry, content + "0", key="k")
    assert other.json()["type"].endswith("idempotency-key-reused")


async def test_spreadsheet_is_read_like_a_text_file(partners: Running) -> None:
    await a_territory(partners)
    ministry = partners.as_(Role.MINISTRY, "17")
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["name", "stir", "size", "isic_section", "district"])
    sheet.append(["“Жиззах Пластмасса” АЖ", 301234567, "medium", "c", 1708201])
    file = io.BytesIO()
    book.save(file)
    assert counts(await done(ministry, await send(ministry, file.getvalue(), kind=XLSX))) == (1, 0, 0, 0)
    state = (await ministry.get("/v1/enterprises", stir="301234567")).json()["items"][0]
    assert (state["name"], state["isic_section"]) == ("“Жиззах Пластмасса” АЖ", "C")


@pytest.mark.parametrize(
    ("content", "kind", "rule"),
    [
        ("", "text/csv", "file_empty"),
        ("stir;name\n1;2", "text/csv", "missing"),
        (HEADER + ";colour\n", "text/csv", "unknown_column"),
        (HEADER.encode() + b"\n\xff\xff", "text/csv", "not_utf8"),
        (HEADER + '\n"3', "text/csv", "not_a_table"),
        (b"no sheet", XLSX, "not_a_table"),
        (SHEETS["far column"][0](), XLSX, "too_many_columns"),
        (SHEETS["farthest cell"][0](), XLSX, "too_many_columns"),
        (SHEETS["sheet that says it is small"][0](), XLSX, "not_a_table"),
        (HEADER.encode() + b"\n\0" + b"\n" * 30_000, "text/csv", "not_a_table"),
        (TEXTS["endless row"][0](), "text/csv", "row_too_long"),
    ],
)
async def test_file_that_cannot_be_read_is_refused_and_leaves_nothing(
    partners: Running, content: bytes | str, kind: str, rule: str
) -> None:
    ministry = partners.as_(Role.MINISTRY, "17")
    refused = await send(ministry, content, kind=kind)
    assert refused.status_code == 422, refused.text
    assert rule in {error["rule"] for error in refused.json()["errors"]}
    async with partners.app.state.database.unit_of_work() as uow:
        assert (await uow.session.execute(text("select count(*) from import_job"))).scalar_one() == 0


async def test_an_office_imports_within_its_territory_and_sees_its_jobs(partners: Running) -> None:
    await a_territory(partners)
    ministry, region = partners.as_(Role.MINISTRY, "17"), partners.as_(Role.REGION, "1708")
    line = "301000001;A;{size};C;1703202"
    await done(ministry, await send(ministry, f"{HEADER}\n{line.format(size='small')}"))
    answer = await send(region, f"{HEADER}\n{line.format(size='large')}")
    assert counts(await done(region, answer)) == (0, 0, 0, 1)
    address = answer.headers["location"]
    assert (await region.get(address + "/faults")).json()["items"][0]["rule"] == "beyond_territory"
    assert (await ministry.get(address)).status_code == 200
    for foreign in (partners.as_(Role.REGION, "1703"), partners.as_(Role.DISTRICT, "1708201")):
        assert (await foreign.get(address)).status_code == 404
    assert (await send(partners.as_(Role.INSTITUTION, "0198-a"), HEADER)).status_code == 403
    assert (await send(ministry, "{}", kind="application/json")).status_code == 415


async def test_only_so_many_files_are_taken_in_at_once_and_one_of_a_caller(partners: Running) -> None:
    await a_territory(partners)
    callers = [partners.as_(Role.MINISTRY, "17"), *(partners.as_(Role.REGION, code) for code in ("1703", "1708"))]
    assert len(callers) == imports.AT_ONCE
    more = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield f"{HEADER}\n".encode()
        await more.wait()
        yield b"301000001;A;small;C;1708201"

    coming = []
    for number, client in enumerate(callers, start=1):
        coming.append(asyncio.create_task(send(client, slowly())))

        async def taken(many: int = number) -> bool:
            return len(imports.ROOM.senders) == many

        await eventually(taken, "the file is coming in")
        refused = await send(client, HEADER)
        assert (refused.status_code, refused.json()["type"]) == (503, "urn:hamkor:problem:imports-busy")
    other = partners.as_(Role.DISTRICT, "1708201")
    refused = await send(other, HEADER)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")
    assert refused.json()["detail"] == "At most 3 files are taken in at once, and one of yours at a time."
    more.set()
    assert [answer.status_code for answer in await asyncio.gather(*coming)] == [202] * 3
    assert (await send(other, f"{HEADER}\n301000002;A;small;C;1708201")).status_code == 202
    assert (await send(other, "")).status_code == 422
    assert imports.ROOM.senders == set()


class Crash(Exception):
    """Stands for kill -9: the transaction ends with the process."""


async def test_import_goes_on_behind_the_last_row_that_was_done(
    partners: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    await a_territory(partners)
    ministry = partners.as_(Role.MINISTRY, "17")
    monkeypatch.setattr(jobs, "BATCH", 10)
    real, calls = EnterpriseImport.apply, 0

    async def apply(self: EnterpriseImport, uow: UnitOfWork, *arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        result = await real(self, uow, *arguments, **options)
        if calls in (2, 3, 5):
            raise Crash  # everything is written, nothing committed
        return result

    monkeypatch.setattr(EnterpriseImport, "apply", apply)
    rows = [f"3010000{number:02};Zavod {number};small;C;1708201" for number in range(45)]
    job = await done(ministry, await send(ministry, "\n".join([HEADER, *rows])))
    assert counts(job) == (45, 0, 0, 0)
    assert calls > 5
    async with partners.app.state.database.unit_of_work() as uow:
        told = await uow.session.execute(
            text("select count(*), count(distinct subject) from event where type like '%enterprise.registered%'")
        )
        assert tuple(told.one()) == (45, 45)
        assert (await uow.session.execute(text("select count(*) from import_block"))).scalar_one() == 0


async def test_workers_beside_each_other_do_every_row_once(partners: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    await a_territory(partners)
    ministry = partners.as_(Role.MINISTRY, "17")
    monkeypatch.setattr(jobs, "BATCH", 7)
    others = [ImportWorker(partners.app.state.database, Progress(), TARGETS) for _ in range(2)]
    rows = [f"3010000{number:02};Zavod {number};small;C;1708201" for number in range(60)]
    answer = await send(ministry, "\n".join([HEADER, *rows]))
    for _ in range(20):
        for other in others:
            await other.work_off_one()
    assert counts(await done(ministry, answer)) == (60, 0, 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("targets", ["services.partners.commands.imports:TARGETS", "services.partners:NOTHING"])
async def test_large_imports_go_through_a_process_and_on_here_where_it_fails(
    partners: Running, monkeypatch: pytest.MonkeyPatch, targets: str
) -> None:
    await a_territory(partners)
    ministry = partners.as_(Role.MINISTRY, "17")
    monkeypatch.setattr(worker, "LARGE", 20)
    monkeypatch.setattr(jobs, "BATCH", 25)
    ended: list[bool] = []
    real = ImportProcess.run

    async def run(self: ImportProcess, progress: Progress) -> bool:
        ended.append(await real(dataclasses.replace(self, targets=targets), progress))
        return ended[-1]

    monkeypatch.setattr(ImportProcess, "run", run)
    rows = [f"3010000{number:02};Zavod {number};small;C;1708201" for number in range(60)]
    job = await done(ministry, await send(ministry, "\n".join([HEADER, *rows])))
    assert counts(job) == (60, 0, 0, 0)

    async def over() -> list[bool]:
        return ended

    await eventually(over, "the process, which ends only after its last batch is stored, has ended")
    assert set(ended) == {"NOTHING" not in targets}
    async with partners.app.state.database.unit_of_work() as uow:
        told = await uow.session.execute(
            text("select count(*), count(distinct subject) from event where type like '%enterprise.registered%'")
        )
        assert tuple(told.one()) == (60, 60)


AS_IT_WAS = (
    "drop table import_block",
    'create table import_row (job text collate "C" not null references import_job, row integer not null, '
    "key text not null, cells text not null, primary key (job, row))",
    "create index enterprise_org_path on enterprise (org_path text_pattern_ops, id)",
    "create index enterprise_stir_prefix on enterprise (stir text_pattern_ops)",
    "update alembic_version set version_num = '0005'",
    "select set_config('app.scope', 'all', false)",
    "insert into import_job (id, register, commits, role, subject, org, org_path, hash, columns, status, rows, done, "
    "wrong, created_at) values ('j', 'enterprises', true, 'ministry', 'm', '17', '/17/', '', "
    "'{stir,name,size,isic_section,district}', 'running', 1203, 500, 500, now())",
    "insert into import_row select 'j', row, case when row < 1100 then 300000000 + row else 300000007 end, "
    'format(\'["%s", "Zavod «%s»", "small", "C", "1708201"]\', '
    "case when row < 1100 then 300000000 + row else 300000007 end, row) from generate_series(2, 1204) row",
)


async def test_import_that_a_newer_version_finds_half_done_goes_on_there(postgres: Postgres) -> None:
    former = await postgres.database("partners")
    connection = await asyncpg.connect(dsn_of(former.owner_url))
    for statement in AS_IT_WAS:
        await connection.execute(statement)
    await connection.close()
    await migrate("partners", former.owner_url)
    engine = make_engine(former.url, application="test")
    try:
        database = Database("partners", engine)
        work = ImportWorker(database, Progress(), TARGETS)
        assert [await work.work_off_one() for _ in range(3)] == [True, True, False]
        async with database.reading(SYSTEM) as session:
            job = await jobs.job_of(session, "j")
            faults = await jobs.faults_of(session, "j", (0, "", ""), 2000)
    finally:
        await engine.dispose()
    assert job is not None
    assert (job["status"], job["rows"], job["done"], job["wrong"]) == ("done", 1203, 1203, 1203)
    # There is no territory here: every row is read, and named for it or for the row that has its STIR.
    told = {fault.row: (fault.rule, fault.params) for fault in faults}
    assert told[2] == ("unknown_territory", {})
    assert told[1204] == told[1100] == ("duplicate_row", {"first": 7})
    assert len(told) == 1203
