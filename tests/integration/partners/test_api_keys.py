"""API keys: issued once, limited to their scopes, accepted by every service, ended everywhere soon."""

import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from shared.clock import local_day, now
from shared.scope import SYSTEM, Role
from shared.web import auth
from tests.support.services import Client, Running

NAMES = {"uz": "n", "uz-Cyrl": "н", "ru": "н", "en": "n"}


@dataclass
class World:
    partners: Running
    agreements: Running
    institution: str

    def as_key(self, key: str, service: Running | None = None) -> Client:
        service = service or self.partners
        return Client(service.http, service.base, key)

    async def issue(self, *scopes: str, by: Client | None = None, **changes: Any) -> dict[str, Any]:
        by = by or self.partners.as_(Role.INSTITUTION, self.institution)
        expires = (local_day(now()) + timedelta(days=30)).isoformat()
        body = {"institution_id": self.institution, "label": "Portal", "scopes": scopes, "expires_on": expires}
        answer = await by.post("/v1/api-keys", body | changes)
        assert answer.status_code == 201, answer.text
        issued: dict[str, Any] = answer.json()
        return issued


@pytest.fixture(scope="module")
async def world(neighbourhood: Callable[..., Any]) -> AsyncIterator[World]:
    async with (
        neighbourhood("partners", "agreements") as near,
        near.service("partners") as partners,
        near.service("agreements") as agreements,
    ):
        ministry = partners.as_(Role.MINISTRY, "17")
        for soato in ("17", "1708", "1708201"):
            assert (await ministry.put(f"/v1/territory/{soato}", {"names": NAMES})).status_code == 200
        body = {"code": "K-1", "name": "A", "kind": "school", "district": "1708201", "opened_on": "2020-09-01"}
        institution = (await ministry.post("/v1/institutions", body)).json()["id"]
        yield World(partners, agreements, institution)


async def test_a_key_acts_for_its_institution_within_its_scopes(world: World) -> None:
    issued = await world.issue("institution.read", "partnership.*")
    client = world.as_key(issued["key"])
    assert (await client.get(f"/v1/institutions/{world.institution}")).status_code == 200
    assert (await client.get("/v1/partnerships")).status_code == 200
    refused = await client.get("/v1/needs")
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:hamkor:problem:scope-lacking")
    assert refused.json()["scope"] == "listing.read"
    assert "listing.read" in refused.json()["detail"]
    update = await client.patch(f"/v1/institutions/{world.institution}", {"name": "B"})
    assert update.json()["scope"] == "institution.update"


async def test_reading_keys_write_nothing_and_no_key_makes_keys(world: World) -> None:
    reading = world.as_key((await world.issue("read"))["key"])
    assert (await reading.get("/v1/needs")).status_code == 200
    name = f"/v1/institutions/{world.institution}"
    assert (await reading.patch(name, {"name": "C"})).status_code == 403
    writing = world.as_key((await world.issue("read", "write"))["key"])
    assert (await writing.patch(name, {"name": "C"})).status_code == 200
    for answer in (await writing.post("/v1/api-keys", _another(world)), await writing.get("/v1/api-keys")):
        assert answer.json()["type"] == "urn:hamkor:problem:scope-lacking"


def _another(world: World) -> dict[str, Any]:
    expires_on = local_day(now()).isoformat()
    return {"institution_id": world.institution, "label": "x", "scopes": ["write"], "expires_on": expires_on}


async def test_other_services_accept_keys_and_hear_of_their_end(world: World) -> None:
    issued = await world.issue("read")
    there = world.as_key(issued["key"], world.agreements)
    assert (await there.get("/v1/agreements")).status_code == 200
    owner = world.partners.as_(Role.INSTITUTION, world.institution)
    revoked = await owner.post(f"/v1/api-keys/{issued['id']}/revoke", version=1)
    assert revoked.json()["status"] == "revoked"
    assert (await world.as_key(issued["key"]).get("/v1/needs")).status_code == 401
    again = await owner.post(f"/v1/api-keys/{issued['id']}/revoke", version=2)
    assert again.json()["type"] == "urn:hamkor:problem:wrong-state"
    # Half a minute goes by.
    known = world.agreements.app.state.verifier._api_keys._known
    known |= {digest: (principal, until - auth.KEYS_KNOWN_S) for digest, (principal, until) in known.items()}
    assert (await there.get("/v1/agreements")).status_code == 401


