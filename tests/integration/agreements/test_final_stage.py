"""R9–R12 over HTTP: from adopting to what passing time brings – and who may."""

import asyncio
import hashlib
import io
import uuid
from datetime import date, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from docx import Document

from services.agreements.api import PERMISSIONS
from services.agreements.commands.boards import BOARDS
from services.agreements.commands.work_plans import WORK_PLANS
from shared.persistence.engine import dsn_of, make_engine
from shared.persistence.scheduler import Scheduler
from shared.persistence.unit_of_work import Database
from shared.scope import Role
from shared.telemetry.progress import Progress
from tests.integration.agreements.support import FAR, HERE, NEXT_DOOR, Country, State, day, do, ok, rules, today
from tests.integration.agreements.test_lifecycle import told_of
from tests.integration.agreements.test_scheduler import midnight
from tests.support.services import Client
from tests.unit.agreements.documents_values import TABLES, VALUES

TABLE_NAMES = ("instruction", "work_plan", "sample", "document", "board", "normative_document")
CONTRACT_FIELDS = (
    *("city", "employer_name", "employer_stir", "employer_address", "employer_head"),
    *("worker_name", "worker_address", "position", "starts_on", "salary", "weekly_hours", "leave_days"),
)


def the_year() -> tuple[str, date]:
    """The academic year of today and its first day."""
    first = date(today().year - (today().month < 9), 9, 1)
    return f"{first.year}-{(first.year + 1) % 100:02}", first


def an_instruction(institution: str, **changes: Any) -> State:
    return {
        "institution_id": institution,
        "kind": "job_instruction",
        "duty": "coordinator",
        "adopted_on": day(-60),
        "in_force_from": day(-60),
        "title": "Koordinator yoʻriqnomasi",
        "text": "1. Hamkorlar bilan ishlaydi.\n2. Hisobot beradi.",
        **changes,
    }


def a_plan(institution: str, *due: str) -> State:
    measure = {"title": "Ochiq dars", "responsible_ref": "T-1", "opportunities": ["O2"], "form": "AF8"}
    return {
        "institution_id": institution,
        "academic_year": the_year()[0],
        "adopted_on": the_year()[1].isoformat(),
        "measures": [{**measure, "due_on": each} for each in due],
    }


def a_board(institution: str, *enterprises: str, **changes: Any) -> State:
    def member(number: int, category: str, **more: Any) -> State:
        return {
            "category": category,
            "ref": f"P-{number}",
            "name": f"Aʼzo {number}",
            "position": "Rahbar",
            "since": day(-200),
            **more,
        }

    members = [member(1, "institution"), member(2, "hokimiyat"), member(3, "parent")]
    members += [
        member(number, "enterprise", enterprise_id=enterprise) for number, enterprise in enumerate(enterprises, start=4)
    ]
    return {
        "institution_id": institution,
        "established_on": day(-200),
        "members": members,
        "chair_ref": "P-2",
        **changes,
    }


def a_contract(institution: str, **changes: Any) -> State:
    return {
        "institution_id": institution,
        "kind": "employment_contract",
        "fields": {name: VALUES[name] for name in CONTRACT_FIELDS},
        **changes,
    }


def a_regulation(institution: str) -> State:
    """A document of a kind that is about no single person."""
    fields = ("city", "institution_name", "institution_address", "institution_head", "coordinator_post")
    return {
        "institution_id": institution,
        "kind": "cooperation_regulation",
        "fields": {name: VALUES[name] for name in fields},
    }


async def let_pass(country: Country, offset: int) -> int:
    """Let a scheduler look at the plans and boards on a later day."""
    engine = make_engine(country.database_url, application="scheduler", pool_size=2)
    try:
        database = Database("agreements", engine, lambda: midnight(offset))
        return await Scheduler(database, Progress(), [WORK_PLANS, BOARDS]).catch_up()
    finally:
        await engine.dispose()


async def test_r9_instruction_is_revised_repealed_and_adopted_anew(country: Country) -> None:
    institution = await country.institution()
    school = country.school(institution)
    entry = ok(await school.post("/v1/instructions", an_instruction(institution)), 201)
    assert entry["texts"][0]["text"].startswith("1. Hamkorlar")
    again = await school.post("/v1/instructions", an_instruction(institution))
    assert (again.status_code, again.json()["id"]) == (409, entry["id"])
    edition = {"adopted_on": day(-9), "in_force_from": day(3), "title": "Yangi", "text": "1. …"}
    entry = await do(school, entry, "revise", edition, of="instructions")
    assert entry["editions"][0]["in_force_until"] == day(3)
    assert [text["edition"] for text in entry["texts"]] == [1, 2]
    entry = await do(school, entry, "repeal", {"repealed_from": day(9)}, of="instructions")
    refused = await school.post(
        f"/v1/instructions/{entry['id']}/repeal", {"repealed_from": day(9)}, version=entry["version"]
    )
    assert (refused.status_code, refused.json()["possible"]) == (409, ["revise"])
    entry = await do(school, entry, "revise", {**edition, "in_force_from": day(20)}, of="instructions")
    assert entry["status"] == "adopted"
    assert await told_of(country, entry["id"]) == ["adopted", "revised", "repealed", "revised"]
    listed = ok(await school.get("/v1/instructions", duty="coordinator", institution_id=institution))["items"]
    assert [each["id"] for each in listed] == [entry["id"]]
    late = an_instruction(institution, duty="teacher", adopted_on=day(1))
    assert rules(await school.post("/v1/instructions", late)) == {"adopted_on": "in_future"}


