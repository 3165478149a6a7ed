"""Own instruments over HTTP: drafted, corrected, published for good, seen by those below, retired; nobody else's."""

from typing import Any

import pytest
from sqlalchemy import text

from services.surveys.api.instruments import EXAMPLE
from shared.errors import NotFound
from shared.scope import SYSTEM, Principal, Role
from tests.integration.surveys.support import DISTRICT, MINE, OTHER, OTHER_DISTRICT, Office, an_institution
from tests.support.services import Client


def people(office: Office) -> dict[str, Client]:
    """Everybody around an instrument of the region 1708."""
    return {
        "ministry": office.running.as_(Role.MINISTRY, "17"),
        "region": office.running.as_(Role.REGION, DISTRICT[:4]),
        "district": office.running.as_(Role.DISTRICT, DISTRICT),
        "mine": office.running.as_(Role.INSTITUTION, MINE),
        "other region": office.running.as_(Role.REGION, OTHER_DISTRICT[:4]),
        "other": office.running.as_(Role.INSTITUTION, OTHER),
    }


async def drafted(client: Client, **changes: Any) -> dict[str, Any]:
    answer = await client.post("/v1/instruments", {**EXAMPLE, **changes})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def published(client: Client, **changes: Any) -> dict[str, Any]:
    draft = await drafted(client, **changes)
    answer = await client.post(f"/v1/instruments/{draft['code']}/versions/1/publish", version=draft["version"])
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def codes(client: Client, status: str = "published") -> set[str]:
    """What a list shows, the standard ones aside."""
    answer = await client.get("/v1/instruments", status=status, limit=500)
    assert answer.status_code == 200, answer.text
    return {item["code"] for item in answer.json()["items"] if not item["standard"]}


async def test_a_draft_is_its_owners_and_published_it_is_seen_by_all_below(office: Office) -> None:
    everybody = people(office)
    draft = await drafted(everybody["region"])
    assert draft["code"] == "R1708-PRACTICE"
    sees = {name for name, client in everybody.items() if await codes(client, "draft")}
    assert sees == {"region", "ministry"}
    for name in ("district", "mine", "other region", "other"):
        assert (await everybody[name].get(f"/v1/instruments/{draft['code']}")).status_code == 404
    address = f"/v1/instruments/{draft['code']}/versions/1"
    assert (await everybody["district"].post(f"{address}/publish", version=1)).status_code == 404
    assert (await everybody["region"].post(f"{address}/publish")).status_code == 428
    answer = await everybody["region"].post(f"{address}/publish", version=1)
    assert answer.status_code == 200, answer.text
    sees = {name for name, client in everybody.items() if draft["code"] in await codes(client)}
    assert sees == {"ministry", "region", "district", "mine"}
    for name in ("district", "mine"):
        assert (await everybody[name].get(f"/v1/instruments/{draft['code']}")).json()["status"] == "published"
        for act in ("publish", "retire"):
            assert (await everybody[name].post(f"{address}/{act}", version=2)).status_code == 404
    assert (await everybody["other"].get(f"/v1/instruments/{draft['code']}")).status_code == 404


async def test_a_published_version_never_changes_and_the_next_one_may(office: Office) -> None:
    region = people(office)["region"]
    first = await published(region)
    address = f"/v1/instruments/{first['code']}"
    changed = {**first["document"], "title": {"uz": "Boshqa", "ru": "Другое", "en": "Other"}}
    answer = await region.put(f"{address}/versions/1", changed, version=2)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:hamkor:problem:instrument-published")
    assert (await region.send("DELETE", f"{address}/versions/1", version=2)).status_code == 409
    answer = await region.post(f"{address}/versions")
    assert answer.status_code == 201, answer.text
    assert (answer.json()["instrument_version"], answer.json()["status"]) == (2, "draft")
    assert (await region.post(f"{address}/versions")).status_code == 409
    stale = await region.put(f"{address}/versions/2", changed | {"version": 2}, version=7)
    assert stale.status_code == 412
    answer = await region.put(f"{address}/versions/2", changed | {"version": 2}, version=1)
    assert answer.status_code == 200, answer.text
    wrong = await region.put(f"{address}/versions/2", changed, version=2)
    assert [error["rule"] for error in wrong.json()["errors"]] == ["instrument-code-changed"]
    shown = (await region.get(address)).json()
    assert (shown["version"], shown["title"]["en"]) == (1, "About the practice")
    answer = await region.post(f"{address}/versions/2/publish", version=int(answer.headers["etag"].strip('"')))
    assert answer.status_code == 200, answer.text
    assert (await region.get(address)).json()["title"]["en"] == "Other"
    assert (await region.get(address, version=1)).json()["title"]["en"] == "About the practice"