async def test_the_secret_is_shown_once_and_kept_nowhere(world: World) -> None:
    by = world.partners.as_(Role.INSTITUTION, world.institution)
    key = str(uuid.uuid4())
    first = (await by.post("/v1/api-keys", _another(world), key=key)).json()
    again = (await by.post("/v1/api-keys", _another(world), key=key)).json()
    assert first["id"] == again["id"]
    assert "key" not in again
    secret = first["key"].rpartition("_")[2]
    listed = await by.get("/v1/api-keys", institution_id=world.institution)
    assert secret not in listed.text
    shown = next(item for item in listed.json()["items"] if item["id"] == first["id"])
    assert (shown["label"], shown["last_used_on"]) == ("x", None)
    assert (await world.as_key(first["key"]).get("/v1/territory")).status_code == 403
    used = (await by.get(f"/v1/api-keys/{first['id']}")).json()["last_used_on"]
    assert abs((date.fromisoformat(used) - local_day(now())).days) <= 1
    async with world.partners.app.state.database.reading(SYSTEM) as session:
        tables = (
            await session.execute(
                text("select table_name from information_schema.tables where table_schema = 'public'")
            )
        ).scalars()
        for table in tables.all():
            rows = (await session.execute(text(f"select t::text from {table} t"))).scalars().all()
            assert not any(secret in row or secret.encode().hex() in row for row in rows), table


async def test_institutions_alone_issue_keys_that_may_what_they_may_and_offices_end_them(world: World) -> None:
    issued = await world.issue("read")
    other = world.partners.as_(Role.INSTITUTION, "x" * 36)
    answer = await other.post("/v1/api-keys", _another(world))
    assert answer.json()["errors"][0]["rule"] == "unknown_institution"
    assert (await other.get("/v1/api-keys")).json()["items"] == []
    offices = [(Role.DISTRICT, "1708201"), (Role.REGION, "1708"), (Role.MINISTRY, "17"), (Role.ENTERPRISE, "e")]
    for role, org in offices:
        answer = await world.partners.as_(role, org).post("/v1/api-keys", _another(world))
        assert answer.status_code == 403, role
    path = f"/v1/api-keys/{issued['id']}"
    assert (await world.partners.as_(Role.DISTRICT, "1703202").get(path)).status_code == 404
    revoked = await world.partners.as_(Role.DISTRICT, "1708201").post(f"{path}/revoke", version=1)
    assert revoked.json()["status"] == "revoked"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"expires_on": "2020-01-01"}, "earlier_than"),
        ({"expires_on": "2999-01-01"}, "key_too_long"),
        ({"scopes": ["everything"]}, "string_pattern_mismatch"),
        ({"scopes": []}, "too_short"),
    ],
)
async def test_keys_that_may_too_much_or_last_too_long_are_refused(world: World, changes: Any, rule: str) -> None:
    by = world.partners.as_(Role.INSTITUTION, world.institution)
    answer = await by.post("/v1/api-keys", _another(world) | changes)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["rule"] == rule
    assert answer.json()["errors"][0]["message"] != rule
    assert "^" not in answer.json()["errors"][0]["message"], "said in words"


async def test_wrong_keys_are_nobodys(world: World) -> None:
    key = (await world.issue("read"))["key"]
    other = "0" if key[-1] != "0" else "1"
    wrong = [key[:-1] + other, key + "0", "hk_", "hk_x_y", "hk_" + "0" * 32 + "_" + "0" * 64, key.upper()]
    for service in (world.partners, world.agreements):
        for token in wrong:
            answer = await world.as_key(token, service).get("/v1/agreements")
            assert answer.status_code in (401, 404), token
        assert (await world.as_key(wrong[0], service).get("/v1/openapi.json")).status_code == 200
    check = await world.partners.as_(Role.MINISTRY, "17").post("/internal/api-keys/check", {"key": key})
    assert check.status_code == 403