async def test_r10_plan_is_amended_carried_out_overdue_and_closed(country: Country) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    school, year = country.school(institution), the_year()
    last = (year[1].replace(year=year[1].year + 1) - timedelta(days=1)).isoformat()
    plan = ok(await school.post("/v1/work-plans", a_plan(institution, last, last)), 201)
    assert (await school.post("/v1/work-plans", a_plan(institution, last))).status_code == 409
    late = await country.institution()
    plan_of_late = a_plan(late, year[1].isoformat(), last)
    adopted = ok(await country.school(late).post("/v1/work-plans", plan_of_late), 201)
    assert [measure["status"] for measure in adopted["measures"]] == ["overdue", "planned"]
    path = f"/v1/work-plans/{plan['id']}"
    added = {**a_plan(institution, last)["measures"][0], "title": "Seminar"}
    change = {"measure_id": "m2", "title": "Boshqa nom"}
    plan = await do(school, plan, "amend", {"add": [added], "change": [change], "cancel": ["m1"]}, of="work-plans")
    assert [text["title"] for text in plan["texts"]] == ["Ochiq dars", "Boshqa nom", "Seminar"]
    agreement = await country.active(institution, enterprise)
    foreign = await country.active(await country.institution(), enterprise)
    body = {"evidence": [{"kind": "agreement", "ref": foreign["id"]}, {"kind": "meeting", "ref": "none"}]}
    refused = await school.post(f"{path}/measures/m2/done", body, version=plan["version"])
    assert rules(refused) == {"evidence.0.ref": "unknown_evidence", "evidence.1.ref": "unknown_evidence"}
    body = {"evidence": [{"kind": "agreement", "ref": agreement["id"]}]}
    plan = ok(await school.post(f"{path}/measures/m2/done", body, version=plan["version"]))
    assert plan["measures"][1]["done_on"] == day(0)
    refused = await school.post(f"{path}/measures/m2/done", body, version=plan["version"])
    assert (refused.status_code, refused.json()["possible"]) == (409, ["reopen"])
    plan = ok(await school.post(f"{path}/measures/m2/reopen", version=plan["version"]))
    later = (date.fromisoformat(last) - today()).days + 1
    await let_pass(country, later - 1)
    assert {each["status"] for each in ok(await school.get(path))["measures"]} == {"cancelled", "planned"}
    assert await let_pass(country, later) >= 2
    plan = ok(await school.get(path))
    assert [each["status"] for each in plan["measures"]] == ["cancelled", "overdue", "overdue"]
    plan = await do(school, plan, "close", {}, of="work-plans")
    assert await told_of(country, plan["id"]) == [
        "adopted",
        "amended",
        "measure_done",
        "measure_reopened",
        "measure_overdue",
        "measure_overdue",
        "closed",
    ]


async def test_r11_samples_come_into_force_by_kind(country: Country) -> None:
    institution = await country.institution()
    school = country.school(institution)
    kinds = [each["kind"] for each in ok(await school.get("/v1/document-templates"))["items"]]
    assert len(kinds) == 6
    for kind in kinds:
        body = {"institution_id": institution, "kind": kind, "adopted_on": day(-9), "in_force_from": day(-9)}
        sample = ok(await school.post("/v1/samples", body), 201)
        assert (sample["template"], sample["status"]) == (f"{kind}.1", "adopted")
    sample = await do(school, sample, "revise", {"adopted_on": day(-1), "in_force_from": day(0)}, of="samples")
    sample = await do(school, sample, "repeal", {"repealed_from": day(5)}, of="samples")
    assert await told_of(country, sample["id"]) == ["adopted", "revised", "repealed"]
    template = ok(await school.get(f"/v1/document-templates/{kinds[0]}", language="ru"))
    assert {field["name"]: field["label"] for field in template["fields"]}["city"].startswith("Место")
    blank = await school.get(f"/v1/document-templates/{kinds[0]}.pdf", language="uz-Cyrl")
    assert blank.content.startswith(b"%PDF-")