async def test_the_database_itself_keeps_what_is_published(office: Office) -> None:
    first = await published(people(office)["region"])
    for change in ("document = '{}'", "status = 'draft'"):
        with pytest.raises(Exception, match="never changes"):
            async with office.database.unit_of_work() as uow:
                await uow.session.execute(text(f"update own_instrument set {change}"))
    district = Principal("d", Role.DISTRICT, DISTRICT)
    async with office.database.unit_of_work(district) as uow:
        for statement in ("update own_instrument set status = 'retired'", "delete from own_instrument"):
            assert (await uow.session.execute(text(f"{statement} returning code"))).all() == []
        assert (await uow.session.execute(text("select code from own_instrument"))).scalar_one() == first["code"]
    stranger = Principal("o", Role.INSTITUTION, OTHER)
    async with office.database.reading(stranger) as session:
        assert (await session.execute(text("select count(*) from own_instrument"))).scalar_one() == 0


async def test_faults_of_a_document_come_at_once_and_publication_asks_for_every_language(office: Office) -> None:
    mine = people(office)["mine"]
    broken = {**EXAMPLE, "group": "S9", "sections": [{**EXAMPLE["sections"][0], "title": {}}], "colour": "red"}
    answer = await mine.post("/v1/instruments", broken)
    assert answer.status_code == 422
    assert {"group", "colour", "sections[work].title.uz"} <= {error["field"] for error in answer.json()["errors"]}
    assert all(error["remedy"] for error in answer.json()["errors"])
    in_russian = await drafted(mine, title={"ru": "Только по-русски"})
    assert in_russian["code"] == f"I{MINE[-8:]}-PRACTICE"
    address = f"/v1/instruments/{in_russian['code']}/versions/1"
    answer = await mine.post(f"{address}/publish", version=1)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:hamkor:problem:instrument-incomplete")
    assert {error["field"] for error in answer.json()["errors"]} == {"title.uz", "title.en"}
    checked = await mine.post("/v1/instruments/validate", in_russian["document"])
    assert (checked.status_code, checked.json()["questions"]) == (200, 2)
    answer = await mine.send("DELETE", address, version=1)
    assert answer.status_code == 200, answer.text
    assert await codes(mine, "draft") == set()


async def test_the_library_brings_published_ones_into_memory_and_nothing_else(office: Office) -> None:
    ministry = people(office)["ministry"]
    library = office.running.app.state.surveys.library
    draft = await drafted(ministry, code="OWN")
    async with office.database.reading(SYSTEM) as session:
        with pytest.raises(NotFound):
            await library.ensure(session, draft["code"])
        with pytest.raises(NotFound):
            await library.ensure(session, draft["code"], 1)
    await ministry.post(f"/v1/instruments/{draft['code']}/versions/1/publish", version=1)
    async with office.database.reading(SYSTEM) as session:
        found = await library.ensure(session, draft["code"])
        assert found is await library.ensure(session, draft["code"], 1)
    assert library.get(draft["code"], 1) is found
    stranger = Principal("e", Role.ENTERPRISE, OTHER)
    async with office.database.reading(stranger) as session:
        with pytest.raises(NotFound):
            await library.ensure(session, draft["code"], scope=stranger.scope)
    await ministry.post(f"/v1/instruments/{draft['code']}/versions/1/retire", version=2)
    async with office.database.reading(SYSTEM) as session:
        with pytest.raises(NotFound):
            await library.ensure(session, draft["code"])
        assert await library.ensure(session, draft["code"], 1) is found


async def test_lists_are_pages_over_standard_and_own_ones_and_codes_are_free_once(office: Office) -> None:
    ministry = people(office)["ministry"]
    for code in ("A", "B", "Z"):
        await published(ministry, code=code)
    assert (await ministry.post("/v1/instruments", {**EXAMPLE, "code": "A"})).status_code == 409
    found: list[str] = []
    after: dict[str, Any] = {}
    while True:
        page = (await ministry.get("/v1/instruments", limit=3, **after)).json()
        found += [item["code"] for item in page["items"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert found == ["M-A", "M-B", "M-Z", "S1", "S2", "S3", "S4", "S5"]


async def test_instruments_follow_an_institution_that_moves(office: Office) -> None:
    mine = people(office)["mine"]
    first = await published(mine)
    await office.take_over(an_institution(district=OTHER_DISTRICT, version=2))
    assert first["code"] in await codes(people(office)["other region"])
    assert first["code"] not in await codes(people(office)["region"])
    await office.take_over(an_institution(version=3))


async def test_the_same_request_again_drafts_once(office: Office) -> None:
    region = people(office)["region"]
    answers = [await region.post("/v1/instruments", EXAMPLE, key="draft-once") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["idempotency-replayed"] == "true"


async def test_what_one_office_has_read_is_not_read_by_another_from_memory(office: Office) -> None:
    everybody = people(office)
    code = (await published(everybody["region"]))["code"]
    codebook, results = f"/v1/instruments/{code}/codebook", "/v1/results"
    assert (await everybody["region"].get(codebook, version=1)).status_code == 200
    assert (await everybody["district"].get(codebook, version=1)).status_code == 200
    assert (await everybody["region"].get(results, instrument=code, version=1)).status_code == 200
    for version in ({"version": 1}, {}):
        assert (await everybody["other region"].get(codebook, **version)).status_code == 404
        assert (await everybody["other"].get(codebook, **version)).status_code == 404
        assert (await everybody["other region"].get(results, instrument=code, **version)).status_code == 404
        assert (await everybody["other region"].get("/v1/trend", instrument=code)).status_code == 404
