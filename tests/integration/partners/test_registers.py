"""The registers over HTTP on a real database: commands, scope, idempotency, events."""

import csv
import io
from typing import Any

from shared.ids import new_id
from shared.scope import Role
from shared.web.exchange import CSV
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


VALID = {"code": "P-9", "name": "A", "kind": "school", "district": "1708201", "opened_on": "2020-09-01"}
ENTERPRISE = {"stir": "301234567", "name": "Zavod", "size": "large", "isic_section": "C", "district": "1708201"}


async def test_move_takes_institution_and_reports_to_the_new_districts_eyes(partners: Running) -> None:
    await a_territory(partners)
    id_ = (await an_institution(partners))["id"]
    school = partners.as_(Role.INSTITUTION, id_)
    reported = await school.put(f"/v1/institutions/{id_}/enrolments/2025-26", {"places": 90, "first_choice": 120})
    assert reported.status_code == 200
    assert (
        await school.post(f"/v1/institutions/{id_}/move", {"district": "1708204", "since": "2026-03-01"})
    ).status_code == 403
    region = partners.as_(Role.REGION, "1708")
    foreign = await region.post(f"/v1/institutions/{id_}/move", {"district": "1703202", "since": "2026-03-01"})
    assert foreign.status_code == 404
    moved = await region.post(f"/v1/institutions/{id_}/move", {"district": "1708204", "since": "2026-03-01"})
    assert moved.status_code == 200
    reports = f"/v1/institutions/{id_}/enrolments"
    assert (await partners.as_(Role.DISTRICT, "1708201").get(reports)).status_code == 404
    seen = await partners.as_(Role.DISTRICT, "1708204").get(reports)
    assert [year["places"] for year in seen.json()["items"]] == [90]


async def test_merged_institution_lies_below_its_successor_and_comes_back(partners: Running) -> None:
    await a_territory(partners)
    ministry, region = partners.as_(Role.MINISTRY, "17"), partners.as_(Role.REGION, "1708")
    ends, lives, far = [
        (await an_institution(partners, district, code))["id"]
        for district, code in (("1708201", "P-1"), ("1708204", "P-2"), ("1703202", "P-3"))
    ]
    reported = await ministry.put(f"/v1/institutions/{ends}/enrolments/2025-26", {"places": 90, "first_choice": 120})
    assert reported.status_code == 200
    merge = {"successor_id": lives, "merged_on": "2026-03-01"}
    for role, org in ((Role.DISTRICT, "1708201"), (Role.INSTITUTION, ends)):
        assert (await partners.as_(role, org).post(f"/v1/institutions/{ends}/merge", merge)).status_code == 403
    # Nobody merges into what they don't see, nor learns that it is there.
    for unseen in (far, new_id()):
        refused = await region.post(f"/v1/institutions/{ends}/merge", merge | {"successor_id": unseen})
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["rule"] == "unknown_institution"

    merged = await region.post(f"/v1/institutions/{ends}/merge", merge, version=1)
    assert merged.status_code == 200, merged.text
    state = merged.json()
    assert (state["status"], state["successor_id"], state["closed_on"]) == ("closed", lives, "2026-03-01")
    reports = f"/v1/institutions/{ends}/enrolments"
    here, there = (partners.as_(Role.DISTRICT, district) for district in ("1708201", "1708204"))
    assert [(await office.get(reports)).status_code for office in (here, there)] == [404, 200]
    # Who goes on with its work sees what was its own, and it sees nothing of them.
    own, next_ = partners.as_(Role.INSTITUTION, ends), partners.as_(Role.INSTITUTION, lives)
    assert [(await school.get(reports)).status_code for school in (own, next_)] == [200, 200]
    assert [(await own.get(f"/v1/institutions/{id_}")).status_code for id_ in (ends, lives)] == [200, 404]
    seen = (await next_.get("/v1/institutions")).json()["items"]
    assert {each["id"] for each in seen} == {ends, lives}
    found = await there.get("/v1/institutions", successor_id=lives)
    assert [each["id"] for each in found.json()["items"]] == [ends]
    refused = await region.patch(f"/v1/institutions/{ends}", {"name": "Yangi"})
    assert refused.status_code == 409

    # Its successor goes into another region, and is merged there: who was merged into it goes along each time.
    moved = await ministry.post(
        f"/v1/institutions/{lives}/move", {"district": "1703202", "since": "2026-04-01"}, version=1
    )
    assert moved.status_code == 200, moved.text
    assert (await region.get(f"/v1/institutions/{ends}")).status_code == 404
    again = await ministry.post(f"/v1/institutions/{lives}/merge", {"successor_id": far, "merged_on": "2026-05-01"})
    assert again.status_code == 200, again.text
    state = (await ministry.get(f"/v1/institutions/{ends}")).json()
    assert [each["district"] for each in state["membership"]] == ["1708201", "1708204", "1703202"]
    assert (state["successor_id"], state["version"]) == (lives, 4)
    assert state["path"] == f"/17/1703/1703202/{far}/{lives}/{ends}/"
    last = partners.as_(Role.INSTITUTION, far)
    assert [(await school.get(reports)).status_code for school in (next_, last)] == [200, 200]

    for id_ in (lives, ends):
        answer = await ministry.post(f"/v1/institutions/{id_}/reopen")
        assert answer.status_code == 200, answer.text
    assert (await ministry.post(f"/v1/institutions/{ends}/reopen")).status_code == 409
    assert [(await office.get(reports)).status_code for office in (here, there, own, next_, last)] == [
        200, 404, 200, 404, 404,
    ]  # fmt: skip
    state = (await here.get(f"/v1/institutions/{ends}")).json()
    assert (state["status"], state["successor_id"], len(state["membership"])) == ("active", None, 1)