async def test_r11_document_is_issued_printed_verified_and_annulled(country: Country) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    school, firm = country.school(institution), country.firm(enterprise)
    parties = [
        {"category": "institution", "ref": institution},
        {"category": "enterprise", "ref": enterprise},
        {"category": "hokimiyat", "ref": "H-1"},
    ]
    agreement = await country.draft(institution, enterprise, parties=parties)
    term = {"term": "t1", "starts_on": day(1), "ends_on": day(60), "profession": "7212", "seats": 12}
    schedule = f"/v1/agreements/{agreement['id']}/schedule"
    ok(await school.put(schedule, {"terms": [term]}, version=agreement["version"]))
    names = ok(await school.get("/v1/document-templates/student_internship"))["fields"]
    given = {each["name"]: VALUES[each["name"]] for each in names if each["name"] not in ("starts_on", "ends_on")}
    body = {
        "institution_id": institution,
        "kind": "student_internship",
        "language": "ru",
        "agreement_id": agreement["id"],
        "fields": {name: value for name, value in given.items() if name != "city"},
    }
    refused = rules(await school.post("/v1/documents", body))
    assert refused == {"party_names.p3": "missing"}
    body["party_names"] = {"p3": "Jizzax shahar hokimligi"}
    assert rules(await school.post("/v1/documents", body)) == {"fields.city": "missing"}
    body["fields"] = {**given, "student_name": "Ван 王"}
    assert rules(await school.post("/v1/documents", body)) == {"fields.student_name": "no_glyph"}
    body["fields"] = given
    document = ok(await school.post("/v1/documents", body), 201)
    year = today().year
    assert (document["number"], document["sequence"], document["form"]) == (f"{year}/AF1-0001", 1, "AF1")
    path = f"/v1/documents/{document['id']}"
    docx, pdf = await school.get(f"{path}.docx"), await school.get(f"{path}.pdf")
    assert hashlib.sha256(docx.content).hexdigest() == document["docx_sha256"]
    assert hashlib.sha256(pdf.content).hexdigest() == document["pdf_sha256"]
    assert pdf.headers["content-disposition"] == f'attachment; filename="{year}-AF1-0001.pdf"'
    read = Document(io.BytesIO(docx.content))
    cells = [cell.text for table in read.tables for row in table.rows for cell in row.cells]
    assert "7212" in cells
    assert any("Jizzax shahar hokimligi" in cell for cell in cells)
    for sha256, matches in (
        (document["content_sha256"], "content"),
        (document["docx_sha256"], "docx"),
        (document["pdf_sha256"], "pdf"),
        ("0" * 64, None),
    ):
        answer = ok(await firm.get(f"{path}/verify", sha256=sha256))
        assert (answer["matches"], answer["valid"]) == (matches, matches is not None)
    assert (await firm.get(f"{path}.pdf")).content == pdf.content
    ministry = country.agreements.as_(Role.MINISTRY, "17")
    assert (await ministry.get(f"{path}.pdf")).status_code == 403
    assert await no_names(country, document["id"])
    document = await do(school, document, "annul", of="documents")
    answer = ok(await school.get(f"{path}/verify", sha256=document["pdf_sha256"]))
    assert (answer["matches"], answer["valid"], answer["status"]) == ("pdf", False, "annulled")
    assert await told_of(country, document["id"]) == ["issued", "annulled"]


async def test_r11_offices_see_no_document_of_a_single_person_and_no_hash_of_any(country: Country) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    school, firm = country.school(institution), country.firm(enterprise)
    agreement = await country.active(institution, enterprise, form="AF2")
    contract = ok(await school.post("/v1/documents", a_contract(institution, agreement_id=agreement["id"])), 201)
    regulation = ok(await school.post("/v1/documents", a_regulation(institution)), 201)
    hashes = {contract["content_sha256"], regulation["content_sha256"], regulation["pdf_sha256"]}
    for role, org in ((Role.DISTRICT, HERE), (Role.REGION, "1708"), (Role.MINISTRY, "17")):
        office = country.agreements.as_(role, org)
        listed = ok(await office.get("/v1/documents", institution_id=institution))["items"]
        assert [each["id"] for each in listed] == [regulation["id"]]
        one = (await office.get(f"/v1/documents/{regulation['id']}")).text
        exported = (await office.get("/v1/documents/export", format="csv", institution_id=institution)).text
        assert regulation["number"] in exported
        assert contract["number"] not in exported
        assert not any(sha256 in text for sha256 in hashes for text in (one, exported, str(listed)))
        path = f"/v1/documents/{contract['id']}"
        assert (await office.get(path)).status_code == 404
        assert (await office.get(f"{path}/verify", sha256=contract["content_sha256"])).status_code == 404
        assert (await office.get(f"{path}.pdf")).status_code == 403
        held = await office.get(f"/v1/documents/{regulation['id']}/verify", sha256=regulation["pdf_sha256"])
        assert (ok(held)["matches"], ok(held)["content_sha256"]) == ("pdf", None)
    assert ok(await firm.get(f"/v1/documents/{contract['id']}"))["content_sha256"] == contract["content_sha256"]
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(dsn_of(country.database_url))
    try:
        for scope, sees in (
            ("path:/17/", {regulation["id"]}),
            (f"path:/17/1708/{HERE}/", {regulation["id"]}),
            (f"institution:{institution}", {contract["id"], regulation["id"]}),
            (f"enterprise:{enterprise}", {contract["id"]}),
            ("none", set()),
        ):
            async with connection.transaction():
                await connection.execute("select set_config('app.scope', $1, true)", scope)
                rows = await connection.fetch("select id from document where institution_id = $1", institution)
            assert {row["id"] for row in rows} == sees, scope
    finally:
        await connection.close()


