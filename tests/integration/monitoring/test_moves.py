"""Institutions that moved: what is known of them in a period is for the offices they belonged to at its end, alone."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import asyncpg
import msgspec
import pytest
from pypdf import PdfReader

from services.monitoring.reporting.calendar import load
from services.monitoring.reporting.opening import Opening
from shared.contracts.partners import EnrolmentState
from shared.persistence.engine import dsn_of
from shared.scope import Role
from shared.telemetry.progress import Progress
from tests.integration.monitoring.support import alone, reports_counted
from tests.support.monitoring import Story
from tests.support.services import Client, Running, eventually

OLD, BESIDE, NEW, FAR, EMPTY = "1700000", "1700001", "1701000", "1701001", "1701002"
OLD_REGION, NEW_REGION, NATION = "1700", "1701", "17"
YEAR, BEFORE, AFTER = "2025-26", "2025-12", "2026-03"
FIRST, MOVED = date(2024, 9, 1), date(2026, 2, 15)


@pytest.fixture(scope="module")
async def told(
    postgres: Any, issuer: Any, http: Any, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Running, Story, str]]:
    """Two regions with schools in two districts of each and none in a third."""
    story = Story(Random(3))
    story.territory(2, 3)
    for district in (OLD, OLD, BESIDE, NEW, FAR):
        enrolment(story, story.an_institution(district))
    async with alone(postgres, issuer, http, tmp_path_factory.mktemp("broker")) as (running, address):
        await tell(running, story)
        yield running, story, address


def enrolment(story: Story, school: str, places: int = 100, first_choice: int = 80) -> None:
    ident = f"{school[:-4]}2526"
    version = story.next_version(ident)
    story.tell(
        EnrolmentState(
            id=ident,
            version=version,
            institution_id=school,
            academic_year=YEAR,
            places=places,
            first_choice=first_choice,
        )
    )


async def tell(running: Running, story: Story) -> None:
    for source in ("partners", "agreements", "surveys"):
        await running.app.state.inbox.deliver(source, [event for event in story.events if event.source == source])


async def a_school(running: Running, story: Story, **figures: int) -> str:
    """A school of OLD, with enough to tell it by."""
    school = story.an_institution(OLD, FIRST)
    enrolment(story, school, **figures)
    await tell(running, story)
    return school


async def move(running: Running, story: Story, school: str, to: str = NEW, since: date = MOVED) -> None:
    story.place(school, [(OLD, FIRST), (to, since)])
    await tell(running, story)


async def got(client: Client, path: str, **asked: Any) -> dict[str, Any]:
    answer = await client.get(path, **asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def published(client: Client, place: str, period: str) -> str:
    ordered = await client.post("/v1/publications", {"place": place, "period": period})
    assert ordered.status_code == 202, ordered.text
    path = f"/v1/publications/{ordered.json()['id']}"

    async def made() -> Any:
        return (await client.get(path)).json()["status"] == "published"

    await eventually(made, "the edition is made")
    return path


async def test_an_edition_holds_a_school_for_the_offices_of_its_period_alone(told: tuple[Running, Story, str]) -> None:
    running, story, _ = told
    school = await a_school(running, story)
    await move(running, story, school)
    ministry = running.as_(Role.MINISTRY, NATION)
    old, new = running.as_(Role.REGION, OLD_REGION), running.as_(Role.REGION, NEW_REGION)
    for period, seen in ((YEAR, False), (BEFORE, True)):
        path = await published(ministry, NATION, period)
        assert (await old.get(f"{path}/values", place=school)).is_success is seen

        async def told_of(client: Client, path: str = path) -> set[str]:
            text = (await client.get(f"{path}/values.csv")).text
            return {row["place"] for row in csv.DictReader(io.StringIO(text))}

        assert (school in await told_of(old)) is seen
        assert OLD in await told_of(old)
        assert school in await told_of(new)
        assert school in await told_of(running.as_(Role.INSTITUTION, school))
        assert school not in await told_of(running.as_(Role.DISTRICT, BESIDE))


async def test_what_is_read_for_a_longer_period_is_judged_by_that_period(told: tuple[Running, Story, str]) -> None:
    running, story, _ = told
    school = await a_school(running, story, places=777, first_choice=1234)
    await move(running, story, school)
    asked = {"place": school, "period": BEFORE}
    ministry, old = running.as_(Role.MINISTRY, NATION), running.as_(Role.DISTRICT, OLD)
    for client, seen in (
        (running.as_(Role.REGION, OLD_REGION), False),
        (old, False),
        (running.as_(Role.REGION, NEW_REGION), True),
        (running.as_(Role.INSTITUTION, school), True),
    ):
        assert (await client.get("/v1/values", indicator="I2", place=school, period=YEAR)).is_success is seen
        parts = (await got(client, "/v1/effectiveness", **asked))["components"]
        own = {each["indicator"]["code"]: each for each in parts}
        assert own["I2"]["period"] == YEAR
        assert (own["I2"]["value"] is not None, own["I2"]["numerator"] == 1234, own["I2"]["score"] == 1) == (seen,) * 3
        assert own["F1"]["value"] == 0, "what the month itself says is theirs"
        for indicator in ("INDEX", "F1"):
            assert (await client.get("/v1/peers", indicator=indicator, **asked)).is_success is seen
        assert ("1,234" in await printed(client, **asked)) is seen

    # In tables of the places below one as well.
    async def coverage(client: Client) -> float:
        rows = (await got(client, "/v1/ranking", indicator="INDEX", period=BEFORE, level="institution"))["items"]
        return next(float(row["coverage"]) for row in rows if row["place"]["code"] == school)

    for client in (ministry, old):
        index = await got(client, "/v1/effectiveness", **asked)
        assert await coverage(client) == pytest.approx(index["coverage"])
    assert await coverage(old) < await coverage(ministry)
    assert "158.8%" in await printed(ministry, place=OLD, period=BEFORE)
    assert "158.8%" not in await printed(old, place=OLD, period=BEFORE)


async def printed(client: Client, **asked: Any) -> str:
    answer = await client.get("/v1/report.pdf", **asked, lang="en")
    assert answer.status_code == 200, answer.text
    return " ".join(page.extract_text() for page in PdfReader(io.BytesIO(answer.content)).pages)


async def test_a_table_over_many_periods_leaves_out_those_of_others(told: tuple[Running, Story, str]) -> None:
    running, story, _ = told
    school = await a_school(running, story)
    story.place(school, [(OLD, FIRST), (BESIDE, date(2025, 11, 1)), (NEW, MOVED)])
    await tell(running, story)
    asked = {"indicator": "F1", "level": "institution", "from": "2025-10", "to": "2026-01"}
    for form in ("csv", "xlsx", "parquet"):
        answer = await running.as_(Role.DISTRICT, BESIDE).get("/v1/values/export", format=form, **asked)
        assert answer.status_code == 200, form
    text = (await running.as_(Role.DISTRICT, BESIDE).get("/v1/values/export", **asked)).text
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    assert [(row["period"], row["region"], row["district"]) for row in rows if row["place"] == school] == [
        (period, OLD_REGION, BESIDE) for period in ("2025-11", "2025-12", "2026-01")
    ]
    ranking = {"indicator": "F1", "level": "institution", "period": BEFORE}
    text = (await running.as_(Role.DISTRICT, BESIDE).get("/v1/ranking/export", **ranking)).text
    places = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    assert {row["district"] for row in places if row["place"] == school} == {BESIDE}


async def test_targets_beside_a_ranking_are_those_of_the_offices_of_its_period(
    told: tuple[Running, Story, str],
) -> None:
    running, story, url = told
    school = await a_school(running, story)
    await move(running, story, school)
    old, new = running.as_(Role.REGION, OLD_REGION), running.as_(Role.REGION, NEW_REGION)
    path = f"/v1/targets/I5/institution/{YEAR}"
    assert (await new.put(path, {"value": 0.7}, version=0)).is_success
    assert (await new.put(f"{path}?place={school}", {"value": 0.6}, version=0)).is_success

    async def target(client: Client, period: str) -> Any:
        found = await got(client, "/v1/ranking", indicator="I5", period=period, level="institution")
        row = next(row for row in found["items"] if row["place"]["code"] == school)
        return row.get("target", {}).get("set_at")

    assert await target(old, BEFORE) is None
    assert (await old.put(path, {"value": 0.9}, version=0)).is_success
    assert await target(old, BEFORE) == OLD_REGION
    assert await target(new, AFTER) == school
    connection = await asyncpg.connect(dsn_of(url))
    try:
        await connection.execute("select set_config('app.scope', $1, false)", f"path:/17/{OLD_REGION}/{OLD}/")
        assert [row["place"] for row in await connection.fetch("select place from target")] == [OLD_REGION]
    finally:
        await connection.close()


async def test_of_schools_that_left_not_even_events_are_counted(told: tuple[Running, Story, str]) -> None:
    running, story, _ = told
    school = await a_school(running, story)
    await move(running, story, school)
    old, new = running.as_(Role.DISTRICT, OLD), running.as_(Role.DISTRICT, NEW)
    moment = datetime(2040, 1, 1, tzinfo=UTC)  # later than whatever the service tells of itself meanwhile
    for number in range(5):
        enrolment(story, school, 100, 81 + number)
        story.events[-1] = msgspec.structs.replace(story.events[-1], time=moment + timedelta(seconds=1 + number))
    await tell(running, story)
    asked = {"from": moment.isoformat()}
    for indicator, place, period in (("F1", OLD, AFTER), ("F1", OLD, BEFORE), ("F1", school, BEFORE)):
        found = await got(old, "/v1/changed", indicator=indicator, place=place, period=period, **asked)
        assert (found["moved_by"], found["events"]) == (0, 0), (place, period)
    assert (await got(new, "/v1/changed", indicator="F1", place=NEW, period=AFTER, **asked))["events"] == 5
    whole = await got(new, "/v1/changed", indicator="I2", place=school, period=YEAR, **asked)
    assert (whole["moved_by"], whole["events"]) == (1, 5)


async def report(client: Client, place: str) -> dict[str, Any]:
    async def found() -> Any:
        return next(iter((await client.get("/v1/submissions", place=place, period=YEAR)).json()["items"]), None)

    state: dict[str, Any] = await eventually(found, f"the report of {place} is there")
    return state


async def left(client: Client, place: str) -> None:
    async def gone() -> Any:
        return not (await client.get("/v1/submissions", place=place, period=YEAR)).json()["items"]

    await eventually(gone, f"the report of {place} has left")


async def step(client: Client, state: dict[str, Any], what: str, **body: Any) -> dict[str, Any]:
    answer = await client.post(f"/v1/submissions/{state['id']}/{what}", body, version=state["version"])
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def astray(url: str, id_: str, path: str) -> None:
    """Put a report at a path, as if what was told meanwhile had been missed."""
    connection = await asyncpg.connect(dsn_of(url))
    try:
        await connection.execute("select set_config('app.scope', 'all', false)")
        await connection.execute("update submission set org_path = $2 where id = $1", id_, path)
    finally:
        await connection.close()


async def reported(client: Client, place: str) -> tuple[Any, Any]:
    found = (await got(client, "/v1/values", indicator="T1", place=place, period="2026-08"))["value"]
    return found["numerator"], found["denominator"]


async def test_a_report_follows_a_move_that_is_told_late(told: tuple[Running, Story, str]) -> None:
    running, story, url = told
    school = await a_school(running, story)
    own, ministry = running.as_(Role.INSTITUTION, school), running.as_(Role.MINISTRY, NATION)
    old, new = running.as_(Role.DISTRICT, OLD), running.as_(Role.DISTRICT, EMPTY)
    sent = await step(own, await report(old, school), "submit")
    await move(running, story, school, EMPTY)

    await left(old, school)
    await left(running.as_(Role.REGION, OLD_REGION), school)
    mine = await report(new, school)
    assert (mine["district"], mine["region"], mine["may"]) == (EMPTY, NEW_REGION, ["approve", "return"])
    assert (mine["status"], mine["steps"], mine["figures"]) == ("submitted", sent["steps"], sent["figures"])
    assert mine["version"] == sent["version"] + 1
    assert school in {each["place"] for each in (await got(new, "/v1/submissions", parent=EMPTY, limit=200))["items"]}
    for path in (f"/v1/submissions/{mine['id']}", f"/v1/submissions/{mine['id']}/figures"):
        assert [(await client.get(path)).status_code for client in (old, new)] == [404, 200]
    # Who has it before them as it was goes on with it.
    back = await step(new, {**mine, "version": sent["version"]}, "return", reason="incomplete")
    approved = await step(new, await step(own, back, "submit"), "approve")
    assert approved["status"] == "approved"

    async def counted() -> Any:
        return await reported(ministry, EMPTY) == (1, 1)

    await eventually(counted, "the report counts in its new district")

    # The school's own desk says so wherever the school lies; a process that starts puts right what it finds elsewhere.
    for client in (own, new):
        levels = (await got(client, "/v1/reporting/progress", place=school, period=YEAR))["levels"]
        assert levels["institution"]["approved"] == 1
    await astray(url, approved["id"], f"/17/{OLD_REGION}/{OLD}/{school}/")
    assert not (await new.get(f"/v1/submissions/{approved['id']}")).is_success
    state = running.app.state
    await Opening(state.database, state.ground.directory, state.reports, load(), Progress()).catch_up()
    assert (await new.get(f"/v1/submissions/{approved['id']}")).is_success

    # The move was another day's: the year ended in the old district.
    await move(running, story, school, EMPTY, since=date(2026, 9, 15))
    await left(new, school)
    again = await report(old, school)
    assert (again["district"], again["status"], again["may"]) == (OLD, "approved", ["reopen"])

    async def as_before() -> Any:
        return not any(await reported(ministry, EMPTY))

    await eventually(as_before, "the report counts in its old district")


async def test_a_locked_report_stays_until_it_is_reopened(told: tuple[Running, Story, str]) -> None:
    running, story, _ = told
    school = await a_school(running, story)
    own, ministry = running.as_(Role.INSTITUTION, school), running.as_(Role.MINISTRY, NATION)
    old, new = running.as_(Role.DISTRICT, OLD), running.as_(Role.DISTRICT, NEW)
    approved = await step(old, await step(own, await report(old, school), "submit"), "approve")
    locked = await step(ministry, approved, "lock")
    beside = await a_school(running, story)  # by which one sees that reports have followed
    await report(old, beside)
    await move(running, story, school)
    await move(running, story, beside)
    await left(old, beside)
    path = f"/v1/submissions/{locked['id']}"
    assert (await old.get(path)).json()["version"] == locked["version"]
    assert (await new.get(path)).status_code == 404

    async def i2(client: Client) -> tuple[Any, Any, Any]:
        items = (await got(client, f"{path}/figures"))["items"]
        found = next(item for item in items if item["indicator"] == "I2")
        return found["published"]["numerator"], found["now"]["numerator"], found["changed"]

    # What was approved stays with who approved it; what is known now is the new district's.
    enrolment(story, school, 100, 95)
    await tell(running, story)
    assert await i2(old) == (80, None, None)
    assert await i2(ministry) == (80, 95, True)
    await step(ministry, locked, "reopen", reason="late_correction")
    await left(old, school)
    assert (await report(new, school))["status"] == "reopened"


async def test_the_report_of_a_merged_school_follows_its_move_and_its_successor(
    told: tuple[Running, Story, str],
) -> None:
    running, story, _ = told
    school, successor = await a_school(running, story), story.institutions[4]
    old, new, next_ = (
        running.as_(Role.DISTRICT, OLD),
        running.as_(Role.DISTRICT, NEW),
        running.as_(Role.INSTITUTION, successor),
    )
    await report(old, school)
    story.place(school, [(OLD, FIRST), (NEW, MOVED), (FAR, date(2026, 9, 10))], date(2026, 9, 10), successor)
    await tell(running, story)
    await left(old, school)
    mine = await report(next_, school)
    assert mine["district"] == NEW
    assert (await report(new, school))["id"] == mine["id"]
    assert not (await got(running.as_(Role.DISTRICT, FAR), "/v1/submissions", place=school, period=YEAR))["items"]
    assert (await step(new, await step(next_, mine, "submit"), "approve"))["status"] == "approved"


async def test_what_was_told_of_reports_that_moved_counts_as_recomputed(told: tuple[Running, Story, str]) -> None:
    _, story, url = told
    types, live, proof = await reports_counted(url, story)
    assert "hamkor.monitoring.submission.moved.v1" in types
    assert live == proof