async def test_merged_enterprise_takes_its_partnerships_along(partners: Running) -> None:
    await a_territory(partners)
    ministry = partners.as_(Role.MINISTRY, "17")
    first, second = [await an_institution(partners, code=code) for code in ("P-1", "P-2")]
    lives = (await ministry.post("/v1/enterprises", ENTERPRISE)).json()
    ends = (await ministry.post("/v1/enterprises", ENTERPRISE | {"stir": "301234568"})).json()

    async def partner(institution: dict[str, Any], enterprise: dict[str, Any]) -> dict[str, Any]:
        body = {
            "institution_id": institution["id"],
            "category": "enterprise",
            "enterprise_id": enterprise["id"],
            "stage": "existing",
            "forms": ["AF1"],
            "opportunities": ["O4"],
            "since": "2026-01-01",
        }
        answer = await ministry.post("/v1/partnerships", body)
        assert answer.status_code == 201, answer.text
        state: dict[str, Any] = answer.json()
        return state

    both = [await partner(first, lives), await partner(first, ends)]
    follows = await partner(second, ends)
    assert (
        await partners.as_(Role.REGION, "1708").post(f"/v1/enterprises/{ends['id']}/merge", {"into": lives["id"]})
    ).status_code == 403
    merged = await ministry.post(f"/v1/enterprises/{ends['id']}/merge", {"into": lives["id"]})
    assert merged.status_code == 200
    assert merged.headers["hamkor-position"].count("partners/") == 3
    states = {item["id"]: item for item in (await ministry.get("/v1/partnerships")).json()["items"]}
    assert [states[state["id"]]["stage"] for state in both] == ["existing", "ended"]
    assert states[follows["id"]]["enterprise_id"] == lives["id"]
    # Who names the duplicate from now on gets the one that lives on.
    again = await ministry.post(
        "/v1/partnerships",
        {
            "institution_id": second["id"],
            "category": "enterprise",
            "enterprise_id": ends["id"],
            "forms": ["AF2"],
            "opportunities": ["O6"],
            "since": "2026-02-01",
        },
    )
    assert again.status_code == 409
    assert again.json()["id"] == follows["id"]


