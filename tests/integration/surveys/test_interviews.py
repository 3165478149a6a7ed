"""Interviews: on the campaign's own instrument, marked as such, each exactly once however its device sends it."""

import asyncio
from datetime import timedelta
from typing import Any

from services.surveys.instruments import InstrumentLibrary
from shared.scope import Role
from tests.integration.surveys.support import DISTRICT, OTHER, K, Office, today
from tests.support.services import eventually
from tests.unit.surveys.builders import a_full_form

INSTRUMENT = InstrumentLibrary.load().get("S3")


def answers() -> dict[str, Any]:
    return {name: given[0] if len(given) == 1 else given for name, given in a_full_form(INSTRUMENT).items()}


def an_interview(number: int, **changes: Any) -> dict[str, Any]:
    client_id = f"0b9f6a52-5f0e-4c3a-9b58-{number:012d}"
    return {"client_id": client_id, "held_on": today().isoformat(), "answers": answers()} | changes


async def enter(client: Any, campaign: str, *interviews: dict[str, Any]) -> Any:
    return await client.post(f"/v1/campaigns/{campaign}/interviews", {"interviews": list(interviews)})


async def test_a_day_without_network_syncs_once_and_is_marked_as_interviews(office: Office) -> None:
    campaign = await office.campaign("S3")
    batch = [an_interview(number) for number in range(K)]
    staff = office.running.as_(Role.DISTRICT, DISTRICT)
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
