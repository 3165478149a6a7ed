"""The registers over HTTP on a real database: commands, scope, idempotency, events."""

from typing import Any

from shared.scope import Role
from tests.support.services import Running

NAMES = {"uz": "n", "uz-Cyrl": "н", "ru": "н", "en": "n"}


async def a_territory(partners: Running) -> None:
    ministry = partners.as_(Role.MINISTRY, "17")
    for soato in ("17", "1708", "1708201", "1708204", "1703", "1703202"):
        response = await ministry.put(f"/v1/territory/{soato}", {"names": NAMES})
        assert response.status_code == 200, response.text


async def an_institution(partners: Running, district: str = "1708201", code: str = "P-1") -> dict[str, Any]:
    body = {
        "code": code,
        "name": "Jizzax texnikumi",
        "kind": "technikum",
        "district": district,
        "opened_on": "2020-09-01",
    }
    response = await partners.as_(Role.MINISTRY, "17").post("/v1/institutions", body)
    assert response.status_code == 201, response.text
    state: dict[str, Any] = response.json()
    return state


async def test_registered_institution_is_seen_in_its_territory_and_nowhere_else(partners: Running) -> None:
    await a_territory(partners)
    institution = await an_institution(partners)
    path = f"/v1/institutions/{institution['id']}"
    for role, org in (
        (Role.MINISTRY, "17"),
        (Role.REGION, "1708"),
        (Role.DISTRICT, "1708201"),
        (Role.INSTITUTION, institution["id"]),
    ):
        assert (await partners.as_(role, org).get(path)).status_code == 200
    for role, org in ((Role.REGION, "1703"), (Role.DISTRICT, "1708204"), (Role.INSTITUTION, "0198-other")):
        answer = await partners.as_(role, org).get(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"


async def test_same_idempotency_key_registers_once(partners: Running) -> None:
    await a_territory(partners)
    ministry = partners.as_(Role.MINISTRY, "17")
    body = {"code": "P-1", "name": "A", "kind": "school", "district": "1708201", "opened_on": "2020-09-01"}
    first = await ministry.post("/v1/institutions", body, key="k1")
    again = await ministry.post("/v1/institutions", body, key="k1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert first.headers["hamkor-position"] == again.headers["hamkor-position"]
    other = await ministry.post("/v1/institutions", body | {"name": "B"}, key="k1")
    assert other.status_code == 422
    assert other.json()["type"].endswith("idempotency-key-reused")
    taken = await ministry.post("/v1/institutions", body)
    assert taken.status_code == 409
