"""Reports on their way up the tree, publications and revisions, over HTTP with the service's own jobs at work."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import date
from itertools import groupby
from operator import itemgetter
from random import Random
from typing import Any

import asyncpg
import pytest

from services.monitoring.reporting import lifecycle
from shared.contracts.partners import EnrolmentState
from shared.contracts.reporting import SubmissionState, SubmissionStatus
from shared.ids import new_id
from shared.persistence.engine import dsn_of
from shared.scope import Role
from tests.integration.monitoring.support import alone, reports_counted
from tests.support.monitoring import Story
from tests.support.services import Client, Running, eventually

DISTRICT, OTHER, REGION, NATION = "1700000", "1700001", "1700", "17"
YEAR = "2025-26"


@pytest.fixture(scope="module")
async def told(
    postgres: Any, issuer: Any, http: Any, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Running, Story, str]]:
    """A region of two districts, two schools in the first, one in the second; the service has opened their reports."""
    story = Story(Random(3))
    story.territory(1, 2)
    for district in (DISTRICT, DISTRICT, OTHER):
        story.an_institution(district)
    for number, school in enumerate(story.institutions):
        enrolment(story, school, 100, 80 + number)
    async with alone(postgres, issuer, http, tmp_path_factory.mktemp("broker")) as (running, address):
        await tell(running, story)
        yield running, story, address


def enrolment(story: Story, school: str, places: int, first_choice: int) -> None:
    ident = f"{school[:-4]}2526"
    story.tell(
        EnrolmentState(
            id=ident,
            version=story.next_version(ident),
            institution_id=school,
            academic_year=YEAR,
            places=places,
            first_choice=first_choice,
        )
    )


async def tell(running: Running, story: Story) -> None:
    for source in ("partners", "agreements", "surveys"):
        await running.app.state.inbox.deliver(source, [event for event in story.events if event.source == source])


async def report(client: Client, place: str, period: str = YEAR) -> dict[str, Any]:
    async def found() -> Any:
        answer = await client.get("/v1/submissions", place=place, period=period)
        return next(iter(answer.json()["items"]), None)

    state: dict[str, Any] = await eventually(found, f"the report of {place} is open")
    return state


async def reminded(client: Client, state: dict[str, Any]) -> dict[str, Any]:
    """The report once its place was reminded: opened late, it is due so soon that this is at once."""

    async def found() -> Any:
        now = (await client.get(f"/v1/submissions/{state['id']}")).json()
        return now if now["reminders"] else None

    now: dict[str, Any] = await eventually(found, f"{state['place']} is reminded")
    return now


async def step(client: Client, state: dict[str, Any], what: str, **body: Any) -> Any:
    return await client.post(f"/v1/submissions/{state['id']}/{what}", body, version=state["version"])


async def value(client: Client, indicator: str, place: str, period: str = "2026-08") -> tuple[Any, Any]:
    found = (await client.get("/v1/values", indicator=indicator, place=place, period=period)).json()["value"]
    return found["numerator"], found["denominator"]


async def test_a_report_goes_up_the_tree_and_stays_as_approved(told: tuple[Running, Story, str]) -> None:
    running, story, _ = told
    first, second, stranger = story.institutions
    school, other = running.as_(Role.INSTITUTION, first), running.as_(Role.INSTITUTION, second)
    district, region = running.as_(Role.DISTRICT, DISTRICT), running.as_(Role.REGION, REGION)
    ministry = running.as_(Role.MINISTRY, NATION)

    mine = await report(school, first)
    assert (mine["status"], mine["may"], mine["overdue"]) == ("open", ["submit"], False)
    assert (await step(other, mine, "submit")).status_code == 404
    assert (await step(running.as_(Role.DISTRICT, OTHER), mine, "approve")).status_code == 404
    assert (await step(school, mine, "approve")).status_code == 403
    refused = await step(district, mine, "approve")
    assert refused.status_code == 409
    assert "submit" in refused.json()["detail"] + refused.json()["remedy"]

    # Whoever began to write before the reminder came is not refused for it.
    later = await reminded(school, mine)
    assert later["stepped_version"] == 1 < later["version"]
    assert (await step(school, {**mine, "version": later["version"] + 1}, "submit")).status_code == 412
    sent = await step(school, {**mine, "version": 1}, "submit", note="hammasi kiritildi")
    assert sent.status_code == 200, sent.text
    assert (await step(school, mine, "submit")).status_code == 412
    back = await step(district, sent.json(), "return", reason="wrong_figures")
    assert (back.json()["status"], back.json()["reason"]) == ("returned", "wrong_figures")
    assert (await step(district, sent.json(), "return", reason="other")).status_code == 422
    again = await step(school, back.json(), "submit")
    assert again.json()["round"] == 2
    early = await step(district, await report(district, DISTRICT), "submit")
    assert early.status_code == 409
    assert "reports-wait" in early.json()["type"]
    approved = await step(district, again.json(), "approve")
    assert approved.json()["status"] == "approved"

    own = await report(district, DISTRICT)
    assert (await step(school, own, "submit")).status_code == 404
    up = await step(district, own, "submit")
    assert (up.json()["below"], up.json()["below_approved"]) == (2, 1)
    assert (await step(district, up.json(), "approve")).status_code == 403
    assert (await step(region, up.json(), "approve")).json()["status"] == "approved"
    locked = await report(school, first)
    assert (locked["status"], locked["may"]) == ("locked", [])
    assert (await step(district, locked, "reopen", reason="late_correction")).status_code == 403

    # A later event moves what is known now; what was approved stays beside it.
    async def figure(code: str) -> Any:
        items = (await school.get(f"/v1/submissions/{locked['id']}/figures")).json()["items"]
        return next(item for item in items if item["indicator"] == code)

    assert (await figure("I2"))["changed"] is False
    enrolment(story, first, 100, 95)
    await tell(running, story)
    moved = await figure("I2")
    assert (moved["published"]["numerator"], moved["now"]["numerator"], moved["changed"]) == (80, 95, True)

    async def parts() -> dict[str, Any]:
        found = (await ministry.get("/v1/values", indicator="T1", place=REGION, period="2026-08")).json()["value"]
        return dict(found["parts"])

    async def reported() -> bool:
        # The region's approval, told last, may come after all the others.
        return await value(district, "T1", DISTRICT) == (1, 2) and (await parts())["district_approved"] == 1

    await eventually(reported, "one of two schools' reports is in, and the district's is approved")
    assert await value(school, "T1", first) == (1, 1)
    assert await value(ministry, "T1", NATION) == (1, 3)
    assert await value(ministry, "T2", NATION) == (1, 3)
    told_of = await parts()
    assert (told_of["district_expected"], told_of["district_approved"], told_of["region_expected"]) == (2, 1, 1)

    reopened = await step(ministry, locked, "reopen", reason="late_correction")
    assert reopened.json()["steps"][-1]["role"] == "ministry"

    async def gone() -> bool:
        return await value(district, "T1", DISTRICT) == (None, 2) or await value(district, "T1", DISTRICT) == (0, 2)

    await eventually(gone, "a reopened report does not count until it is submitted again")
    assert await value(ministry, "T2", NATION) == (1, 3)
    progress = (await district.get("/v1/reporting/progress", period=YEAR)).json()
    assert progress["levels"]["institution"]["reopened"] == 1
    assert stranger not in (await district.get("/v1/submissions", limit=500)).text


async def test_every_step_of_the_table_is_taken_by_those_it_names_alone() -> None:
    from shared.scope import Principal

    people = [
        Principal("a", Role.INSTITUTION, "school"),
        Principal("b", Role.DISTRICT, DISTRICT),
        Principal("c", Role.REGION, REGION),
        Principal("d", Role.MINISTRY, NATION),
    ]
    state = SubmissionState(
        id="x",
        version=1,
        place="school",
        level="institution",  # type: ignore[arg-type]
        period=YEAR,
        status=SubmissionStatus.OPEN,
        opened_on=date(2026, 9, 1),
        due_on=date(2026, 9, 20),
    )
    takers = {"own": {"a"}, "above": {"b", "c", "d"}, "ministry": {"d"}}
    assert lifecycle.TAKEN_BY.keys() == lifecycle.LIFECYCLE.keys()
    for (status, what), who in lifecycle.TAKEN_BY.items():
        at = state.model_copy(update={"status": status})
        assert {each.subject for each in people if lifecycle.takes(each, at, what)} == takers[who], (status, what)


async def test_a_publication_never_changes_and_shows_how_it_was_revised(told: tuple[Running, Story, str]) -> None:
    running, story, url = told
    third = story.institutions[2]
    region, ministry = running.as_(Role.REGION, REGION), running.as_(Role.MINISTRY, NATION)
    school = running.as_(Role.INSTITUTION, third)
    for body, status in (
        ({"place": NATION, "period": YEAR}, 404),
        ({"place": REGION, "period": "2099-Q1"}, 422),
        ({"place": REGION, "period": "nonsense"}, 422),
    ):
        assert (await region.post("/v1/publications", body)).status_code == status, body
    assert (await school.post("/v1/publications", {"place": REGION, "period": YEAR})).status_code == 403
    ordered = await region.post("/v1/publications", {"place": REGION, "period": YEAR})
    assert ordered.status_code == 202, ordered.text
    id_ = ordered.json()["id"]

    async def published(editions: int) -> Any:
        async def done() -> Any:
            state = (await region.get(f"/v1/publications/{id_}")).json()
            return state if len(state["editions"]) == editions and state["status"] == "published" else None

        return await eventually(done, f"edition {editions} is made")

    first = await published(1)
    assert first["editions"][0]["places"] == 1 + 2 + 3
    assert sum(first["positions"]["partners"]) == sum(event.source == "partners" for event in story.events)

    async def i2(client: Client, place: str, **more: Any) -> Any:
        answer = await client.get(f"/v1/publications/{id_}/values", indicator="I2", place=place, **more)
        return next(item for item in answer.json()["items"] if item["place"]["code"] == place)

    assert (await i2(region, third))["published"]["numerator"] == 82
    assert (await i2(school, third))["published"]["numerator"] == 82
    assert (await school.get(f"/v1/publications/{id_}/values", place=OTHER)).status_code == 404
    text = (await school.get(f"/v1/publications/{id_}/values.csv")).text
    assert {row["place"] for row in csv.DictReader(io.StringIO(text))} == {third}
    whole = list(csv.DictReader(io.StringIO((await region.get(f"/v1/publications/{id_}/values.csv")).text)))
    ranks = [("region", "district", "institution").index(row["level"]) for row in whole]
    assert ranks == sorted(ranks), "from the top down"
    by_place = [list(rows) for _, rows in groupby(whole, key=itemgetter("place"))]
    assert len(by_place) == 1 + 2 + 3, "the rows of a place stand together"
    assert all([row["indicator"] for row in rows] == sorted(row["indicator"] for row in rows) for rows in by_place)

    enrolment(story, third, 100, 60)
    await tell(running, story)
    revised = await i2(region, third)
    assert (revised["published"]["numerator"], revised["now"]["numerator"], revised["changed"]) == (82, 60, True)
    changed = (await region.get(f"/v1/publications/{id_}/values", place=OTHER, changed=True)).json()["items"]
    assert {(item["indicator"], item["place"]["code"]) for item in changed} >= {("I2", third), ("I2", OTHER)}
    beside = (await school.get("/v1/published", indicator="I2", period=YEAR, place=third)).json()["items"]
    assert [(item["by"], item["published"]["numerator"], item["changed"]) for item in beside] == [(REGION, 82, True)]

    unreasoned = await region.post("/v1/publications", {"place": REGION, "period": YEAR})
    assert unreasoned.status_code == 422
    await region.post("/v1/publications", {"place": REGION, "period": YEAR, "reason": "corrections"})
    second = await published(2)
    assert second["editions"][0] == first["editions"][0]
    assert second["editions"][1]["digest"] != first["editions"][0]["digest"]
    assert (await i2(region, third, edition=1))["published"]["numerator"] == 82
    assert (await i2(region, third))["published"]["numerator"] == 60
    assert (await ministry.get(f"/v1/publications/{id_}/values", edition=3)).status_code == 404

    connection = await asyncpg.connect(dsn_of(url))
    try:
        await connection.execute("select set_config('app.scope', 'all', false)")
        for statement in ("update frozen_value set value = 1", "delete from frozen_value", "delete from frozen"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


async def test_what_the_service_tells_of_itself_counts_as_recomputed(told: tuple[Running, Story, str]) -> None:
    _, story, url = told
    _, live, proof = await reports_counted(url, story)
    assert live == proof
    assert any(key[0] == "reports.district.expected" for key in proof)


async def test_what_was_before_a_move_stays_with_the_old_district_and_can_be_explained(
    told: tuple[Running, Story, str],
) -> None:
    running, story, _ = told
    third = story.institutions[2]
    old, new = running.as_(Role.DISTRICT, OTHER), running.as_(Role.DISTRICT, DISTRICT)
    before = await value(old, "I2", OTHER, YEAR)
    assert (await old.get("/v1/values", indicator="F1", place=third, period="2026-03")).status_code == 200
    story.place(third, [(OTHER, date(2024, 9, 1)), (DISTRICT, date(2026, 2, 15))])
    await tell(running, story)

    # Applications of September stay where the school was in September; who looks at them sees what they are made of.
    assert await value(old, "I2", OTHER, YEAR) == before
    behind = (await old.get("/v1/lineage", indicator="I2", place=OTHER, period=YEAR)).json()["items"]
    assert {item["institution"]["code"] for item in behind} == {third}
    assert all(item["events"] for item in behind)
    assert third not in (await new.get("/v1/lineage", indicator="I2", place=DISTRICT, period=YEAR)).text

    # The school itself, in months in which it belonged here; in those after the move it is the new district's.
    async def status(client: Client, period: str) -> int:
        return (await client.get("/v1/values", indicator="F1", place=third, period=period)).status_code

    assert [await status(old, period) for period in ("2025-12", "2026-01", "2026-02", "2026-Q1")] == [
        200,
        200,
        404,
        404,
    ]
    assert [await status(new, period) for period in ("2025-12", "2026-03")] == [200, 200]
    assert [await status(running.as_(Role.DISTRICT, "1701000"), period) for period in ("2025-12", "2026-03")] == [
        404,
        404,
    ]

    async def children(client: Client, place: str, period: str) -> set[str]:
        answer = await client.get("/v1/values", indicator="F1", place=place, period=period, children=True)
        return {child["place"]["code"] for child in answer.json()["children"]}

    assert third in await children(old, OTHER, "2026-01")
    assert third not in await children(old, OTHER, "2026-02")
    assert third in await children(new, DISTRICT, "2026-02")
    assert third not in await children(new, DISTRICT, "2026-01")

    # A late correction of the time before moves the old district's value, not the new one's.
    there = await value(new, "I2", DISTRICT, YEAR)
    enrolment(story, third, 200, 60)
    await tell(running, story)
    assert await value(old, "I2", OTHER, YEAR) == (before[0], 200)
    assert await value(new, "I2", DISTRICT, YEAR) == there
    changed = await old.get(
        "/v1/changed", indicator="I2", place=OTHER, period=YEAR, **{"from": "2026-01-01T00:00:00+05:00"}
    )
    assert changed.status_code == 200, changed.text
    assert {item["institution"]["code"] for item in changed.json()["items"]} == {third}
    for wrong, field in (({"from": "yesterday"}, "from"), ({"from": f"figures:{new_id()}"}, "from")):
        refused = await old.get("/v1/changed", indicator="I2", place=OTHER, period=YEAR, **wrong)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)


async def test_who_goes_on_with_a_schools_work_sees_its_figures_and_submits_its_report(
    told: tuple[Running, Story, str],
) -> None:
    running, story, _ = told
    ends, lives, stranger = story.an_institution(DISTRICT), story.an_institution(OTHER), story.an_institution(OTHER)
    enrolment(story, ends, 50, 40)
    await tell(running, story)
    own, next_, other = (running.as_(Role.INSTITUTION, each) for each in (ends, lives, stranger))
    mine = await report(own, ends)
    path, asked = f"/v1/submissions/{mine['id']}", {"indicator": "I2", "place": ends, "period": YEAR}
    assert [(await school.get(path)).status_code for school in (next_, other)] == [404, 404]
    assert (await next_.get("/v1/values", **asked)).status_code == 404

    story.place(ends, [(DISTRICT, story.first), (OTHER, date(2026, 10, 1))], date(2026, 10, 1), lives)
    await tell(running, story)

    async def followed() -> Any:
        return (await next_.get(path)).is_success

    await eventually(followed, "the report has followed")
    assert (await next_.get("/v1/values", **asked)).json()["value"]["numerator"] == 40
    assert [(await other.get(where)).status_code for where in (path, f"/v1/institutions/{ends}/stage")] == [404, 404]
    assert (await next_.get(f"/v1/institutions/{ends}/stage")).is_success
    # It belongs to the district of its year, which approves it; the successor's own is its own alone.
    listed = (await next_.get("/v1/submissions", period=YEAR)).json()["items"]
    assert {each["place"] for each in listed} == {ends, lives}
    assert {each["place"] for each in (await own.get("/v1/submissions", period=YEAR)).json()["items"]} == {ends}
    sent = await step(next_, await report(next_, ends), "submit")
    assert sent.status_code == 200, sent.text
    assert (await step(running.as_(Role.DISTRICT, DISTRICT), sent.json(), "approve")).is_success

    # Merged by mistake: everything is as it was.
    story.place(ends, [(DISTRICT, story.first)])
    await tell(running, story)

    async def gone() -> Any:
        return (await next_.get(path)).status_code == 404

    await eventually(gone, "the report has gone back")
    assert (await next_.get("/v1/values", **asked)).status_code == 404
    assert (await own.get(path)).json()["status"] == "approved"
