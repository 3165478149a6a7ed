"""Interviews: on the campaign's own instrument, marked as such, each exactly once however its device sends it."""

import asyncio
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from services.surveys.flusher import Flusher
from services.surveys.instruments import InstrumentLibrary
from shared.scope import Role
from shared.telemetry.progress import Progress
from tests.integration.surveys.asking import at, vault_of
from tests.integration.surveys.support import DISTRICT, OTHER, K, Office, today
from tests.support.services import eventually
from tests.unit.surveys.builders import a_full_form

INSTRUMENT = InstrumentLibrary.load().get("S3")


def answers() -> dict[str, Any]:
    return {name: given[0] if len(given) == 1 else given for name, given in a_full_form(INSTRUMENT).items()}


def an_interview(number: int, **changes: Any) -> dict[str, Any]:
    client_id = f"0b9f6a52-5f0e-4c3a-9b58-{number:012d}"
    return {"client_id": client_id, "held_on": today().isoformat(), "answers": answers()} | changes


def flusher_of(office: Office, days: int = 0) -> Flusher:
    """The job that moves answers on, so many days from now."""
    return Flusher(at(office, days), vault_of(office), InstrumentLibrary.load(), Progress(), K)


async def enter(client: Any, campaign: str, *interviews: dict[str, Any]) -> Any:
    return await client.post(f"/v1/campaigns/{campaign}/interviews", {"interviews": list(interviews)})


async def test_a_day_without_network_syncs_once_and_is_marked_as_interviews(office: Office) -> None:
    campaign = await office.campaign("S3")
    batch = [an_interview(number) for number in range(K)]
    staff = office.coordinator
    # The connection breaks and the device sends again, twice at the same time.
    both = await asyncio.gather(enter(staff, campaign.id, *batch), enter(staff, campaign.id, *batch[::-1]))
    assert [answer.status_code for answer in both] == [200, 200]
    statuses = sorted(item["status"] for answer in both for item in answer.json()["items"])
    assert statuses == [200] * K + [201] * K
    again = (await enter(office.coordinator, campaign.id, batch[0], batch[0])).json()
    assert [item["status"] for item in again["items"]] == [200, 200]

    async def arrived() -> bool:
        return await office.count("response") == K

    await eventually(arrived, "the interviews are responses")
    modes = await office.rows("select distinct mode from response")
    assert [row[0] for row in modes] == ["interview"]
    received = (await office.coordinator.get(f"/v1/campaigns/{campaign.id}")).json()["codes"]["spent"]
    assert received == K


async def test_a_refused_interview_comes_back_whole_and_keeps_nobody_out(office: Office) -> None:
    campaign = await office.campaign("S3")
    lacking = answers()
    name = next(iter(lacking))
    lacking[name] = "no such option"
    faulty = [
        an_interview(1, answers=lacking),
        an_interview(2, held_on=(today() + timedelta(days=1)).isoformat()),
        an_interview(3, held_on=(today() - timedelta(days=90)).isoformat()),
        an_interview(4, client_id="short"),
        {"nonsense": True},
    ]
    answer = await enter(office.coordinator, campaign.id, *faulty, an_interview(6))
    report = answer.json()
    assert (answer.status_code, report["done"], report["failed"]) == (207, 1, 5)
    first = report["items"][0]
    assert first["answers"] == lacking
    assert first["client_id"] == faulty[0]["client_id"]
    (error,) = first["problem"]["errors"]
    assert error["field"] == name
    assert error["remedy"]
    rules = [item["problem"]["errors"][0]["rule"] for item in report["items"][1:4]]
    assert rules == ["in_future", "outside-period", "string_too_short"]
    mended = (await enter(office.coordinator, campaign.id, an_interview(1))).json()
    assert mended["items"][0]["status"] == 201


async def test_interviews_are_for_open_campaigns_of_the_own_territory(office: Office) -> None:
    campaign = await office.campaign("S3", opened=False)
    stranger = office.running.as_(Role.INSTITUTION, OTHER)
    assert (await enter(stranger, campaign.id, an_interview(1))).status_code == 404
    assert (await enter(office.running.as_(Role.ENTERPRISE, "e"), campaign.id, an_interview(1))).status_code == 403
    closed = (await enter(office.coordinator, campaign.id, an_interview(1))).json()["items"][0]
    assert closed["problem"]["type"] == "urn:hamkor:problem:wrong-state"
    assert await office.count("staged_answer") == 0
    many = [an_interview(number) for number in range(201)]
    assert (await enter(office.coordinator, campaign.id, *many)).status_code == 422


