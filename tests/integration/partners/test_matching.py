"""Matching over HTTP: ranks with their reasons, from both sides, each seeing only what it may."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from services.partners.domain.matching import Listings
from services.partners.queries import matching as queries
from shared.contracts.preparation import ListingState
from shared.i18n import Lang
from shared.scope import SYSTEM, Role
from tests.integration.partners.test_enterprises import Nation, ok
from tests.integration.partners.test_registers import a_territory
from tests.support.engines import Postgres, a_broker
from tests.support.issuer import Issuer
from tests.support.services import Neighbourhood, environment_of

WELDER = "7212"


@pytest.fixture(scope="module")
async def nation(
    postgres: Postgres, issuer: Issuer, http: httpx.AsyncClient, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Nation]:
    """One running service for the file: what is matched is the whole register."""
    urls = {"partners": (await postgres.database("partners")).url}
    async with a_broker(tmp_path_factory.mktemp("broker")) as broker:
        near = Neighbourhood(issuer, environment_of(issuer.url, urls, broker.setting, True), http)
        async with near.service("partners") as partners:
            await a_territory(partners)
            yield Nation(partners)


async def an_enterprise(nation: Nation, section: str, size: str, district: str) -> str:
    body = {"stir": f"4{next(nation._numbers):08}", "name": f"{section} {size} {district}", "size": size}
    body |= {"isic_section": section, "district": district}
    return str(ok(await nation.ministry.post("/v1/enterprises", body), 201)["id"])


async def a_college(nation: Nation, sector: str = "C", occupation: str = WELDER) -> str:
    id_ = await nation.institution()
    ok(await nation.ministry.patch(f"/v1/institutions/{id_}", {"sector": sector}))
    programme = {"code": "1", "title": "P", "isced_level": 3, "isced_field": "0715", "occupations": [occupation]}
    ok(await nation.ministry.put(f"/v1/institutions/{id_}/programmes", {"programmes": [programme]}))
    return id_


async def matches(nation: Nation, path: str, role: Role = Role.MINISTRY, org: str = "17", **params: Any) -> Any:
    return ok(await nation.partners.as_(role, org).get(path, **params))["items"]


async def test_ranks_follow_from_their_reasons(nation: Nation) -> None:
    college = await a_college(nation)
    here, region, far = "1708201", "1708204", "1703202"
    small_here = await an_enterprise(nation, "C", "small", here)
    large_here = await an_enterprise(nation, "C", "large", here)
    large_region = await an_enterprise(nation, "C", "large", region)
    large_far = await an_enterprise(nation, "C", "large", far)
    teaches_nothing_for = await an_enterprise(nation, "K", "large", here)
    closed = await an_enterprise(nation, "C", "large", here)
    ok(await nation.ministry.post(f"/v1/enterprises/{closed}/close"))
    path = f"/v1/institutions/{college}/matches"
    found = await matches(nation, path, limit=100)
    ids = [each["enterprise"]["id"] for each in found]
    wanted = [large_here, small_here, large_region, large_far, teaches_nothing_for]
    assert [id_ for id_ in ids if id_ in wanted] == wanted
    assert closed not in ids
    assert [each["rank"] for each in found] == list(range(1, len(found) + 1))
    scores = [each["score"] for each in found]
    assert scores == sorted(scores, reverse=True)
    for each in found:
        assert each["score"] == pytest.approx(sum(reason["points"] for reason in each["reasons"]), abs=1e-3)
        assert all(0 <= reason["value"] <= 1 and reason["text"] for reason in each["reasons"])
    codes = {reason["code"] for reason in found[ids.index(large_here)]["reasons"]}
    assert codes == {"same_sector", "programmes_suit", "same_district", "no_partnership_yet", "size_large"}
    # The best of a short list are the best of a long one, and asking again changes nothing.
    assert await matches(nation, path, limit=3) == found[:3]
    # A partnership that ended pulls down, one that lives lifts.
    ended = await nation.partnership(college, large_here)
    ok(await nation.ministry.patch(f"/v1/partnerships/{ended}", {"stage": "ended"}))
    await nation.partnership(college, small_here)
    again = [each["enterprise"]["id"] for each in await matches(nation, path)]
    assert again.index(small_here) < again.index(large_here)


async def test_need_that_is_offered_brings_a_far_partner_forward(nation: Nation) -> None:
    college = await a_college(nation, "F", "7112")
    near = await an_enterprise(nation, "F", "micro", "1708201")
    far = await an_enterprise(nation, "F", "micro", "1703202")
    listing = {"opportunity": "O4", "form": "AF1", "profession": "7112", "quantity": 5, "since": "2026-01-01"}
    ok(await nation.ministry.post("/v1/needs", listing | {"institution_id": college}), 201)
    ok(await nation.ministry.post("/v1/offers", listing | {"enterprise_id": far}), 201)
    found = await matches(nation, f"/v1/institutions/{college}/matches")
    ids = [each["enterprise"]["id"] for each in found]
    reason = next(each for each in found[ids.index(far)]["reasons"] if each["consideration"] == "exchange")
    assert (reason["code"], reason["value"], reason["points"]) == ("enterprise_offers", 0.5, 0.125)
    assert near in ids
    own = await matches(nation, f"/v1/enterprises/{far}/matches", Role.ENTERPRISE, far)
    assert own[0]["institution"]["id"] == college
    assert set(own[0]["institution"]) == {"id", "code", "name", "kind", "district"}


async def test_of_many_who_offer_the_same_the_nearest_are_looked_at(
    nation: Nation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "LISTED", 1)
    college = await a_college(nation, "F", "7113")
    listing = {"opportunity": "O5", "form": "AF4", "profession": "7113", "quantity": 5, "since": "2026-01-01"}
    ok(await nation.ministry.post("/v1/needs", listing | {"institution_id": college}), 201)
    offering = [await an_enterprise(nation, "K", "micro", district) for district in ("1703202", "1708204", "1708201")]
    for id_ in offering:
        ok(await nation.ministry.post("/v1/offers", listing | {"enterprise_id": id_}), 201)
    need = ok(await nation.partners.as_(Role.INSTITUTION, college).get("/v1/needs"))["items"][0]
    mine = Listings(needs=[ListingState.model_validate({name: need[name] for name in ListingState.model_fields})])
    async with nation.partners.app.state.database.reading(SYSTEM) as session:
        assert await queries._exchanging(session, mine, "enterprise_id", "1708201") == {offering[-1]}


async def test_each_side_asks_for_itself_in_its_language(nation: Nation) -> None:
    college, other = await a_college(nation), await a_college(nation)
    enterprise = await an_enterprise(nation, "C", "large", "1708201")
    school = nation.partners.as_(Role.INSTITUTION, college)
    assert (await school.get(f"/v1/institutions/{college}/matches")).status_code == 200
    assert (await school.get(f"/v1/institutions/{other}/matches")).status_code == 404
    assert (await school.get(f"/v1/enterprises/{enterprise}/matches")).status_code == 403
    firm = nation.partners.as_(Role.ENTERPRISE, enterprise)
    assert (await firm.get(f"/v1/enterprises/{enterprise}/matches")).status_code == 200
    assert (await firm.get(f"/v1/institutions/{college}/matches")).status_code == 403
    foreign = nation.partners.as_(Role.REGION, "1703")
    assert (await foreign.get(f"/v1/enterprises/{enterprise}/matches")).status_code == 404
    texts = set()
    for lang in Lang:
        headers = {"Authorization": f"Bearer {school.token}", "Accept-Language": lang}
        answer = await school.http.get(f"{school.base}/v1/institutions/{college}/matches", headers=headers)
        texts |= {
            reason["text"] for reason in answer.json()["items"][0]["reasons"] if reason["code"] == "same_district"
        }
    assert len(texts) == 4


async def test_institution_that_said_nothing_yet_gets_those_nearby(nation: Nation) -> None:
    college = await nation.institution()
    found = await matches(nation, f"/v1/institutions/{college}/matches", limit=5)
    assert len(found) == 5
    assert {each["enterprise"]["district"][:4] for each in found} == {"1708"}
    assert {reason["consideration"] for each in found for reason in each["reasons"]} == {"distance", "history", "size"}
