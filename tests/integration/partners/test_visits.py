"""Stage 2 over HTTP on a real database: dossier, visit, clashes, protocol, next actions, calendars, reminders."""

import asyncio
import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

from icalendar import Calendar
from sqlalchemy import text

from services.partners.commands.visits import ACTIONS
from services.partners.tables.visits import PRIVATE
from shared.clock import TASHKENT
from shared.persistence.engine import make_engine
from shared.persistence.scheduler import Scheduler
from shared.persistence.unit_of_work import Database
from shared.scope import Principal, Role
from shared.telemetry.progress import Progress
from tests.integration.partners.test_preparation import ok, refused
from tests.integration.partners.test_registers import ENTERPRISE, a_territory, an_institution
from tests.support.services import Client, Running


def at(hours: float, days: int = 3) -> str:
    """A moment so many days from today, at that hour in Tashkent."""
    day = datetime.now(TASHKENT).date() + timedelta(days=days)
    return (datetime(day.year, day.month, day.day, tzinfo=TASHKENT) + timedelta(hours=hours)).isoformat()


def a_plan(institution: str, enterprise: str, **changes: Any) -> dict[str, Any]:
    body = {
        "institution_id": institution,
        "category": "enterprise",
        "enterprise_id": enterprise,
        "opportunities": ["O4"],
        "place": "at_partner",
        "envoy_ref": "T-3",
        "envoy_rank": "head",
        "host_rank": "head",
        "planned_start": at(10),
        "planned_end": at(11),
        "agenda": "Amaliyot joylari",
        "notes": "ehtiyot boʻlish kerak",
    }
    return body | changes


async def sides(partners: Running) -> tuple[str, Client, str, Client]:
    await a_territory(partners)
    id_ = (await an_institution(partners))["id"]
    school = partners.as_(Role.INSTITUTION, id_)
    enterprise = (await ok(school.post("/v1/enterprises", ENTERPRISE)))["id"]
    return id_, school, enterprise, partners.as_(Role.ENTERPRISE, enterprise)