async def test_a_batch_made_while_the_campaign_was_open_syncs_after_its_end_once(office: Office) -> None:
    campaign = await office.campaign("S3", interview_days=10)
    early = [an_interview(number) for number in range(2)]
    assert (await enter(office.coordinator, campaign.id, *early)).status_code == 200
    closed = await office.coordinator.post(f"/v1/campaigns/{campaign.id}/close")
    assert (closed.json()["closed_on"], closed.json()["status"]) == (today().isoformat(), "closed")
    late = [an_interview(number) for number in range(4)]
    report = (await enter(office.coordinator, campaign.id, *late)).json()
    assert [item["status"] for item in report["items"]] == [200, 200, 201, 201]
    assert (await enter(office.coordinator, campaign.id, *late)).json()["failed"] == 0
    flusher = flusher_of(office)
    await flusher.look()
    # Fewer than k wait until none can come any more; the marks stay as long, so that nothing counts twice.
    assert (await office.count("response"), await office.count("staged_answer")) == (0, 4)
    assert await office.count("spent_mark") == 4
    (code,) = [row[0] for row in await office.rows("select count(*) from intake where over")]
    assert code == 0
    then = flusher_of(office, days=11)
    await then.look()
    await then._wipe()
    assert (await office.count("response"), await office.count("spent_mark")) == (4, 0)
    # A request that began on the last day is over with it, too: nothing would tell that it was counted.
    report = (await enter(office.coordinator, campaign.id, *late)).json()
    assert [item["status"] for item in report["items"]] == [409] * 4
    assert (await office.count("staged_answer"), await office.count("spent_mark")) == (0, 0)


async def test_while_interviews_still_come_in_no_code_says_whether_it_was_used(office: Office) -> None:
    campaign = await office.campaign("S3", interview_days=10)
    used, unused = await office.codes(campaign, 2)
    assert (await office.respond(used)).status_code == 303
    assert "Already received" in (await office.open_form(used)).text
    await office.coordinator.post(f"/v1/campaigns/{campaign.id}/close")
    assert await office.count("spent_mark") == 1
    pages = [await office.open_form(code) for code in (used, unused)]
    assert [page.response.status_code for page in pages] == [410, 410]
    assert pages[0].text == pages[1].text
    base = f"{office.running.base}/s"
    thanks = [(await office.running.http.get(f"{base}/{code}", params={"done": "1"})).text for code in (used, unused)]
    assert thanks[0] == thanks[1]


async def test_what_comes_too_late_is_told_until_when_it_could(office: Office) -> None:
    campaign = await office.campaign("S3", interview_days=3)
    await office.coordinator.post(f"/v1/campaigns/{campaign.id}/close")
    days = "update campaign set closed_on = closed_on - 4, first_day = first_day - 9 where id = :id returning closed_on"
    async with office.database.unit_of_work() as uow:
        ended = (await uow.session.execute(text(days), {"id": campaign.id})).scalar_one()
    held = {"held_on": ended.isoformat()}
    item = (await enter(office.coordinator, campaign.id, an_interview(1, **held))).json()["items"][0]
    assert (item["status"], item["problem"]["type"]) == (409, "urn:hamkor:problem:interviews-over")
    assert (ended + timedelta(days=3)).isoformat() in item["problem"]["detail"]
    assert item["answers"] == answers()
    after = {"held_on": (ended + timedelta(days=1)).isoformat()}
    item = (await enter(office.coordinator, campaign.id, an_interview(2, **after))).json()["items"][0]
    assert item["problem"]["errors"][0]["rule"] == "outside-period"
    assert await office.count("staged_answer") == 0


async def test_no_office_makes_the_company_in_which_one_answer_would_hide(office: Office) -> None:
    campaign = await office.campaign("S3")
    for role, org in ((Role.DISTRICT, DISTRICT), (Role.REGION, DISTRICT[:4]), (Role.MINISTRY, "17")):
        above = office.running.as_(role, org)
        assert (await enter(above, campaign.id, an_interview(1))).status_code == 403
        assert (await above.post(f"/v1/campaigns/{campaign.id}/codes", {"count": 1})).status_code == 403
    assert await office.count("staged_answer") == 0
