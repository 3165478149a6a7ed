"""Webhooks: real receivers verify real signatures; slow, failing, moved and private endpoints."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response
from sqlalchemy import text
from standardwebhooks import Webhook, WebhookVerificationError

from services.partners.domain.webhooks import OVERLAP
from services.partners.webhooks.collecting import Collecting
from shared.contracts.events import Event
from shared.ids import new_id
from shared.scope import Role
from tests.support.services import Client, Running, eventually, free_port, serving

NAMES = {"uz": "n", "uz-Cyrl": "н", "ru": "н", "en": "n"}
DISTRICTS = ("1708201", "1703202")


@dataclass
class Receiver:
    """An endpoint as a school's portal would have it: paths that answer in different ways, and all that came."""

    url: str = ""
    got: dict[str, list[tuple[dict[str, str], bytes]]] = field(default_factory=dict)
    answers: dict[str, int] = field(default_factory=dict)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/{path}")
        async def take(request: Request, path: str) -> Response:
            self.got.setdefault(path, []).append((dict(request.headers), await request.body()))
            if path == "slow":
                await self.released.wait()
            status = self.answers.get(path, 204)
            return Response(status_code=status, headers={"Location": f"{self.url}/inner"} if status == 302 else {})

        return app

    def events(self, path: str, secret: str) -> list[tuple[str, dict[str, Any]]]:
        """What came to a path, verified: (webhook-id, body)."""
        return [
            (headers["webhook-id"], Webhook(secret).verify(body, headers)) for headers, body in self.got.get(path, [])
        ]