async def test_from_dossier_to_protocol(partners: Running) -> None:
    id_, school, enterprise, zavod = await sides(partners)
    who = {"institution_id": id_, "category": "enterprise", "enterprise_id": enterprise}
    sketch = await ok(school.post("/v1/dossiers", who | {"directions": ["C"], "contacts": [{"name": "B. Aliyev"}]}))
    assert (sketch["complete"], sketch["size"], sketch["contacts"][0]["name"]) == (False, "large", "B. Aliyev")
    visit = await ok(school.post("/v1/visits", a_plan(id_, enterprise)))
    path = f"/v1/visits/{visit['id']}"

    async def step(client: Client, name: str, body: Any = None, method: str = "POST") -> dict[str, Any]:
        nonlocal visit
        visit = await ok(client.send(method, f"{path}/{name}", body, version=visit["version"]))
        return visit

    early = await refused(school.post(f"{path}/prepare", version=1), 409)
    assert early["type"].endswith("not-prepared")
    assert "V1, V2, V3, V5" in early["detail"]
    await refused(zavod.put(f"{path}/checklist/V1", {}, version=1), 403)
    await step(zavod, "agree", {})
    for check in ("V1", "V5"):
        await step(school, f"checklist/{check}", {}, "PUT")
    await refused(school.put(f"{path}/checklist/V2", {}, version=visit["version"]), 422, "answers_itself")
    full = who | {"directions": ["C"], "union_member": True, "interests": ["O6"]}
    assert (await ok(school.post("/v1/dossiers", full)))["complete"]
    await step(school, "prepare")
    seen = await ok(zavod.get(path))
    assert seen["agenda"] == "Amaliyot joylari"
    assert not {"notes", "checklist", "protocol", "envoy_ref"} & seen.keys()
    (exported,) = csv.DictReader(io.StringIO((await zavod.get("/v1/visits/export")).text.lstrip("\ufeff")))
    kept = {name for name, value in exported.items() if value and name.partition(".")[0] in PRIVATE}
    assert (exported["agenda"], kept) == ("Amaliyot joylari", set())
    await refused(zavod.get("/v1/dossiers"), 403)

    held = {"actual_start": at(10, -1), "actual_end": at(11, -1)}
    await step(school, "hold", held)
    assert (visit["status"], visit["punctual"]) == ("held", False)
    today = datetime.now(TASHKENT).date().isoformat()
    action = {"side": "partner", "owner_ref": "P-1", "due_on": today, "what": "Joylar roʻyxati"}
    protocol = {
        "steps": [f"N{number}" for number in range(1, 7)],
        "outcome": "agreement_in_principle",
        "causes": ["A1", "B2"],
        "actions": [action],
        "step_notes": {"N4": "eʼtirozlar tinglandi"},
        "results": [{"step": "N4", "result": "partly"}],
    }
    await step(school, "protocol", protocol)
    assert visit["protocol"]["causes"] == ["A1", "B2"]
    assert visit["protocol"]["results"] == protocol["results"]
    assert visit["step_notes"] == protocol["step_notes"]
    agreed = (await ok(zavod.get("/v1/next-actions")))["items"]
    assert [(each["visit_id"], each["what"], each["status"]) for each in agreed] == [
        (visit["id"], "Joylar roʻyxati", "agreed")
    ]
    done = await ok(zavod.post(f"/v1/next-actions/{agreed[0]['id']}/done", {}, version=1))
    assert done["status"] == "done"
    again = protocol | {"actions": [action | {"side": "institution"}]}
    await step(school, "protocol", again)
    own = (await ok(school.get("/v1/next-actions", status="agreed")))["items"][0]
    await refused(zavod.post(f"/v1/next-actions/{own['id']}/done", {}, version=1), 403)
    await refused(partners.as_(Role.REGION, "1708").post(f"/v1/next-actions/{own['id']}/done", {}, version=1), 403)
    assert (await ok(school.post(f"/v1/next-actions/{own['id']}/cancel", version=1)))["status"] == "cancelled"
    following = await ok(school.post("/v1/visits", a_plan(id_, enterprise, follows=visit["id"])))
    assert following["follows"] == visit["id"]
    later = {"follows": following["id"], "planned_start": at(14), "planned_end": at(15)}
    await refused(school.post("/v1/visits", a_plan(id_, enterprise, **later)), 422, "nothing_to_continue")
    refusal = await refused(school.post(f"{path}/cancel", {"causes": ["B2"]}, version=visit["version"]), 409)
    assert "protocol" in refusal["remedy"]
    stranger = partners.as_(Role.DISTRICT, "1708204")
    await refused(stranger.get(path), 404)
    assert (await ok(stranger.get("/v1/next-actions")))["items"] == []


async def test_an_own_reference_of_a_partner_is_nobody_elses(partners: Running) -> None:
    id_, school, enterprise, _ = await sides(partners)
    other = (await an_institution(partners, code="P-9"))["id"]
    plan = a_plan(id_, enterprise, category="hokimiyat", partner_ref="P-0007")
    del plan["enterprise_id"]
    await ok(school.post("/v1/visits", plan))
    own = await refused(school.post("/v1/visits", plan | {"envoy_ref": "T-9"}), 409)
    assert own["type"].endswith("clash")
    await ok(partners.as_(Role.INSTITUTION, other).post("/v1/visits", plan | {"institution_id": other}))


