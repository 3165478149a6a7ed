"""The register searched: across scripts, slips and word order, by STIR, narrowed – and paged where nothing is asked."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from shared.scope import Role
from tests.integration.partners.test_enterprises import Nation, ok
from tests.integration.partners.test_registers import a_territory
from tests.support.engines import Postgres, a_broker
from tests.support.issuer import Issuer
from tests.support.services import Neighbourhood, environment_of

ENTERPRISES = (
    ("301000001", "“Jizzax Plastmassa” AJ", "large", "C", "1708201"),
    ("301000002", "“Жиззах Пластик” МЧЖ", "small", "C", "1708204"),
    ("301000003", "“Oʻzbek yoʻli” MCHJ", "medium", "F", "1703202"),
    ("302000004", "ООО «Королёв Строй»", "micro", "F", "1708201"),
    ("302000005", "Nur savdo XK", "micro", "G", "1708201"),
    ("302000006", "Nur savdo servis XK", "micro", "G", "1703202"),
)


@pytest.fixture(scope="module")
async def nation(
    postgres: Postgres, issuer: Issuer, http: httpx.AsyncClient, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Nation]:
    """A register of six."""
    urls = {"partners": (await postgres.database("partners")).url}
    async with a_broker(tmp_path_factory.mktemp("broker")) as broker:
        near = Neighbourhood(issuer, environment_of(issuer.url, urls, broker.setting, True), http)
        async with near.service("partners") as partners:
            await a_territory(partners)
            nation = Nation(partners)
            for stir, name, size, section, district in ENTERPRISES:
                body = {"stir": stir, "name": name, "size": size, "isic_section": section, "district": district}
                ok(await nation.ministry.post("/v1/enterprises", body), 201)
            yield nation


async def stirs(nation: Nation, **params: Any) -> list[str]:
    return [item["stir"][-1] for item in ok(await nation.ministry.get("/v1/enterprises", **params))["items"]]


@pytest.mark.parametrize(
    ("q", "best"),
    [
        ("jizzax plastmassa", "1"),
        ("ЖИЗЗАХ ПЛАСТМАССА", "1"),
        ("plastmassa jizzakh aj", "1"),
        ("plasmassa jizax", "1"),
        ("jizzah plastik mchj", "2"),
        ("o'zbek yo'li", "3"),
        ("Ўзбек йўли МЧЖ", "3"),
        ("uzbek yoli", "3"),
        ("королев", "4"),
        ("korolyov stroy", "4"),
        ("savdo nur", "5"),
        ("nur servis", "6"),
        ("koro", "4"),
        ("302000006", "6"),
    ],
)
async def test_best_answer_comes_first(nation: Nation, q: str, best: str) -> None:
    assert (await stirs(nation, q=q))[0] == best


async def test_stir_is_found_by_its_beginning_and_all_narrow(nation: Nation) -> None:
    assert await stirs(nation, q="3010") == ["1", "2", "3"]
    assert await stirs(nation, q="3010", district="1708") == ["1", "2"]
    assert await stirs(nation, q="nur savdo", district="1703") == ["6"]
    assert await stirs(nation, q="nur savdo", isic_section="C") == []
    assert await stirs(nation, q="jizzax", size="small") == ["2"]
    assert sorted(await stirs(nation, district="1708201", isic_section="F")) == ["4"]
    assert await stirs(nation, q="qandolat") == []
    assert await stirs(nation, q="«»") == []
    assert await stirs(nation, q="a" * 100) == []
    assert await stirs(nation, q="100%_\\") == []
    wrong = await nation.ministry.get("/v1/enterprises", district="17")
    assert wrong.status_code == 422
    assert (await nation.partners.as_(Role.OPERATOR).get("/v1/enterprises", q="nur")).status_code == 403


async def test_pages_go_through_all_that_is_narrowed(nation: Nation) -> None:
    seen: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = ok(await nation.ministry.get("/v1/enterprises", district="1708", limit=2, **after))
        seen += [item["stir"] for item in page["items"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert sorted(seen) == ["301000001", "301000002", "302000004", "302000005"]


async def test_new_name_and_status_are_found_at_once(nation: Nation) -> None:
    body = {"stir": "303000007", "name": "Eski nom", "size": "small", "isic_section": "S", "district": "1703202"}
    id_ = ok(await nation.ministry.post("/v1/enterprises", body), 201)["id"]
    ok(await nation.ministry.patch(f"/v1/enterprises/{id_}", {"name": "Butunlay boshqacha"}))
    assert await stirs(nation, q="бутунлай бошқача") == ["7"]
    assert await stirs(nation, q="eski nom") == []
    ok(await nation.ministry.post(f"/v1/enterprises/{id_}/close"))
    assert await stirs(nation, q="boshqacha", status="active") == []
    assert await stirs(nation, q="boshqacha", status="closed") == ["7"]