@dataclass
class World:
    partners: Running
    receiver: Receiver
    institutions: list[str]

    def office(self, number: int = 0) -> Client:
        return self.partners.as_(Role.DISTRICT, DISTRICTS[number])

    async def register(self, path: str, *types: str, by: Client | None = None, owner: str = DISTRICTS[0]) -> Any:
        body = {"owner": owner, "label": "Portal", "url": f"{self.receiver.url}/{path}", "types": types or ["hamkor.*"]}
        answer = await (by or self.office()).post("/v1/webhooks", body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def happen(self, number: int = 0) -> str:
        """Something happens to an institution; returns its new name."""
        name = f"Texnikum {datetime.now(UTC).timestamp()}"
        path = f"/v1/institutions/{self.institutions[number]}"
        assert (await self.office(number).patch(path, {"name": name})).status_code == 200
        return name

    async def sql(self, statement: str, **values: Any) -> list[Any]:
        async with self.partners.app.state.database.unit_of_work() as uow:
            result = await uow.session.execute(text(statement), values)
            return list(result.all()) if result.returns_rows else []

    async def hurry(self, webhook: str) -> None:
        """Time passes for what is to be tried again."""
        await self.sql(
            "update webhook_delivery set next_at = now() where webhook_id = :id and status = 'pending'", id=webhook
        )

    async def log(self, webhook: str, **asked: Any) -> list[Any]:
        found: list[Any] = (await self.office().get(f"/v1/webhooks/{webhook}/deliveries", **asked)).json()["items"]
        return found


@pytest.fixture(scope="module")
async def world(neighbourhood: Callable[..., Any]) -> AsyncIterator[World]:
    receiver = Receiver()
    async with (
        serving(receiver.app(), free_port()) as receiver.url,
        neighbourhood("partners") as near,
        near.service("partners", PARTNERS_WEBHOOKS_LOOPBACK="true") as partners,
    ):
        ministry = partners.as_(Role.MINISTRY, "17")
        institutions = []
        for soato in ("17", "1708", "1703", *DISTRICTS):
            assert (await ministry.put(f"/v1/territory/{soato}", {"names": NAMES})).status_code == 200
        for district in DISTRICTS:
            body = {"code": f"W-{district}", "name": "A", "kind": "school", "district": district}
            answer = await ministry.post("/v1/institutions", body | {"opened_on": "2020-09-01"})
            institutions.append(answer.json()["id"])
        yield World(partners, receiver, institutions)
        receiver.released.set()


async def test_events_of_the_owners_territory_arrive_signed(world: World) -> None:
    webhook = await world.register("own", "hamkor.partners.institution.*")
    await world.happen(1)
    name = await world.happen()
    (came,) = await eventually(lambda: _some(world, "own", webhook["secret"]), "an event")
    assert came[1]["type"] == "hamkor.partners.institution.updated.v1"
    assert came[1]["data"]["name"] == name
    assert came[1]["data"]["id"] == world.institutions[0]
    assert datetime.fromisoformat(came[1]["timestamp"]).tzinfo is not None
    with pytest.raises(WebhookVerificationError):
        world.receiver.events("own", "whsec_" + "a" * 44)
    (entry,) = await world.log(webhook["id"], status="delivered")
    assert (entry["event_id"], entry["answered"], entry["attempts"]) == (came[0], 204, 1)
    shown = (await world.office().get(f"/v1/webhooks/{webhook['id']}")).json()
    assert "secret" not in shown
    assert (await world.office(1).get(f"/v1/webhooks/{webhook['id']}")).status_code == 404
    assert (await world.office(1).get(f"/v1/webhooks/{webhook['id']}/deliveries")).status_code == 404


async def _some(world: World, path: str, secret: str) -> list[Any]:
    return world.receiver.events(path, secret)


async def test_an_institution_hears_of_itself_and_nothing_of_surveys_or_secrets(world: World) -> None:
    client = world.partners.as_(Role.INSTITUTION, world.institutions[0])
    webhook = await world.register("itself", by=client, owner=world.institutions[0])
    await world.happen()
    came = await eventually(lambda: _some(world, "itself", webhook["secret"]), "an event")
    everything = json.dumps([body for _, body in came])
    assert webhook["secret"] not in everything
    assert world.receiver.url not in everything
    refused = await client.post(
        "/v1/webhooks", {"owner": "1708201", "label": "x", "url": f"{world.receiver.url}/x", "types": ["hamkor.*"]}
    )
    assert refused.json()["errors"][0]["rule"] == "unknown_owner"
    surveys = await client.post(
        "/v1/webhooks",
        {"owner": world.institutions[0], "label": "x", "url": f"{world.receiver.url}/x", "types": ["hamkor.surveys.*"]},
    )
    assert surveys.status_code == 422


async def test_a_slow_endpoint_holds_up_nobody(world: World) -> None:
    slow = await world.register("slow", "hamkor.partners.institution.*")
    quick = await world.register("quick", "hamkor.partners.institution.*")
    for _ in range(12):
        await world.happen()

    async def all_came() -> bool:
        return len(world.receiver.got.get("quick", [])) >= 12

    await eventually(all_came, "twelve events at the quick endpoint", 10)
    assert len({event for event, _ in world.receiver.events("quick", quick["secret"])}) == 12
    assert 0 < len(world.receiver.got["slow"]) < 12
    assert (await world.office().post(f"/v1/webhooks/{slow['id']}/remove", version=1)).status_code == 200
    world.receiver.released.set()


async def test_what_failed_is_tried_again_and_what_fails_for_days_is_stopped(world: World) -> None:
    world.receiver.answers["broken"] = 500
    webhook = await world.register("broken", "hamkor.partners.institution.*")
    await world.happen()

    async def tried() -> Any:
        return [each for each in await world.log(webhook["id"]) if each["problem"]]

    (entry,) = await eventually(tried, "a failed attempt")
    assert (entry["status"], entry["answered"], entry["problem"]) == ("pending", 500, "http_500")
    pause = datetime.fromisoformat(entry["next_at"]) - datetime.now(UTC)
    assert pause < timedelta(seconds=7)
    world.receiver.answers["broken"] = 200
    await world.hurry(webhook["id"])
    (done,) = await eventually(lambda: world.log(webhook["id"], status="delivered"), "the second attempt")
    assert done["attempts"] == 2
    first, second = world.receiver.events("broken", webhook["secret"])
    assert first == second

    world.receiver.answers["broken"] = 500
    await world.happen()
    await eventually(tried, "another failed attempt")
    await world.sql(
        "update webhook_delivery set attempts = 9, next_at = now() where webhook_id = :id and status = 'pending'",
        id=webhook["id"],
    )
    assert (await _until(world, webhook["id"], "disabled"))["disabled_reason"] == "failing"
    told = await world.sql(
        "select type from event where subject = :subject order by position", subject=f"webhook/{webhook['id']}"
    )
    assert [row.type.split(".")[3] for row in told] == ["registered", "disabled"]

    # What happens meanwhile is sent when it is enabled again.
    world.receiver.answers["broken"] = 200
    missed = await world.happen()
    await eventually(lambda: world.log(webhook["id"], status="pending"), "what is kept")
    assert (await world.office().post(f"/v1/webhooks/{webhook['id']}/enable", version=2)).status_code == 200

    async def caught_up() -> bool:
        return missed in {body["data"]["name"] for _, body in world.receiver.events("broken", webhook["secret"])}

    await eventually(caught_up, "what had happened meanwhile")


async def _until(world: World, webhook: str, status: str) -> Any:
    async def reached() -> Any:
        shown = (await world.office().get(f"/v1/webhooks/{webhook}")).json()
        return shown if shown["status"] == status else None

    return await eventually(reached, status)


async def test_an_endpoint_that_is_gone_is_asked_no_more_and_redirects_lead_nowhere(world: World) -> None:
    world.receiver.answers |= {"gone": 410, "moved": 302}
    gone = await world.register("gone", "hamkor.partners.institution.*")
    moved = await world.register("moved", "hamkor.partners.institution.*")
    await world.happen()
    assert (await _until(world, gone["id"], "disabled"))["disabled_reason"] == "gone"

    async def refused() -> bool:
        return any(each["problem"] == "http_302" for each in await world.log(moved["id"]))

    await eventually(refused, "the redirect")
    assert "inner" not in world.receiver.got


async def test_secrets_rotate_without_a_gap(world: World) -> None:
    webhook = await world.register("rotated", "hamkor.partners.institution.*")
    path = f"/v1/webhooks/{webhook['id']}"
    new = (await world.office().post(f"{path}/rotate", version=1)).json()["secret"]
    assert new != webhook["secret"]
    await world.happen()
    (came,) = await eventually(lambda: _some(world, "rotated", new), "an event")
    assert world.receiver.events("rotated", webhook["secret"]) == [came]
    ended = "update webhook_secret set ends_at = ends_at - cast(:overlap as interval) where webhook_id = :id"
    await world.sql(ended, id=webhook["id"], overlap=OVERLAP)
    world.receiver.got["rotated"].clear()
    await world.happen()
    await eventually(lambda: _some(world, "rotated", new), "another event")
    with pytest.raises(WebhookVerificationError):
        world.receiver.events("rotated", webhook["secret"])


async def test_tests_and_replays_are_deliveries_like_any_other(world: World) -> None:
    webhook = await world.register("again", "hamkor.partners.institution.*")
    path = f"/v1/webhooks/{webhook['id']}"
    tested = await world.office().post(f"{path}/test")
    assert tested.status_code == 202
    ((event, body),) = await eventually(lambda: _some(world, "again", webhook["secret"]), "the test")
    assert (event, body["type"]) == (tested.json()["event"], "hamkor.webhook.test")
    since = datetime.now(UTC).isoformat()
    name = await world.happen()

    async def came_times(count: int) -> bool:
        got = world.receiver.events("again", webhook["secret"])
        return [each["data"].get("name") for _, each in got].count(name) == count

    await eventually(lambda: came_times(1), "the event")

    async def noted() -> bool:
        return len(await world.log(webhook["id"], status="delivered")) == 2

    await eventually(noted, "that it is noted")
    replayed = await world.office().send("POST", f"{path}/replay?since={since.replace('+', '%2B')}")
    assert replayed.status_code == 202, replayed.text
    await eventually(lambda: came_times(2), "the event again")
    first, second = world.receiver.events("again", webhook["secret"])[-2:]
    assert first == second
    too_far = await world.office().send("POST", f"{path}/replay?since=2020-01-01T00:00:00Z")
    assert too_far.json()["errors"][0]["rule"] == "earlier_than"


async def test_a_delivery_whose_process_died_is_taken_up_again(world: World) -> None:
    webhook = await world.register("died", "hamkor.partners.institution.*")
    await world.sql("update webhook set status = 'disabled' where id = :id", id=webhook["id"])
    await world.happen()
    await eventually(lambda: world.log(webhook["id"], status="pending"), "the delivery")
    # As a killed process leaves it: taken, not settled, its lease over.
    await world.sql(
        "update webhook_delivery set attempts = 1, next_at = now() - interval '1 second' where webhook_id = :id",
        id=webhook["id"],
    )
    await world.sql("update webhook set status = 'active' where id = :id", id=webhook["id"])
    (done,) = await eventually(lambda: world.log(webhook["id"], status="delivered"), "the delivery")
    assert done["attempts"] == 2


async def test_webhooks_follow_their_institution(world: World) -> None:
    owner = world.institutions[1]
    client = world.partners.as_(Role.INSTITUTION, owner)
    webhook = await world.register("follows", by=client, owner=owner)
    region = world.partners.as_(Role.MINISTRY, "17")
    where = {"district": DISTRICTS[0], "since": "2026-01-01"}
    moved = await region.post(f"/v1/institutions/{owner}/move", where)
    assert moved.status_code == 200, moved.text
    (path,) = await world.sql("select org_path from webhook where id = :id", id=webhook["id"])
    assert path.org_path == f"/17/{DISTRICTS[0][:4]}/{DISTRICTS[0]}/{owner}/"


async def test_an_institutions_webhook_is_for_itself_alone(world: World) -> None:
    owner = world.institutions[0]
    school = world.partners.as_(Role.INSTITUTION, owner)
    webhook = await world.register("mine", by=school, owner=owner)
    path = f"/v1/webhooks/{webhook['id']}"
    for office in (world.office(), world.partners.as_(Role.REGION, "1708"), world.partners.as_(Role.MINISTRY, "17")):
        body = {"owner": owner, "label": "Portal", "url": f"{world.receiver.url}/theirs", "types": ["hamkor.*"]}
        assert (await office.post("/v1/webhooks", body)).status_code == 403
        assert webhook["id"] not in (await office.get("/v1/webhooks", limit=500)).text
        for seen in (path, f"{path}/deliveries"):
            assert (await office.get(seen)).status_code == 404
        for step in ("rotate", "disable", "enable", "remove", "test", "replay?since=2026-01-01T00:00:00Z"):
            assert (await office.post(f"{path}/{step}", version=1)).status_code == 404, step
        assert (await office.patch(path, {"url": f"{world.receiver.url}/theirs"}, version=1)).status_code == 404
    assert (await school.post(f"{path}/remove", version=1)).json()["status"] == "removed"


def an_event(type_: str, key: str, state: dict[str, Any]) -> Event:
    """An event of another service, as its stream brings it."""
    now = datetime.now(UTC)
    data = json.dumps(state).encode()
    return Event(
        id=new_id(), type=type_, source="agreements", subject="x/1", key=key, time=now, shard=0, position=1, data=data
    )


async def test_offices_hear_of_no_document_of_a_single_person_no_placement_and_no_hash(world: World) -> None:
    owner = world.institutions[0]
    own = await world.register("own-documents", by=world.partners.as_(Role.INSTITUTION, owner), owner=owner)
    offices = [
        await world.register("district-documents"),
        await world.register("ministry-documents", by=world.partners.as_(Role.MINISTRY, "17"), owner="17"),
    ]
    hashes = {"content_sha256": "c" * 64, "docx_sha256": "d" * 64, "pdf_sha256": "e" * 64}
    kinds = ("employment_contract", "teacher_internship", "student_internship", "cooperation_regulation")
    events = [
        an_event(f"hamkor.agreements.document.{what}.v1", owner, {"kind": kind, "number": f"{kind} {what}", **hashes})
        for kind in kinds
        for what in ("issued", "annulled")
    ]
    placed = {"number": "placed", "student_ref": "S-1", "cause": "health"}
    events.append(an_event("hamkor.agreements.placement.broken_off.v1", owner, placed))
    collecting = Collecting()
    async with world.partners.app.state.database.unit_of_work() as uow:
        await collecting.apply(uow, [(event, collecting.decode(event)) for event in events])

    async def sent(webhook: Any) -> dict[str, Any]:
        rows = await world.sql("select body from webhook_delivery where webhook_id = :id", id=webhook["id"])
        told = [json.loads(row.body)["data"] for row in rows]
        return {data["number"]: data for data in told if "number" in data}

    told = await sent(own)
    assert told.pop("placed") == placed
    assert told.keys() == {f"{kind} {what}" for kind in kinds for what in ("issued", "annulled")}
    assert all(data.items() >= hashes.items() for data in told.values())
    for office in offices:
        told = await sent(office)
        assert told.keys() == {"cooperation_regulation issued", "cooperation_regulation annulled"}
        assert not any(data.keys() & hashes.keys() for data in told.values())