async def no_names(country: Country, subject: str) -> bool:
    """True if no event of an aggregate holds a name given with the document."""
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(dsn_of(country.database_url))
    try:
        async with connection.transaction():
            await connection.execute("select set_config('app.scope', 'all', true)")
            rows = await connection.fetch("select data from event where subject like $1", f"%/{subject}")
    finally:
        await connection.close()
    said = b"".join(bytes(row["data"]) for row in rows).decode()
    return bool(rows) and not any(VALUES[name] in said for name in ("institution_head", "student_name", "city"))


async def test_r11_documents_of_other_kinds_are_filled_from_what_they_are_about(country: Country) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    school = country.school(institution)
    board = ok(await school.post("/v1/boards", a_board(institution, enterprise)), 201)
    agreement = await country.active(institution, enterprise)
    for kind, subject in (("board_regulation", {"board_id": board["id"]}), ("teacher_internship", {})):
        template = ok(await school.get(f"/v1/document-templates/{kind}"))
        body = {
            "institution_id": institution,
            "kind": kind,
            "fields": {each["name"]: VALUES[each["name"]] for each in template["fields"]},
            "tables": {each["name"]: TABLES[each["name"]] for each in template["tables"]},
            **subject,
        }
        document = ok(await school.post("/v1/documents", body), 201)
        docx = Document(io.BytesIO((await school.get(f"/v1/documents/{document['id']}.docx")).content))
        cells = {cell.text for table in docx.tables for row in table.rows for cell in row.cells}
        assert cells >= ({"Aʼzo 1", "Hokimlik"} if subject else {"Oʻlchov va sifat nazorati"})
        wrong = {**body, "agreement_id": agreement["id"]}
        expected = "subject_not_taken" if subject else "agreement_of_other_form"
        assert rules(await school.post("/v1/documents", wrong)) == {"agreement_id": expected}
        if subject:
            board = await do(school, board, "amend", {"regulation_document_id": document["id"]}, of="boards")


async def test_r11_numbers_have_no_gap_and_no_double_when_many_are_issued_at_once(country: Country) -> None:
    institution = await country.institution()
    school = country.school(institution)
    wrong = a_contract(institution, fields={**a_contract(institution)["fields"], "worker_name": "王"})

    async def issued(body: State) -> httpx.Response:
        key = str(uuid.uuid4())
        while (answer := await school.post("/v1/documents", body, key=key)).status_code == 503:
            assert answer.headers["retry-after"] == "1"
        return answer

    answers = await asyncio.gather(
        *(issued(wrong if index % 3 == 0 else a_contract(institution)) for index in range(9))
    )
    assert sorted(answer.status_code for answer in answers) == [201] * 6 + [422] * 3
    numbers = sorted(answer.json()["number"] for answer in answers if answer.status_code == 201)
    assert numbers == [f"{today().year}/AF2-{number:04}" for number in range(1, 7)]
    other = await country.institution()
    first = ok(await country.school(other).post("/v1/documents", a_contract(other)), 201)
    assert first["sequence"] == 1


