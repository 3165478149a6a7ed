"""Advice over HTTP: each sees and does what scope and role allow, commands happen once, rules are the ministry's."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import date
from typing import Any

import pytest

from shared.scope import Role
from tests.integration.monitoring.test_advice import a_country, oriented
from tests.support.monitoring import Story
from tests.support.services import Client, Running, eventually

RULES = "/v1/advice/rules"


@pytest.fixture(scope="module")
def story() -> Story:
    story = a_country(3)
    story.an_institution(story.districts[3], date(2024, 9, 1))
    return story


@pytest.fixture
async def monitoring(neighbourhood: Callable[..., Any], story: Story) -> AsyncIterator[Running]:
    """The service, the story told and looked at by itself."""
    async with neighbourhood("monitoring") as near, near.service("monitoring") as running:
        await running.app.state.inbox.prepare()
        await running.app.state.inbox.deliver("partners", story.events)
        ministry = running.as_(Role.MINISTRY, "17")

        async def looked() -> bool:
            runs = (await ministry.get("/v1/advice/runs")).json()["items"]
            return bool(runs and runs[0]["ended_at"])

        await eventually(looked, "the day's evaluation ends", 90)
        yield running


async def listed(client: Client, **params: Any) -> list[dict[str, Any]]:
    answer = await client.get("/v1/recommendations", **params)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_advice_over_http(monitoring: Running, story: Story) -> None:
    """One start of the service, many looks at it: starting costs more than all of them."""
    school, other, third, far = story.institutions
    me = monitoring.as_(Role.INSTITUTION, school)
    district = monitoring.as_(Role.DISTRICT, story.districts[0])
    elsewhere = monitoring.as_(Role.REGION, story.districts[3][:4])
    ministry = monitoring.as_(Role.MINISTRY, "17")
    await _each_sees_its_own(monitoring, me, district, elsewhere, ministry, school, far)
    await _steps_are_taken_once(me, district, elsewhere, monitoring.as_(Role.INSTITUTION, other), school)
    await _looking_again_resolves(monitoring, story, me, elsewhere, school)
    await _rules_are_the_ministrys(ministry, district, third)
    await _trials_stay_within_their_scope(district, elsewhere, me, story)
    await _the_feed_tells_it(monitoring, school)


async def _each_sees_its_own(
    monitoring: Running, me: Client, district: Client, elsewhere: Client, ministry: Client, school: str, far: str
) -> None:
    mine = await listed(me)
    assert {each["place"]["code"] for each in mine} == {school}
    assert "R1_TEAM" in {each["rule"] for each in mine}
    assert {each["place"]["code"] for each in await listed(district, below="true", element="R1")} >= {school}
    assert far not in {each["place"]["code"] for each in await listed(district, below="true", limit=200)}
    assert await listed(district, below="true", element="R", severity="urgent", level="institution") == []
    assert {each["place"]["code"] for each in await listed(elsewhere, below="true", level="institution")} == {far}
    one = mine[0]["id"]
    assert (await elsewhere.get(f"/v1/recommendations/{one}")).status_code == 404
    assert (await me.get("/v1/recommendations", place=far)).status_code == 404
    assert (await me.get("/v1/recommendations", element="X9")).status_code == 422
    for role, org in ((Role.ENTERPRISE, "1"), (Role.OPERATOR, "")):
        assert (await monitoring.as_(role, org).get("/v1/recommendations")).status_code == 403
    pages: list[str] = []
    after = None
    while True:
        params = {"below": "true", "limit": 7} | ({"after": after} if after else {})
        body = (await ministry.get("/v1/recommendations", **params)).json()
        pages += [each["id"] for each in body["items"]]
        if (after := body["next"]) is None:
            break
    everything = await listed(ministry, below="true", limit=200)
    assert pages == [each["id"] for each in everything]
    counts = (await me.get("/v1/recommendations/counts")).json()
    assert counts["own"]["open"] == len(mine)
    assert counts["below"]["open"] == 0


async def _steps_are_taken_once(
    me: Client, district: Client, elsewhere: Client, neighbour: Client, school: str
) -> None:
    one = next(each for each in await listed(me) if each["rule"] == "R6_DEMAND")
    path = f"/v1/recommendations/{one['id']}"
    shown = await me.get(path)
    assert shown.headers["etag"] == '"1"'
    assert shown.json()["may"] == ["accept", "dismiss"]
    assert shown.json()["evidence"]["state"] == "missing"
    assert shown.json()["action"].startswith("Set demand reports")
    for stranger in (elsewhere, neighbour):
        assert (await stranger.post(f"{path}/accept", {}, version=1)).status_code == 404
    assert (await me.post(f"{path}/accept", {})).status_code == 428
    assert (await me.post(f"{path}/accept", {"due_on": "2020-01-01"}, version=1)).status_code == 422
    assert (await me.post(f"{path}/complete", {}, version=1)).status_code == 409
    first = await me.post(f"{path}/accept", {"owner": "coordinator", "note": "bizda"}, version=1, key="once")
    again = await me.post(f"{path}/accept", {"owner": "coordinator", "note": "bizda"}, version=1, key="once")
    assert first.status_code == 200, first.text
    assert again.headers["idempotency-replayed"] == "true"
    assert first.json() == again.json()
    assert (await district.post(f"{path}/complete", {}, version=1)).status_code == 412
    done = await district.post(f"{path}/complete", {"note": "bajarildi"}, version=2)
    assert done.json()["status"] == "done"
    shown_done = (await me.get(path)).json()
    assert [each["status"] for each in shown_done["steps"]] == ["open", "accepted", "done"]
    assert shown_done["notes"] == {"accepted": "bizda", "done": "bajarildi"}
    assert shown_done["moved"]["direction"] == "same"
    refused = await me.post(f"{path}/dismiss", {"reason": "other", "note": "x"}, version=3)
    assert refused.status_code == 409
    assert "remedy" in refused.json()
    # What is urgent, the school itself does not dismiss: the office above may.
    urgent = [each for each in await listed(me) if each["severity"] == "urgent"]
    for each in urgent[:1]:
        answer = await me.post(f"/v1/recommendations/{each['id']}/dismiss", {"reason": "no_capacity"}, version=1)
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:hamkor:problem:not-yours")
        answer = await district.post(f"/v1/recommendations/{each['id']}/dismiss", {"reason": "no_capacity"}, version=1)
        assert answer.status_code == 200
    assert school


async def _looking_again_resolves(
    monitoring: Running, story: Story, me: Client, elsewhere: Client, school: str
) -> None:
    assert (await elsewhere.post(f"/v1/recommendations/look?place={school}")).status_code == 404
    known = len(story.events)
    oriented(story, school)
    await monitoring.app.state.inbox.deliver("partners", story.events[known:])
    answer = await me.post("/v1/recommendations/look")
    assert answer.status_code == 200, answer.text

    async def resolved() -> list[dict[str, Any]]:
        # By the look just asked for, or a moment before by the evaluation that follows every change.
        return await listed(me, rule="R1_TEAM", status="resolved")

    (one,) = await eventually(resolved, "R1 is met: the recommendation resolves")
    assert (await me.get(f"/v1/recommendations/{one['id']}")).json()["moved"]["direction"] == "better"
    assert await listed(me, rule="R1_TEAM") == []


async def _rules_are_the_ministrys(ministry: Client, district: Client, third: str) -> None:
    told = (await district.get(f"{RULES}/I2_LOW")).json()
    assert (told["version"], told["enabled"], told["levels"][0]["parameters"]["below"]) == (0, True, 0.7)
    assert len((await district.get(RULES)).json()["items"]) >= 30
    body = {"enabled": True, "levels": {"district": {"parameters": {"below": 0.3}}}}
    assert (await district.put(f"{RULES}/I2_LOW/setting", body, version=0)).status_code == 403
    wrong = {"enabled": True, "levels": {"district": {"parameters": {"below": 0.95}}}}
    refused = await ministry.put(f"{RULES}/I2_LOW/setting", wrong, version=0)
    assert (refused.status_code, refused.json()["errors"][0]["rule"]) == (422, "rule_parameter")
    assert (await ministry.put(f"{RULES}/NONE/setting", body, version=0)).status_code == 404
    assert (await ministry.put(f"{RULES}/I2_LOW/setting", body, version=0)).status_code == 200
    assert (await ministry.put(f"{RULES}/I2_LOW/setting", body, version=0)).status_code == 412
    in_force = (await district.get(f"{RULES}/I2_LOW")).json()
    by_level = {each["level"]: each["parameters"]["below"] for each in in_force["levels"]}
    assert by_level == {"institution": 0.7, "district": 0.3, "region": 0.7}
    history = (await district.get(f"{RULES}/I2_LOW/history")).json()["items"]
    assert [each["version"] for each in history] == [1, 0]
    assert history[0]["made_by"] == "ministry"
    # Switched off, a rule takes back what it said, by itself and soon.
    before = await listed(ministry, below="true", rule="R4_PROGRAMMES", place=third)
    await ministry.put(f"{RULES}/R2_PARTNERS/setting", {"enabled": False}, version=0)

    async def gone() -> bool:
        return not await listed(ministry, below="true", rule="R2_PARTNERS")

    await eventually(gone, "what the rule said expires")
    assert await listed(ministry, below="true", rule="R4_PROGRAMMES", place=third) == before


async def _trials_stay_within_their_scope(district: Client, elsewhere: Client, me: Client, story: Story) -> None:
    assert (await me.post("/v1/advice/trials", {"rule": "R1_TEAM"})).status_code == 403
    assert (await district.post("/v1/advice/trials", {"rule": "R1_TEAM", "place": "17"})).status_code == 404
    for parameters in ({"quantile": 0.2}, {"clear": 0.95}, {"least": 1}, {"peers": 12}):
        tried = {"rule": "F1_PEERS", "levels": {"institution": {"parameters": parameters}}}
        refused = await district.post("/v1/advice/trials", tried)
        (error,) = refused.json()["errors"]
        assert (refused.status_code, error["rule"]) == (422, "rule_trial"), "what others are like is not theirs to ask"
        assert next(iter(parameters)) in error["message"]
    asked = await district.post("/v1/advice/trials", {"rule": "R1_TEAM", "months": 3})
    assert asked.status_code == 202, asked.text
    path = f"/v1/advice/trials/{asked.json()['id']}"

    async def ended() -> dict[str, Any] | None:
        body: dict[str, Any] = (await district.get(path)).json()
        return body if body["status"] == "done" else None

    body = await eventually(ended, "the trial ends")
    assert (body["done"], body["steps"]) == (3, 3)
    places = {each["place"]["code"] for each in body["result"]["levels"]["institution"]["examples"]}
    assert places <= set(story.institutions[:3])
    assert (await elsewhere.get(path)).status_code == 404
    assert (await elsewhere.get("/v1/advice/trials")).json()["items"] == []
    assert [each["id"] for each in (await district.get("/v1/advice/trials", rule="R1_TEAM")).json()["items"]] == [
        asked.json()["id"]
    ]


async def _the_feed_tells_it(monitoring: Running, school: str) -> None:
    service = monitoring.as_(Role.SERVICE)
    facts = set()
    for shard in range(64):
        for event in (await service.get("/internal/events", shard=shard, after=0, limit=500)).json()["events"]:
            facts.add(event["type"].split(".")[3])
            data = event["data"] if isinstance(event["data"], dict) else json.loads(event["data"])
            if data["institution_id"] == school:
                assert event["key"] == school
    assert facts >= {"made", "accepted", "done", "resolved", "expired"}