async def test_clashes_are_refused_with_their_name_and_no_more(partners: Running) -> None:
    id_, school, enterprise, zavod = await sides(partners)
    other = (await an_institution(partners, code="P-2"))["id"]
    neighbour = partners.as_(Role.INSTITUTION, other)
    first = await ok(school.post("/v1/visits", a_plan(id_, enterprise)))
    overlapping = {"planned_start": at(10.5), "planned_end": at(11.5)}

    own = await refused(school.post("/v1/visits", a_plan(id_, enterprise, **overlapping)), 409)
    assert own["type"].endswith("clash")
    assert first["id"] in own["remedy"]
    foreign = await refused(neighbour.post("/v1/visits", a_plan(other, enterprise, **overlapping)), 409)
    assert foreign["type"].endswith("busy-then")
    assert (foreign["who"], foreign["since"]) == ("partner", first["planned_start"])
    assert "the partner is busy" in foreign["detail"]
    assert not {"ref", "what", "cause"} & foreign.keys()
    assert first["id"] not in str(foreign)
    await ok(neighbour.post("/v1/visits", a_plan(other, enterprise, planned_start=at(11), planned_end=at(12))))

    await refused(partners.as_(Role.REGION, "1708").post("/v1/visits", a_plan(id_, enterprise)), 403)
    exams = {"owner": "institution", "owner_ref": id_, "kind": "exams", "starts_at": at(0, 5), "ends_at": at(24, 5)}
    event = await ok(school.post("/v1/known-events", exams | {"title": "Davlat imtihoni"}))
    assert event["recorded_by"] == f"institution:{id_}"
    assert (await neighbour.get(f"/v1/known-events/{event['id']}")).status_code == 404
    refusal = await refused(
        school.post("/v1/visits", a_plan(id_, enterprise, planned_start=at(9, 5), planned_end=at(10, 5))), 409
    )
    assert "B1" in refusal["detail"]
    await ok(school.post(f"/v1/known-events/{event['id']}/cancel", version=1))
    await ok(school.post("/v1/visits", a_plan(id_, enterprise, planned_start=at(9, 5), planned_end=at(10, 5))))

    stocktaking = {"owner": "enterprise", "owner_ref": enterprise, "kind": "meeting"}
    await ok(zavod.post("/v1/known-events", stocktaking | {"starts_at": at(8, 7), "ends_at": at(18, 7)}))
    await refused(school.post("/v1/known-events", stocktaking | {"starts_at": at(8, 8), "ends_at": at(18, 8)}), 403)
    refusal = await refused(
        school.post("/v1/visits", a_plan(id_, enterprise, planned_start=at(9, 7), planned_end=at(10, 7))), 409
    )
    assert "B3" in refusal["detail"]
    holiday = {
        "owner": "territory",
        "owner_ref": "1708",
        "kind": "holiday",
        "starts_at": at(0, 9),
        "ends_at": at(24, 9),
    }
    await refused(school.post("/v1/known-events", holiday), 403)
    nowhere = holiday | {"owner_ref": "1799"}
    await refused(partners.as_(Role.MINISTRY, "17").post("/v1/known-events", nowhere), 422, "unknown_territory")
    await ok(partners.as_(Role.REGION, "1708").post("/v1/known-events", holiday))
    await refused(
        school.post("/v1/visits", a_plan(id_, enterprise, planned_start=at(9, 9), planned_end=at(10, 9))), 409
    )
    # Another time is as much of a plan as the first one.
    moved = {"planned_start": at(9, 9), "planned_end": at(10, 9)}
    refusal = await refused(school.post(f"/v1/visits/{first['id']}/reschedule", moved, version=1), 409)
    assert "holiday (B1)" in refusal["detail"]
    shown = await ok(school.get(f"/v1/institutions/{id_}/calendar"))
    assert [each["planned_start"] for each in shown["visits"]] == [at(10), at(9, 5)]
    assert [(each["owner"], each["kind"]) for each in shown["events"]] == [("territory", "holiday")]
    day = {"since": at(0, 5), "until": at(24, 5)}
    assert len((await ok(school.get(f"/v1/institutions/{id_}/calendar", **day)))["visits"]) == 1
    await refused(school.get(f"/v1/institutions/{id_}/calendar", until=at(0, 999)), 422, "calendar_too_long")
    assert (await neighbour.get(f"/v1/institutions/{id_}/calendar")).status_code == 404


