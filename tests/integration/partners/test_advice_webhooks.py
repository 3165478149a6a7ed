"""A recommendation reaches the endpoint of the school it is made to, and of the offices above; nobody else's.

Both services as they run: monitoring tells it on Kafka, partners sends it signed.
"""

from collections.abc import Callable
from typing import Any

import pytest

from shared.scope import Role
from tests.integration.partners.test_webhooks import NAMES, Receiver
from tests.support.services import Client, Running, eventually, free_port, serving

DISTRICT, OTHER, REGION = "1708201", "1703202", "1708"
TYPES = ["hamkor.monitoring.recommendation.*"]
MADE, ACCEPTED = (f"hamkor.monitoring.recommendation.{what}.v1" for what in ("made", "accepted"))


async def a_school(partners: Running, district: str) -> str:
    body = {"code": f"T-{district}", "name": "Tavsiya texnikumi", "kind": "technikum", "district": district}
    answer = await partners.as_(Role.MINISTRY, "17").post("/v1/institutions", body | {"opened_on": "2020-09-01"})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def an_endpoint(client: Client, receiver: Receiver, owner: str, path: str) -> str:
    body = {"owner": owner, "label": path, "url": f"{receiver.url}/{path}", "types": TYPES}
    answer = await client.post("/v1/webhooks", body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["secret"])


@pytest.mark.slow
async def test_a_recommendation_reaches_the_schools_endpoint_and_those_of_the_offices_above(
    neighbourhood: Callable[..., Any],
) -> None:
    receiver = Receiver()
    async with (
        serving(receiver.app(), free_port()) as receiver.url,
        neighbourhood("partners", "monitoring") as near,
        near.service("partners", PARTNERS_WEBHOOKS_LOOPBACK="true") as partners,
        near.service("monitoring") as monitoring,
    ):
        ministry = partners.as_(Role.MINISTRY, "17")
        for soato in ("17", REGION, "1703", DISTRICT, OTHER):
            assert (await ministry.put(f"/v1/territory/{soato}", {"names": NAMES})).status_code == 200
        school = await a_school(partners, DISTRICT)
        owners = {
            "school": partners.as_(Role.INSTITUTION, school),
            "district": partners.as_(Role.DISTRICT, DISTRICT),
            "region": partners.as_(Role.REGION, REGION),
            "other": partners.as_(Role.DISTRICT, OTHER),
        }
        codes = {"school": school, "district": DISTRICT, "region": REGION, "other": OTHER}
        secrets = {name: await an_endpoint(client, receiver, codes[name], name) for name, client in owners.items()}
        own = monitoring.as_(Role.INSTITUTION, school)

        async def known() -> bool:
            return bool((await own.get(f"/v1/places/{school}")).status_code == 200)

        await eventually(known, "monitoring knows the school")
        assert (await own.post(f"/v1/recommendations/look?place={school}", {})).status_code == 200
        (told,) = (await own.get("/v1/recommendations", rule="R1_TEAM")).json()["items"]
        accepted = await own.post(
            f"/v1/recommendations/{told['id']}/accept", {"note": "Aliyeva +998901234567"}, version=told["version"]
        )
        assert accepted.status_code == 200, accepted.text

        async def arrived(name: str) -> Any:
            events = [body for _, body in receiver.events(name, secrets[name]) if body["data"]["id"] == told["id"]]
            return len(events) == 2 and events

        for name in ("school", "district", "region"):
            made, taken = await eventually(lambda name=name: arrived(name), f"the recommendation at the {name}'s")
            assert (made["type"], taken["type"]) == (MADE, ACCEPTED)
            data = made["data"]
            assert (data["rule"], data["place"], data["institution_id"]) == ("R1_TEAM", school, school)
            assert (data["element"], data["status"], taken["data"]["status"]) == ("R1", "open", "accepted")
            assert data["evidence"]["indicator"] == "R1"
            assert "+998" not in str(taken)
        listed = {each["id"] for each in (await own.get("/v1/recommendations", limit=200)).json()["items"]}

        async def all_made() -> bool:
            events = [body for _, body in receiver.events("school", secrets["school"]) if body["type"] == MADE]
            return {body["data"]["id"] for body in events} == listed and len(events) == len(listed)

        await eventually(all_made, "every recommendation once")
        assert receiver.events("other", secrets["other"]) == []
