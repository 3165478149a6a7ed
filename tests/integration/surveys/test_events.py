"""Surveys among the other services: institutions come from partners' events, responses go to Kafka."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from shared.contracts.surveys import RESPONSE_RECORDED
from shared.contracts.topics import EVENT_TOPICS
from shared.scope import Role
from tests.integration.surveys.support import Office, today
from tests.support.services import Running, eventually

NAMES = {"uz": "n", "uz-Cyrl": "н", "ru": "н", "en": "n"}


async def register(partners: Running) -> str:
    ministry = partners.as_(Role.MINISTRY, "17")
    for soato in ("17", "1708", "1708201", "1708204"):
        await ministry.put(f"/v1/territory/{soato}", {"names": NAMES})
    body = {"code": "P-1", "name": "Jizzax texnikumi", "kind": "technikum", "district": "1708201"}
    answer = await ministry.post("/v1/institutions", body | {"opened_on": "2020-09-01"})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def test_from_registration_to_response_and_through_a_move(neighbourhood: Callable[..., Any]) -> None:
    assert "hamkor.surveys.events" in EVENT_TOPICS
    async with (
        neighbourhood("partners", "surveys") as near,
        near.service("partners") as partners,
        near.service("surveys", PRIVACY_K="2") as surveys,
    ):
        institution = await register(partners)
        coordinator = surveys.as_(Role.INSTITUTION, institution)
        period = {"from": today().isoformat(), "to": (today() + timedelta(days=9)).isoformat()}
        plan = {"instrument": "S3", "institution": institution, "period": period}

        async def planned() -> Any:
            answer = await coordinator.post("/v1/campaigns", plan)
            assert answer.status_code in (201, 404)
            return answer.json() if answer.status_code == 201 else None

        campaign = await eventually(planned, "surveys hears of the institution")
        path = f"/v1/campaigns/{campaign['id']}"
        await coordinator.post(f"{path}/open")
        codes = (await coordinator.post(f"{path}/codes", {"count": 2})).json()["items"]
        office = Office(surveys)
        for code in codes:
            assert (await office.respond(code["code"])).status_code == 303

        async def told() -> bool:
            found = await office.rows(
                "select (select sum(published) from relay_cursor), count(*), "
                f"count(*) filter (where type = '{RESPONSE_RECORDED.name}') from event"
            )
            published, events, responses = map(int, found[0])
            return published == events and responses == 2

        await eventually(told, "both responses are on Kafka")
        moved = await partners.as_(Role.MINISTRY, "17").post(
            f"/v1/institutions/{institution}/move", {"district": "1708204", "since": today().isoformat()}
        )
        assert moved.status_code == 200, moved.text
        new_district = surveys.as_(Role.DISTRICT, "1708204")

        async def followed() -> bool:
            answer = await new_district.get(path)
            return bool(answer.status_code == 200)

        await eventually(followed, "the campaign follows its institution")
        assert (await surveys.as_(Role.DISTRICT, "1708201").get(path)).status_code == 404