async def test_r12_board_meets_decides_with_a_quorum_and_follows_up(country: Country) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    school, firm = country.school(institution), country.firm(enterprise)
    board = ok(await school.post("/v1/boards", a_board(institution, enterprise)), 201)
    assert (await school.post("/v1/boards", a_board(institution))).status_code == 409
    path = f"/v1/boards/{board['id']}"
    assert board["chair"] == "p2"
    assert ok(await firm.get(path))["member_texts"][0]["name"] == "Aʼzo 1"

    async def step(where: str, body: Any = None) -> State:
        return ok(await school.post(f"{path}/{where}", body, version=board["version"]))

    board = await step("meetings", {"planned_on": day(-40), "agenda": "1. Reja"})
    first = board["meetings"][0]["meeting_id"]
    board = await step(f"meetings/{first}/hold", {"present": ["p1", "p2"]})
    assert (board["meetings"][0]["status"], board["last_held_on"]) == ("not_quorate", None)
    decision = {"text": "Qaror", "votes_for": 2, "responsible": "enterprise", "due_on": day(0)}
    refused = await school.post(f"{path}/meetings/{first}/decisions", decision, version=board["version"])
    assert (refused.status_code, refused.json()["possible"]) == (409, [])
    board = await step("meetings", {"planned_on": day(-30)})
    second = board["meetings"][1]["meeting_id"]
    early = await school.post(f"{path}/meetings/{second}/decisions", decision, version=board["version"])
    assert early.json()["possible"] == ["hold", "cancel"]
    board = await step(f"meetings/{second}/hold", {"present": ["p1", "p2", "p4"], "protocol": "Bayonnoma"})
    assert (board["meetings"][1]["needed"], board["last_held_on"]) == (3, day(-30))
    board = await step(f"meetings/{second}/decisions", decision)
    board = await step(f"meetings/{second}/decisions", {**decision, "due_on": day(30)})
    assert [each["text"] for each in board["decision_texts"]] == ["Qaror", "Qaror"]
    await let_pass(country, 1)
    board = ok(await school.get(path))
    assert [each["status"] for each in board["meetings"][1]["decisions"]] == ["overdue", "open"]
    evidence = {"evidence": [{"kind": "meeting", "ref": second}]}
    board = await step(f"meetings/{second}/decisions/d1/done", evidence)
    board = await step(f"meetings/{second}/decisions/d2/cancel")
    board = await step("members", {"category": "graduate", "ref": "P-9", "name": "Bitiruvchi", "since": day(0)})
    board = await step("members/p5/end", {"until": day(90)})
    board = await step("amend", {"chair": "p1", "quorum_percent": 66})
    board = await step("meetings", {"planned_on": day(9)})
    board = await step(f"meetings/{board['meetings'][2]['meeting_id']}/cancel")
    board = await step("dissolve", {})
    assert await told_of(country, board["id"]) == [
        "established",
        "meeting_planned",
        "meeting_held",
        "meeting_planned",
        "meeting_held",
        "decision_taken",
        "decision_taken",
        "decision_overdue",
        "decision_done",
        "decision_cancelled",
        "member_joined",
        "member_left",
        "amended",
        "meeting_planned",
        "meeting_cancelled",
        "dissolved",
    ]
    assert ok(await school.post("/v1/boards", a_board(institution)), 201)["status"] == "established"


async def test_norm_holds_for_all_below_its_issuer_who_alone_may_repeal_it(country: Country) -> None:
    here, far = await country.institution(HERE), await country.institution(FAR)
    at = country.agreements.as_
    body = {
        "kind": "order",
        "number": "12-son",
        "title": "Amaliyot tartibi",
        "adopted_on": day(-30),
        "in_force_from": day(-20),
    }
    issuers = {
        "17": at(Role.MINISTRY, "17"),
        "1708": at(Role.REGION, "1708"),
        HERE: at(Role.DISTRICT, HERE),
        here: country.school(here),
    }
    norms = {}
    for issuer, client in issuers.items():
        place = {"institution_id": issuer} if issuer == here else {"territory": issuer}
        norms[issuer] = ok(await client.post("/v1/normative-documents", {**body, **place}), 201)
        foreign = await client.post("/v1/normative-documents", {**body, "territory": "1703"})
        assert (foreign.status_code, foreign.json()["type"]) == (403, "urn:hamkor:problem:not-your-norm")

    async def seen(client: Client) -> set[str]:
        items = ok(await client.get("/v1/normative-documents", limit=500))["items"]
        found = {issuer for issuer, norm in norms.items() if norm["id"] in {item["id"] for item in items}}
        for issuer, norm in norms.items():
            status = (await client.get(f"/v1/normative-documents/{norm['id']}")).status_code
            assert status == (200 if issuer in found else 404)
        return found

    assert await seen(country.school(here)) == set(norms)
    assert await seen(country.school(far)) == {"17"}
    assert await seen(issuers["17"]) == set(norms)
    assert await seen(at(Role.DISTRICT, HERE)) == set(norms)
    assert await seen(at(Role.DISTRICT, NEXT_DOOR)) == {"17", "1708"}
    assert await seen(country.firm(await country.enterprise())) == {"17"}
    assert await seen(at(Role.REGION, "1703")) == {"17"}
    region = norms["1708"]
    for client in (country.school(here), issuers[HERE], issuers["17"]):
        answer = await client.post(f"/v1/normative-documents/{region['id']}/repeal", {}, version=region["version"])
        assert answer.status_code == 403, answer.text
    stolen = {**body, "territory": HERE, "replaces": region["id"]}
    assert rules(await issuers[HERE].post("/v1/normative-documents", stolen)) == {"replaces": "unknown_norm"}
    newer = {**body, "territory": "1708", "in_force_from": day(9), "replaces": region["id"]}
    ok(await issuers["1708"].post("/v1/normative-documents", newer), 201)
    replaced = ok(await issuers["1708"].get(f"/v1/normative-documents/{region['id']}"))
    assert (replaced["status"], replaced["in_force_until"]) == ("repealed", day(9))
    assert await told_of(country, region["id"]) == ["adopted", "repealed"]
    for on, holds in ((day(-21), False), (day(8), True), (day(9), False)):
        asked = {"territory": "1708", "in_force_on": on, "limit": 500}
        items = ok(await issuers["1708"].get("/v1/normative-documents", **asked))["items"]
        assert (region["id"] in {item["id"] for item in items}) == holds
    district = await do(issuers[HERE], norms[HERE], "repeal", {"repealed_from": day(0)}, of="normative-documents")
    assert district["status"] == "repealed"
    # Who goes on with an institution's work repeals its norms; theirs hold for it, and are not its to repeal.
    lives = await country.institution(HERE)
    newest = ok(await country.school(lives).post("/v1/normative-documents", {**body, "institution_id": lives}), 201)
    merged = {"successor_id": lives, "merged_on": day(-1)}
    await country.told(await country.ministry.post(f"/v1/institutions/{here}/merge", merged))
    path = f"/v1/normative-documents/{newest['id']}"
    assert (await country.school(here).get(path)).status_code == 200
    assert (await country.school(here).post(f"{path}/repeal", {}, version=1)).status_code == 403
    own = await do(country.school(lives), norms[here], "repeal", {"repealed_from": day(0)}, of="normative-documents")
    assert own["status"] == "repealed"


