"""Campaigns over HTTP: lifecycle, codes shown once, scope, and what is refused."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from services.surveys.commands.campaigns import close_overdue
from services.surveys.instruments import InstrumentLibrary
from shared.contracts.partners import InstitutionStatus
from shared.scope import Role
from tests.integration.surveys.support import DISTRICT, MINE, OTHER, K, Office, an_institution, today

LIBRARY = InstrumentLibrary.load()
ROLES_ABOVE = [(Role.MINISTRY, "17"), (Role.REGION, "1708"), (Role.DISTRICT, "1708201")]
STRANGERS = [(Role.REGION, "1703"), (Role.DISTRICT, "1708204"), (Role.INSTITUTION, OTHER)]


def a_plan(**changes: Any) -> dict[str, Any]:
    period = {"from": today().isoformat(), "to": (today() + timedelta(days=30)).isoformat()}
    return {"instrument": "S3", "institution": MINE, "title": "Kuzgi amaliyot", "period": period} | changes


async def test_instruments_are_listed_and_shown_in_all_languages(office: Office) -> None:
    listed = (await office.coordinator.get("/v1/instruments")).json()["items"]
    assert [item["code"] for item in listed] == ["S1", "S2", "S3", "S4", "S5"]
    whole = (await office.coordinator.get("/v1/instruments/S3")).json()
    assert set(whole["title"]) == {"uz", "uz-Cyrl", "ru", "en"}
    questions = [question for section in whole["sections"] for question in section["questions"]]
    assert len(questions) == whole["questions"]
    assert {"single", "multiple", "likert", "pair", "text"} <= {question["kind"] for question in questions}
    assert (await office.coordinator.get("/v1/instruments/S9")).status_code == 404


async def test_a_campaign_goes_from_draft_to_open_to_closed(office: Office) -> None:
    planned = await office.coordinator.post("/v1/campaigns", a_plan())
    assert planned.status_code == 201
    campaign = planned.json()
    assert campaign["status"] == "draft"
    assert campaign["instrument_version"] == LIBRARY.get("S3").version  # the latest, where none is asked for
    assert campaign["period"]["from"] == today().isoformat()
    assert planned.headers["etag"] == '"1"'
    path = f"/v1/campaigns/{campaign['id']}"
    assert (await office.coordinator.post(f"{path}/open", version=7)).status_code == 412
    opened = await office.coordinator.post(f"{path}/open", version=1)
    assert opened.json()["status"] == "open"
    twice = await office.coordinator.post(f"{path}/open")
    assert (twice.status_code, twice.json()["type"]) == (409, "urn:hamkor:problem:wrong-state")
    closed = await office.coordinator.post(f"{path}/close")
    assert (closed.json()["status"], closed.json()["version"]) == ("closed", 3)
    assert (await office.coordinator.post(f"{path}/codes", {"count": 1})).status_code == 409
    shown = (await office.coordinator.get(path)).json()
    assert shown["codes"] == {"issued": 0, "spent": None}
    assert shown["institution_name"] == "Texnikum 1"


@pytest.mark.parametrize(("role", "org"), ROLES_ABOVE)
async def test_those_above_plan_and_read_for_institutions_below(office: Office, role: Role, org: str) -> None:
    above = office.running.as_(role, org)
    campaign = (await above.post("/v1/campaigns", a_plan())).json()
    assert (await above.post(f"/v1/campaigns/{campaign['id']}/open")).status_code == 200
    assert (await above.get(f"/v1/campaigns/{campaign['id']}/results")).status_code == 200
    seen = (await office.coordinator.get("/v1/campaigns")).json()["items"]
    assert [item["id"] for item in seen] == [campaign["id"]]


@pytest.mark.parametrize(("role", "org"), STRANGERS)
async def test_a_foreign_campaign_or_institution_does_not_exist(office: Office, role: Role, org: str) -> None:
    stranger = office.running.as_(role, org)
    path = f"/v1/campaigns/{(await office.campaign()).id}"
    for answer in (
        await stranger.get(path),
        await stranger.get(f"{path}/results"),
        await stranger.post(f"{path}/close"),
        await stranger.post("/v1/campaigns", a_plan()),
    ):
        assert answer.status_code == 404, answer.text
    codes = await stranger.post(f"{path}/codes", {"count": 3})
    assert codes.status_code == (404 if role is Role.INSTITUTION else 403)
    assert (await stranger.get("/v1/campaigns")).json()["items"] == []
    assert await office.count("access_code") == 0


@pytest.mark.parametrize(("role", "org"), [(Role.ENTERPRISE, "e"), (Role.OPERATOR, "")])
async def test_who_has_no_business_here_is_forbidden(office: Office, role: Role, org: str) -> None:
    client = office.running.as_(role, org)
    assert (await client.get("/v1/campaigns")).status_code == 403
    assert (await client.post("/v1/campaigns", a_plan())).status_code == 403
    assert (await client.get("/v1/instruments")).status_code == 200


async def test_nothing_but_the_form_is_open_without_a_token(office: Office) -> None:
    for path in ("/v1/instruments", "/v1/campaigns", "/internal/heads"):
        assert (await office.running.http.get(office.running.base + path)).status_code == 401


WRONG = {
    "unknown instrument": (a_plan(instrument="S9"), "instrument", "instrument-unknown"),
    "reversed period": (
        a_plan(period={"from": today().isoformat(), "to": (today() - timedelta(days=1)).isoformat()}),
        "period.to",
        "period-reversed",
    ),
    "endless period": (
        a_plan(period={"from": today().isoformat(), "to": (today() + timedelta(days=400)).isoformat()}),
        "period.to",
        "period-too-long",
    ),
    "a day that is none": (a_plan(period={"from": "2026-02-30", "to": "2026-03-30"}), "period.from", "date"),
    "unknown field": (a_plan(colour="red"), "colour", "extra_forbidden"),
    "no period": ({"instrument": "S3", "institution": MINE}, "period", "missing"),
    "an empty title": (a_plan(title=" "), "title", "string_too_short"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_plan_names_field_rule_and_remedy(office: Office, name: str) -> None:
    body, field, rule = WRONG[name]
    answer = await office.coordinator.post("/v1/campaigns", body)
    assert answer.status_code == 422
    (error, *_) = answer.json()["errors"]
    assert error["field"] == field
    assert error["rule"].startswith(rule)
    assert error["message"]
    assert error["remedy"]
    assert "{" not in error["message"] + error["remedy"]


async def test_a_closed_institution_can_neither_plan_nor_open(office: Office) -> None:
    campaign = await office.campaign(opened=False)
    await office.take_over(an_institution(version=2, status=InstitutionStatus.CLOSED))
    answer = await office.coordinator.post("/v1/campaigns", a_plan())
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:hamkor:problem:institution-closed")
    assert (await office.coordinator.post(f"/v1/campaigns/{campaign.id}/open")).status_code == 409


async def test_codes_come_as_json_csv_or_paper_and_the_same_request_shows_the_same(office: Office) -> None:
    campaign = await office.campaign()
    path = f"/v1/campaigns/{campaign.id}/codes"
    first = await office.coordinator.post(path, {"count": 20}, key="batch-1")
    items = first.json()["items"]
    assert len({item["code"] for item in items}) == 20
    assert all(item["url"].endswith(f"/s/{item['code']}") for item in items)
    assert first.headers["cache-control"] == "no-store"
    headers = {"Authorization": f"Bearer {office.coordinator.token}", "Idempotency-Key": "batch-1"}
    url = office.running.base + path
    sheet = await office.running.http.post(url, json={"count": 20}, headers=headers | {"Accept": "text/csv"})
    assert sheet.headers["idempotency-replayed"] == "true"
    assert list(csv.DictReader(io.StringIO(sheet.text))) == items
    paper = await office.running.http.post(url, json={"count": 20}, headers=headers | {"Accept": "text/html,*/*"})
    assert paper.status_code == 201
    assert all(item["code"] in paper.text for item in items)
    assert await office.count("access_code") == 20
    shown = (await office.coordinator.get(f"/v1/campaigns/{campaign.id}")).json()
    assert shown["codes"] == {"issued": 20, "spent": None}
    for item in items[:K]:
        assert (await office.respond(item["code"])).status_code == 303
    shown = (await office.coordinator.get(f"/v1/campaigns/{campaign.id}")).json()
    assert shown["codes"] == {"issued": 20, "spent": K}


@pytest.mark.parametrize("count", [0, 5001, "many"])
async def test_a_batch_has_its_limits(office: Office, count: Any) -> None:
    campaign = await office.campaign()
    answer = await office.coordinator.post(f"/v1/campaigns/{campaign.id}/codes", {"count": count})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "count"


async def test_campaigns_follow_an_institution_that_moves(office: Office) -> None:
    campaign = await office.campaign()
    old, new = office.running.as_(Role.DISTRICT, DISTRICT), office.running.as_(Role.DISTRICT, "1708204")
    path = f"/v1/campaigns/{campaign.id}"
    assert ((await old.get(path)).status_code, (await new.get(path)).status_code) == (200, 404)
    await office.take_over(an_institution(district="1708204", version=2))
    assert ((await old.get(path)).status_code, (await new.get(path)).status_code) == (404, 200)
    await office.take_over(an_institution(version=1))
    assert (await new.get(path)).status_code == 200, "an older state changes nothing"
    # Merged, its surveys stay its own: nobody else reads what few said there.
    await office.take_over(an_institution(district=DISTRICT, version=3, below=f"{OTHER}/"))
    assert [(await each.get(path)).status_code for each in (old, new, office.coordinator)] == [200, 404, 200]
    assert (await office.running.as_(Role.INSTITUTION, OTHER).get(path)).status_code == 404


async def test_lists_are_pages_newest_first(office: Office) -> None:
    planned = [(await office.campaign(code, opened=code == "S3")).id for code in ("S1", "S2", "S3")]
    first = (await office.coordinator.get("/v1/campaigns", limit=2)).json()
    rest = (await office.coordinator.get("/v1/campaigns", limit=2, after=first["next"])).json()
    assert [item["id"] for item in first["items"] + rest["items"]] == planned[::-1]
    assert rest["next"] is None
    opened = (await office.coordinator.get("/v1/campaigns", status="open")).json()["items"]
    assert [item["instrument"] for item in opened] == ["S3"]
    assert (await office.coordinator.get("/v1/campaigns", after="nonsense")).status_code == 422


async def test_a_campaign_whose_period_is_over_closes_by_itself(office: Office) -> None:
    over, current = await office.campaign(), await office.campaign()
    async with office.database.unit_of_work() as uow:
        await uow.session.execute(
            text("update campaign set first_day = first_day - 60, last_day = last_day - 60 where id = :id"),
            {"id": over.id},
        )
    (code,) = await office.codes(over, 1)
    assert "The survey is over" in (await office.open_form(code)).text
    async with office.database.unit_of_work() as uow:
        assert await close_overdue(uow, K) == 1
    statuses = {item["id"]: item["status"] for item in (await office.coordinator.get("/v1/campaigns")).json()["items"]}
    assert statuses == {over.id: "closed", current.id: "open"}


async def test_operators_count_answers_and_nobody_else(office: Office) -> None:
    campaign = await office.campaign()
    for code in await office.codes(campaign, 2):
        await office.respond(code)
    operator = office.running.as_(Role.OPERATOR)
    assert (await operator.get("/internal/answers")).json() == {"staged": 2, "responses": 0}
    assert (await office.coordinator.get("/internal/answers")).status_code == 403