async def test_of_plans_at_once_one_gets_the_time(partners: Running) -> None:
    _, _, enterprise, _ = await sides(partners)
    ids = [(await an_institution(partners, code=f"C-{number}"))["id"] for number in range(6)]
    answers = await asyncio.gather(
        *(partners.as_(Role.INSTITUTION, id_).post("/v1/visits", a_plan(id_, enterprise)) for id_ in ids)
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5


async def test_of_visits_moved_to_one_time_at_once_one_gets_it(partners: Running) -> None:
    _, _, enterprise, _ = await sides(partners)
    schools = []
    for number in range(4):
        id_ = (await an_institution(partners, code=f"M-{number}"))["id"]
        client = partners.as_(Role.INSTITUTION, id_)
        times = {"planned_start": at(8 + number), "planned_end": at(9 + number)}
        schools.append((client, (await ok(client.post("/v1/visits", a_plan(id_, enterprise, **times))))["id"]))
    moved = {"planned_start": at(15), "planned_end": at(16)}
    answers = await asyncio.gather(
        *(client.post(f"/v1/visits/{visit}/reschedule", moved, version=1) for client, visit in schools)
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 3


async def test_ranks_that_may_be_sent_are_a_table_to_read(partners: Running) -> None:
    rows = (await ok(partners.as_(Role.DISTRICT, "1708201").get("/v1/envoy-ranks")))["items"]
    by_host = {(each["host_rank"], each["size"]): each["envoy_ranks"] for each in rows}
    assert by_host["head", "large"] == ["head"]
    assert by_host["head", None] == ["deputy_head", "head"]
    assert not any("student" in ranks for ranks in by_host.values())


async def test_database_alone_keeps_contacts_from_foreign_scopes(partners: Running) -> None:
    id_, school, enterprise, _ = await sides(partners)
    other = (await an_institution(partners, code="D-2"))["id"]
    who = {"institution_id": id_, "category": "enterprise", "enterprise_id": enterprise}
    await ok(school.post("/v1/dossiers", who))
    await ok(school.post("/v1/visits", a_plan(id_, enterprise)))
    exams = {"owner": "institution", "owner_ref": id_, "kind": "exams", "starts_at": at(0, 5), "ends_at": at(24, 5)}
    await ok(school.post("/v1/known-events", exams))
    database: Database = partners.app.state.database

    async def seen(principal: Principal) -> set[str]:
        async with database.reading(principal) as session:
            return {
                table
                for table in ("visit", "dossier", "known_event")
                if (await session.execute(text(f"select 1 from {table} limit 1"))).first()
            }

    everything = {"visit", "dossier", "known_event"}
    assert await seen(Principal("s", Role.INSTITUTION, id_)) == everything
    assert await seen(Principal("s", Role.DISTRICT, "1708201")) == everything
    assert await seen(Principal("s", Role.ENTERPRISE, enterprise)) == {"visit"}
    for stranger in (
        Principal("s", Role.INSTITUTION, other),
        Principal("s", Role.DISTRICT, "1708204"),
        Principal("s", Role.ENTERPRISE, other),
        Principal("s", Role.OPERATOR),
    ):
        assert await seen(stranger) == set(), stranger

    # The institution moves, and what is known of its time moves with it.
    region = partners.as_(Role.REGION, "1708")
    await ok(region.post(f"/v1/institutions/{id_}/move", {"district": "1708204", "since": "2026-03-01"}, version=1))
    assert await seen(Principal("s", Role.DISTRICT, "1708204")) == everything
    assert await seen(Principal("s", Role.DISTRICT, "1708201")) == set()


async def test_calendar_is_one_that_calendars_read(partners: Running) -> None:
    id_, school, enterprise, zavod = await sides(partners)
    visit = await ok(
        school.post("/v1/visits", a_plan(id_, enterprise, agenda="birinchi; ikkinchi,\nuchinchi " + "uzun " * 40))
    )
    for client, path in (
        (school, f"/v1/visits/{visit['id']}/calendar.ics"),
        (school, f"/v1/institutions/{id_}/calendar.ics"),
    ):
        answer = await client.get(path)
        assert answer.headers["content-type"].startswith("text/calendar")
        calendar: Any = Calendar.from_ical(answer.content)
        event: Any
        (event,) = calendar.walk("VEVENT")
        assert calendar["method"] == "PUBLISH"
        assert (event["uid"], event["sequence"], event["status"]) == (f"{visit['id']}@visits.hamkor", 1, "TENTATIVE")
        assert event["dtstart"].dt == datetime.fromisoformat(visit["planned_start"])
        assert event["summary"] == "Visit: Zavod"
        assert event["description"] == visit["agenda"]
        assert calendar.walk("VTIMEZONE")
    await ok(school.post(f"/v1/visits/{visit['id']}/cancel", {"causes": ["B2"]}, version=1))
    taken_back: Any = Calendar.from_ical((await zavod.get(f"/v1/visits/{visit['id']}/calendar.ics")).content)
    assert taken_back["method"] == "CANCEL"
    assert taken_back.walk("VEVENT")[0]["status"] == "CANCELLED"
    assert taken_back.walk("VEVENT")[0]["summary"] == "Visit of an educational institution"
    assert (await zavod.get(f"/v1/institutions/{id_}/calendar.ics")).status_code == 404


async def test_overdue_action_is_reminded_of_once_however_many_look(partners: Running) -> None:
    id_, school, enterprise, _ = await sides(partners)
    visit = await ok(school.post("/v1/visits", a_plan(id_, enterprise)))
    path = f"/v1/visits/{visit['id']}"
    waived = {"waived": "urgent", "reason": "buyruq"}
    for check in ("V1", "V2", "V3", "V5"):
        visit = await ok(school.put(f"{path}/checklist/{check}", waived, version=visit["version"]))
    visit = await ok(school.post(f"{path}/prepare", version=visit["version"]))
    times = {"actual_start": at(10, -2), "actual_end": at(11, -2)}
    visit = await ok(school.post(f"{path}/hold", times, version=visit["version"]))
    today = datetime.now(TASHKENT).date()
    action = {"side": "institution", "owner_ref": "T-3", "due_on": today.isoformat(), "what": "Loyiha"}
    protocol = {"steps": ["N1"], "outcome": "to_be_continued", "causes": ["none"], "actions": [action]}
    await ok(school.post(f"{path}/protocol", protocol, version=visit["version"]))

    tomorrow = datetime.now(UTC) + timedelta(days=1)
    engines = [
        make_engine(partners.app.state.chassis.settings.database_url, application="s", pool_size=2) for _ in "ab"
    ]
    databases = [Database("partners", engine, lambda: tomorrow) for engine in engines]
    try:
        told = await asyncio.gather(*(Scheduler(each, Progress(), [ACTIONS]).catch_up() for each in databases))
        assert sum(told) == 1
        assert await Scheduler(databases[0], Progress(), [ACTIONS]).catch_up() == 0
    finally:
        for engine in engines:
            await engine.dispose()
    (reminded,) = (await ok(school.get("/v1/next-actions", status="overdue")))["items"]
    assert reminded["what"] == "Loyiha"


async def test_contacts_follow_a_merged_enterprise(partners: Running) -> None:
    id_, school, enterprise, _ = await sides(partners)
    double = (await ok(school.post("/v1/enterprises", ENTERPRISE | {"stir": "301234568"})))["id"]
    visit = await ok(school.post("/v1/visits", a_plan(id_, double)))
    offer = {"enterprise_id": double, "opportunity": "O4", "since": "2026-03-02"}
    firm = partners.as_(Role.ENTERPRISE, double)
    offered = await ok(firm.post("/v1/offers", offer))
    stocktaking = {"owner": "enterprise", "owner_ref": double, "kind": "stocktaking"}
    event = await ok(firm.post("/v1/known-events", stocktaking | {"starts_at": at(8, 6), "ends_at": at(18, 6)}))
    ministry = partners.as_(Role.MINISTRY, "17")
    await ok(ministry.post(f"/v1/enterprises/{double}/merge", {"into": enterprise}))
    assert (await ok(school.get(f"/v1/visits/{visit['id']}")))["enterprise_id"] == enterprise
    assert (await ok(school.get(f"/v1/offers/{offered['id']}")))["enterprise_id"] == enterprise
    clash = a_plan(id_, enterprise, envoy_ref="T-9")
    await refused(school.post("/v1/visits", clash), 409)
    busy = {"envoy_ref": "T-9", "planned_start": at(9, 6), "planned_end": at(10, 6)}
    await refused(school.post("/v1/visits", a_plan(id_, enterprise, **busy)), 409)
    inspection = {"owner": "enterprise", "owner_ref": double, "kind": "inspection"}
    late = await ok(ministry.post("/v1/known-events", inspection | {"starts_at": at(8, 11), "ends_at": at(18, 11)}))
    assert late["owner_ref"] == enterprise
    await ok(ministry.post(f"/v1/enterprises/{double}/unmerge"))
    assert (await ok(school.get(f"/v1/visits/{visit['id']}")))["enterprise_id"] == double
    assert (await ok(firm.get(f"/v1/known-events/{event['id']}")))["owner_ref"] == double
    await ok(school.post("/v1/visits", a_plan(id_, enterprise, **busy)))
    await ok(ministry.post(f"/v1/enterprises/{double}/close"))
    closed = a_plan(id_, double, planned_start=at(9, 8), planned_end=at(10, 8))
    await refused(school.post("/v1/visits", closed), 422, "enterprise_closed")