async def everything(country: Country) -> tuple[str, str, dict[str, str]]:
    """An institution, an enterprise in its board, and one entry of every kind: their ids by register."""
    institution, enterprise = await country.institution(), await country.enterprise()
    school = country.school(institution)
    last = (the_year()[1] + timedelta(days=300)).isoformat()
    in_force = {"institution_id": institution, "adopted_on": day(-9), "in_force_from": day(-9)}
    bodies = {
        "instructions": an_instruction(institution),
        "work-plans": a_plan(institution, last),
        "samples": {**in_force, "kind": "employment_contract"},
        "documents": a_regulation(institution),
        "boards": a_board(institution, enterprise),
        "normative-documents": {**in_force, "kind": "order", "number": "1", "title": "Ichki tartib"},
    }
    ids = {kind: ok(await school.post(f"/v1/{kind}", body), 201)["id"] for kind, body in bodies.items()}
    return institution, enterprise, ids


FAR_STEPS: tuple[tuple[str, str, str, Any], ...] = (
    ("instruction.adopt", "instructions", "revise", {**an_instruction("0"), "in_force_from": day(1)}),
    ("instruction.adopt", "instructions", "repeal", {}),
    ("work_plan.adopt", "work-plans", "amend", {"cancel": ["m1"]}),
    ("work_plan.adopt", "work-plans", "close", {}),
    ("work_plan.carry_out", "work-plans", "measures/m1/done", {"evidence": [{"kind": "file", "ref": "f"}]}),
    ("work_plan.carry_out", "work-plans", "measures/m1/reopen", None),
    ("sample.adopt", "samples", "revise", {"adopted_on": day(0), "in_force_from": day(0)}),
    ("sample.adopt", "samples", "repeal", {}),
    ("document.issue", "documents", "annul", None),
    ("board.change", "boards", "amend", {"quorum_percent": 66}),
    ("board.change", "boards", "members", {"category": "parent", "ref": "P", "name": "N", "since": day(0)}),
    ("board.change", "boards", "members/p1/end", {}),
    ("board.change", "boards", "dissolve", {}),
    ("board.meet", "boards", "meetings", {"planned_on": day(9)}),
    ("board.meet", "boards", "meetings/x/hold", {"present": []}),
    ("board.meet", "boards", "meetings/x/cancel", None),
    ("board.meet", "boards", "meetings/x/decisions", {"text": "Q", "votes_for": 1}),
    ("board.meet", "boards", "meetings/x/decisions/d1/done", {}),
    ("board.meet", "boards", "meetings/x/decisions/d1/cancel", None),
    ("normative_document.adopt", "normative-documents", "repeal", {}),
)
NOT_TOLD = ("institution_id", "kind", "duty")


async def test_every_command_on_a_foreign_entry_answers_404_or_403_as_the_permission_table_says(
    country: Country,
) -> None:
    _, _, ids = await everything(country)
    strangers = [
        (Role.REGION, "1703"),
        (Role.DISTRICT, NEXT_DOOR),
        (Role.INSTITUTION, await country.institution(FAR)),
        (Role.ENTERPRISE, await country.enterprise()),
        (Role.OPERATOR, ""),
    ]
    for kind, id_ in ids.items():
        exported = await country.agreements.as_(Role.MINISTRY, "17").get(f"/v1/{kind}/export", format="csv")
        assert exported.status_code == 200
        assert id_ in exported.text
    for role, org in strangers:
        stranger = country.agreements.as_(role, org)
        for action, kind, step, body in FAR_STEPS:
            if kind == "instructions" and step == "revise":
                body = {name: value for name, value in body.items() if name not in NOT_TOLD}
            answer = await stranger.post(f"/v1/{kind}/{ids[kind]}/{step}", body, version=1)
            assert answer.status_code == (404 if role in PERMISSIONS[action] else 403), (role, step, answer.text)
        for kind, id_ in ids.items():
            assert (await stranger.get(f"/v1/{kind}/{id_}")).status_code in (404, 403)
        for ending in (".pdf", ".docx"):
            assert (await stranger.get(f"/v1/documents/{ids['documents']}{ending}")).status_code in (404, 403)
    written = {
        (parts[2], "/".join(part for part in parts[4:] if not part.startswith("{")))
        for path, methods in country.agreements.app.openapi()["paths"].items()
        if "post" in methods and len(parts := path.split("/")) > 4 and parts[2] in ids
    }
    tried = {
        (kind, "/".join(part for part in step.split("/") if part not in ("m1", "p1", "x", "d1")))
        for _, kind, step, _ in FAR_STEPS
    }
    assert tried == written