async def test_wrong_requests_name_field_rule_and_remedy(partners: Running) -> None:
    await a_territory(partners)
    ministry = partners.as_(Role.MINISTRY, "17")
    body = {"code": "P 1", "name": "", "kind": "circus", "district": "99", "opened_on": "tomorrow", "x": 1}
    answer = await ministry.post("/v1/institutions", body)
    assert answer.status_code == 422
    errors = {error["field"]: error for error in answer.json()["errors"]}
    assert set(errors) == {"code", "name", "kind", "district", "opened_on", "x"}
    assert all(error["message"] and error["remedy"] for error in errors.values())
    assert errors["district"]["rule"] == "district_code"
    unknown = await ministry.post("/v1/institutions", VALID | {"district": "1799999"})
    assert unknown.json()["errors"][0]["rule"] == "unknown_territory"
    assert (await ministry.get("/v1/institutions", after="%%%")).json()["errors"][0]["rule"] == "cursor"
    assert (await ministry.get("/v1/institutions", district="17x")).status_code == 422
    keyless = await partners.http.post(
        partners.base + "/v1/institutions", json=VALID, headers={"Authorization": f"Bearer {ministry.token}"}
    )
    assert keyless.status_code == 400


async def test_lists_page_by_keyset_and_search(partners: Running) -> None:
    await a_territory(partners)
    ministry = partners.as_(Role.MINISTRY, "17")
    for number in range(5):
        await an_institution(partners, code=f"P-{number}")
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = (await ministry.get("/v1/institutions", limit=2, **({"after": cursor} if cursor else {}))).json()
        seen += [item["code"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert sorted(seen) == [f"P-{number}" for number in range(5)]
    assert (await ministry.get("/v1/institutions", q="texNIK", limit=10)).json()["items"]
    assert (await ministry.get("/v1/institutions", q="100%", limit=10)).json()["items"] == []
    assert (await ministry.get("/v1/institutions", district="1703")).json()["items"] == []


async def test_operator_and_enterprise_see_no_institution(partners: Running) -> None:
    await a_territory(partners)
    id_ = (await an_institution(partners))["id"]
    for role, org in ((Role.OPERATOR, ""), (Role.ENTERPRISE, "0198-e")):
        assert (await partners.as_(role, org).get(f"/v1/institutions/{id_}")).status_code == 403
    named = await partners.as_(Role.ENTERPRISE, "0198-e").get(f"/v1/institutions/{id_}/name")
    assert (named.json()["name"], set(named.json())) == (
        "Jizzax texnikumi",
        {"id", "code", "name", "kind", "district"},
    )
    assert (await partners.as_(Role.OPERATOR).get(f"/v1/institutions/{id_}/name")).status_code == 403
    assert (await partners.as_(Role.ENTERPRISE, "0198-e").get("/v1/institutions/0198-f/name")).status_code == 404


async def test_institutions_and_enterprises_come_in_and_go_out_together(partners: Running) -> None:
    await a_territory(partners)
    region = partners.as_(Role.REGION, "1708")
    rows = "code,name,kind,district,opened_on\nF-1,=1+1,school,1708201,2020-09-01\nF-2,B,school,1703202,2020-09-01\n"
    headers = region._headers() | {"Content-Type": CSV, "Idempotency-Key": "file-1"}
    answer = await partners.http.post(partners.base + "/v1/institutions/import", content=rows, headers=headers)
    assert (answer.status_code, answer.json()["done"], answer.json()["failed"]) == (207, 1, 1)
    assert answer.json()["items"][1]["row"] == 3
    firm = {"name": "“Zarafshon” AJ", "size": "large", "isic_section": "C", "district": "1708201"}
    entries = [firm | {"stir": "301000001"}, firm | {"stir": "301000002", "size": "small"}, firm | {"stir": "1"}]
    bulk = await region.post("/v1/enterprises/bulk", {"items": [{"entry": entry} for entry in entries]})
    assert [each["status"] for each in bulk.json()["items"]] == [201, 201, 422]

    def codes(file: str, column: str) -> list[str]:
        return [row[column] for row in csv.DictReader(io.StringIO(file.removeprefix("\ufeff")))]

    exported = (await region.get("/v1/institutions/export")).text
    assert (codes(exported, "code"), codes(exported, "name")) == (["F-1"], ["'=1+1"])
    assert codes((await region.get("/v1/institutions/export", district="1708204")).text, "code") == []
    assert codes((await partners.as_(Role.REGION, "1703").get("/v1/institutions/export")).text, "code") == []
    large = (await region.get("/v1/enterprises/export", size="large", district="1708", isic_section="C")).text
    assert codes(large, "stir") == ["301000001"]
    assert (await partners.as_(Role.OPERATOR).get("/v1/enterprises/export")).status_code == 403