async def test_rows_follow_their_institution_and_members_their_enterprise(country: Country) -> None:
    institution, enterprise, ids = await everything(country)
    other = await country.enterprise()
    moved = {"district": NEXT_DOOR, "since": day(0)}
    answer = await country.ministry.get(f"/v1/institutions/{institution}")
    version = answer.json()["version"]
    await country.told(await country.ministry.post(f"/v1/institutions/{institution}/move", moved, version=version))
    neighbour, before = country.agreements.as_(Role.DISTRICT, NEXT_DOOR), country.agreements.as_(Role.DISTRICT, HERE)
    for kind, id_ in ids.items():
        assert (await neighbour.get(f"/v1/{kind}/{id_}")).status_code == 200, kind
        assert (await before.get(f"/v1/{kind}/{id_}")).status_code == 404, kind
    await country.merge(enterprise, other)
    board = ok(await country.firm(other).get(f"/v1/boards/{ids['boards']}"))
    assert board["members"][3]["enterprise_id"] == other
    assert (await country.firm(enterprise).get(f"/v1/boards/{ids['boards']}")).status_code == 404


async def test_database_alone_keeps_foreign_rows_from_every_scope(country: Country) -> None:
    institution, enterprise, ids = await everything(country)
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(dsn_of(country.database_url))
    try:

        async def seen(scope: str) -> set[str]:
            async with connection.transaction():
                await connection.execute("select set_config('app.scope', $1, true)", scope)
                rows = [row["id"] for table in TABLE_NAMES for row in await connection.fetch(f"select id from {table}")]
            return set(rows) & set(ids.values())

        async def within(scope: str, statement: str) -> None:
            async with connection.transaction():
                await connection.execute("select set_config('app.scope', $1, true)", scope)
                await connection.execute(statement)

        for scope in ("all", "path:/17/", "path:/17/1708/", f"path:/17/1708/{HERE}/", f"institution:{institution}"):
            assert await seen(scope) == set(ids.values()), scope
        assert await seen(f"enterprise:{enterprise}") == {ids["boards"]}
        for scope in (
            f"path:/17/1708/{NEXT_DOOR}/",
            "path:/17/1703/",
            "institution:0198-f",
            "enterprise:0198-f",
            "none",
        ):
            assert await seen(scope) == set(), scope
        for table in TABLE_NAMES[:-1]:
            async with connection.transaction():
                await connection.execute("select set_config('app.scope', 'path:/17/1703/', true)")
                assert await connection.execute(f"update {table} set version = 9") == "UPDATE 0"
        # The nation's norms are seen here, and changed nowhere but there.
        country_wide = {"territory": "17", "kind": "law", "number": "1", "title": "Qonun", "adopted_on": day(0)}
        ministry = country.agreements.as_(Role.MINISTRY, "17")
        ok(await ministry.post("/v1/normative-documents", {**country_wide, "in_force_from": day(0)}), 201)
        for scope, statement in (
            ("path:/17/1703/", "update normative_document set version = 9"),
            ("institution:0198-f", "insert into document_series values ('0198-e', 2026, 'AF1', 1)"),
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await within(scope, statement)
    finally:
        await connection.close()


async def test_r11_many_documents_in_one_transaction_and_single_ones_beside_it_all_get_their_numbers(
    country: Country,
) -> None:
    institution = await country.institution()
    school = country.school(institution)
    items = [{"row_key": f"{institution}-{index}", "entry": a_contract(institution)} for index in range(3)]

    async def single() -> int:
        key = str(uuid.uuid4())
        while (answer := await school.post("/v1/documents", a_contract(institution), key=key)).status_code == 503:
            assert answer.headers["retry-after"] == "1"
        return int(ok(answer, 201)["sequence"])

    beside = asyncio.gather(*(single() for _ in range(2)))
    bulk = await school.post("/v1/documents/bulk", {"items": items, "atomic": True})
    singles = await beside
    assert ok(bulk)["done"] == 3
    listed = ok(await school.get("/v1/documents", institution_id=institution))["items"]
    assert sorted(document["sequence"] for document in listed) == list(range(1, 6))
    assert len(set(singles)) == 2


async def an_internship(school: Client, agreement: State, **changes: Any) -> httpx.Response:
    """Issue a student's internship from an agreement of AF1."""
    names = [each["name"] for each in ok(await school.get("/v1/document-templates/student_internship"))["fields"]]
    body = {
        "institution_id": agreement["institution_id"],
        "kind": "student_internship",
        "agreement_id": agreement["id"],
        "fields": {name: VALUES[name] for name in names if name not in ("starts_on", "ends_on")},
        **changes,
    }
    return await school.post("/v1/documents", body)


async def test_r11_a_document_is_for_the_enterprise_it_is_made_with_alone(country: Country) -> None:
    institution = await country.institution()
    first, second, stranger = [await country.enterprise() for _ in range(3)]
    school = country.school(institution)
    agreement = await country.active(institution, first, second)
    assert rules(await an_internship(school, agreement)) == {"enterprise_id": "not_a_party"}
    assert rules(await an_internship(school, agreement, enterprise_id=stranger)) == {"enterprise_id": "not_a_party"}
    document = ok(await an_internship(school, agreement, enterprise_id=second), 201)
    assert document["enterprise_id"] == second
    path = f"/v1/documents/{document['id']}"
    sees = {second: 200, first: 404, stranger: 404}
    for enterprise, status in sees.items():
        firm = country.firm(enterprise)
        asked = {"sha256": document["pdf_sha256"]}
        answers = [await firm.get(path), await firm.get(f"{path}.docx"), await firm.get(f"{path}/verify", **asked)]
        assert {answer.status_code for answer in answers} == {status}, enterprise
        listed = ok(await firm.get("/v1/documents"))["items"]
        assert [each["id"] for each in listed] == [document["id"]] * (status == 200)
        exported = (await firm.get("/v1/documents/export", format="csv")).text
        assert (document["id"] in exported) == (status == 200)
    narrowed = ok(await school.get("/v1/documents", enterprise_id=second))["items"]
    assert [each["id"] for each in narrowed] == [document["id"]]
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(dsn_of(country.database_url))
    try:
        for enterprise, status in sees.items():
            async with connection.transaction():
                await connection.execute("select set_config('app.scope', $1, true)", f"enterprise:{enterprise}")
                assert len(await connection.fetch("select from document")) == (status == 200)
    finally:
        await connection.close()


async def test_r11_a_document_follows_its_enterprise_when_that_is_merged_and_comes_back(country: Country) -> None:
    institution, ends, lives = await country.institution(), await country.enterprise(), await country.enterprise()
    school = country.school(institution)
    document = ok(await an_internship(school, await country.active(institution, ends)), 201)
    assert document["enterprise_id"] == ends
    path = f"/v1/documents/{document['id']}"
    await country.merge(ends, lives)
    assert ok(await country.firm(lives).get(path))["enterprise_id"] == lives
    assert (await country.firm(ends).get(path)).status_code == 404
    await country.told(await country.ministry.post(f"/v1/enterprises/{ends}/unmerge"))
    assert ok(await country.firm(ends).get(path))["enterprise_id"] == ends
    assert await told_of(country, document["id"]) == ["issued", "reassigned", "reassigned"]


async def test_r11_a_document_without_agreement_is_made_with_no_enterprise(country: Country) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    school = country.school(institution)
    wrong = a_contract(institution, enterprise_id=enterprise)
    assert rules(await school.post("/v1/documents", wrong)) == {"enterprise_id": "extra_forbidden"}
    assert ok(await school.post("/v1/documents", a_contract(institution)), 201)["enterprise_id"] is None


async def test_r12_an_enterprise_sees_a_board_until_its_members_term_is_over(country: Country) -> None:
    institution = await country.institution()
    stays, leaves, runs_out = [await country.enterprise() for _ in range(3)]
    school = country.school(institution)
    body = a_board(institution, stays, leaves, runs_out)
    body["members"][-1]["until"] = day(1)
    board = ok(await school.post("/v1/boards", body), 201)
    path = f"/v1/boards/{board['id']}"
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(dsn_of(country.database_url))

    async def seen() -> list[bool]:
        answers = []
        for enterprise in (stays, leaves, runs_out):
            firm = country.firm(enterprise)
            one, listed = await firm.get(path), ok(await firm.get("/v1/boards"))["items"]
            exported = (await firm.get("/v1/boards/export", format="csv")).text
            async with connection.transaction():
                await connection.execute("select set_config('app.scope', $1, true)", f"enterprise:{enterprise}")
                rows = await connection.fetch("select from board")
            sees = one.status_code == 200
            assert [len(listed), len(rows), board["id"] in exported] == [sees, sees, sees]
            answers.append(sees)
        return answers

    try:
        assert await seen() == [True, True, True]
        board = ok(await school.post(f"{path}/members/p5/end", {"until": day(-3)}, version=board["version"]))
        assert await seen() == [True, False, True]
        secret = {"planned_on": day(0), "agenda": "Hamkorlikni tugatish toʻgʻrisida"}
        ok(await school.post(f"{path}/meetings", secret, version=board["version"]))
        assert await let_pass(country, 1) >= 1
        assert await seen() == [True, False, False]
        # Former members follow a merge as all others do, and see no more for it.
        lives = await country.enterprise()
        await country.merge(leaves, lives)
        assert ok(await school.get(path))["members"][4]["enterprise_id"] == lives
        assert (await country.firm(lives).get(path)).status_code == 404
    finally:
        await connection.close()
