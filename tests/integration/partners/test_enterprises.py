"""Merging, unmerging, closing and reopening entries of the national register: what follows, and what comes back."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from shared.scope import Role
from tests.integration.partners.test_registers import a_territory, an_institution
from tests.support.engines import Postgres, a_broker
from tests.support.issuer import Issuer
from tests.support.services import Client, Neighbourhood, Running, environment_of

State = dict[str, Any]


@dataclass
class Nation:
    """A ministry at work: entries and partnerships at will."""

    partners: Running
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    @property
    def ministry(self) -> Client:
        return self.partners.as_(Role.MINISTRY, "17")

    async def institution(self) -> str:
        return str((await an_institution(self.partners, code=f"P-{next(self._numbers)}"))["id"])

    async def enterprise(self) -> str:
        body = {
            "stir": f"3{next(self._numbers):08}",
            "name": "Zavod",
            "size": "large",
            "isic_section": "C",
            "district": "1708201",
        }
        return str(ok(await self.ministry.post("/v1/enterprises", body), 201)["id"])

    async def partnership(self, institution: str, enterprise: str) -> str:
        body = {
            "institution_id": institution,
            "category": "enterprise",
            "enterprise_id": enterprise,
            "stage": "existing",
            "forms": ["AF1"],
            "opportunities": ["O4"],
            "since": "2026-01-01",
        }
        return str(ok(await self.ministry.post("/v1/partnerships", body), 201)["id"])

    async def of(self, *partnerships: str) -> list[tuple[str, str]]:
        """Whom partnerships name, and their stage."""
        states = [ok(await self.ministry.get(f"/v1/partnerships/{id_}")) for id_ in partnerships]
        return [(state["enterprise_id"], state["stage"]) for state in states]

    async def merge(self, ends: str, lives: str) -> None:
        ok(await self.ministry.post(f"/v1/enterprises/{ends}/merge", {"into": lives}))

    async def unmerge(self, id_: str) -> None:
        ok(await self.ministry.post(f"/v1/enterprises/{id_}/unmerge"))


def ok(answer: Any, status: int = 200) -> State:
    assert answer.status_code == status, answer.text
    state: State = answer.json()
    return state


@pytest.fixture(scope="module")
async def nation(
    postgres: Postgres, issuer: Issuer, http: httpx.AsyncClient, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Nation]:
    """One running service for the file; every test makes entries of its own."""
    urls = {"partners": (await postgres.database("partners")).url}
    async with a_broker(tmp_path_factory.mktemp("broker")) as broker:
        near = Neighbourhood(issuer, environment_of(issuer.url, urls, broker.setting, True), http)
        async with near.service("partners") as partners:
            await a_territory(partners)
            yield Nation(partners)


async def test_unmerge_gives_back_what_the_merge_moved_and_nothing_made_since(nation: Nation) -> None:
    lives, ends = await nation.enterprise(), await nation.enterprise()
    first, second, third = [await nation.institution() for _ in range(3)]
    moved, twin = await nation.partnership(first, ends), await nation.partnership(second, ends)
    kept = await nation.partnership(second, lives)
    await nation.merge(ends, lives)
    assert await nation.of(moved, twin, kept) == [(lives, "existing"), (ends, "ended"), (lives, "existing")]
    since = await nation.partnership(third, ends)  # names the duplicate, is stored with the one that lives
    await nation.unmerge(ends)
    state = ok(await nation.ministry.get(f"/v1/enterprises/{ends}"))
    assert (state["status"], state["merged_into"], state["version"]) == ("active", None, 3)
    assert await nation.of(moved, twin) == [(ends, "existing")] * 2
    assert await nation.of(kept, since) == [(lives, "existing")] * 2
    again = await nation.ministry.post(f"/v1/enterprises/{ends}/unmerge")
    assert (again.status_code, again.json()["possible"]) == (409, ["update", "merge", "close"])
    # A second merge is a merge of its own.
    await nation.merge(ends, lives)
    assert (await nation.of(moved))[0][0] == lives
    await nation.unmerge(ends)
    assert (await nation.of(moved, kept))[0][0] == ends


async def test_what_was_changed_by_hand_since_the_merge_stays(nation: Nation) -> None:
    lives, ends = await nation.enterprise(), await nation.enterprise()
    moved = await nation.partnership(await nation.institution(), ends)
    await nation.merge(ends, lives)
    ok(await nation.ministry.patch(f"/v1/partnerships/{moved}", {"stage": "ended"}))
    await nation.unmerge(ends)
    assert await nation.of(moved) == [(ends, "ended")]


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
async def test_chain_of_merges_is_undone_link_by_link_in_any_order(nation: Nation, order: tuple[str, str]) -> None:
    ids = {name: await nation.enterprise() for name in "abc"}
    links = {name: await nation.partnership(await nation.institution(), ids[name]) for name in "abc"}
    await nation.merge(ids["a"], ids["b"])
    await nation.merge(ids["b"], ids["c"])
    assert [each for each, _ in await nation.of(*links.values())] == [ids["c"]] * 3
    first, second = order
    await nation.unmerge(ids[first])
    named = dict(zip("abc", [each for each, _ in await nation.of(*links.values())], strict=True))
    # Without the second link the first still holds; without the first the second goes on alone.
    assert named == ({"a": ids["a"], "b": ids["c"]} if first == "a" else {"a": ids["b"], "b": ids["b"]}) | {
        "c": ids["c"]
    }
    await nation.unmerge(ids[second])
    assert [each for each, _ in await nation.of(*links.values())] == list(ids.values())


async def test_partnership_that_ended_as_a_duplicate_lives_again_when_the_other_is_gone(nation: Nation) -> None:
    a, b, c = [await nation.enterprise() for _ in range(3)]
    institution = await nation.institution()
    of_a, of_b = await nation.partnership(institution, a), await nation.partnership(institution, b)
    await nation.merge(a, c)
    await nation.merge(b, c)
    assert await nation.of(of_a, of_b) == [(c, "existing"), (b, "ended")]
    await nation.unmerge(a)
    assert await nation.of(of_a, of_b) == [(a, "existing"), (c, "existing")]
    await nation.unmerge(b)
    assert await nation.of(of_a, of_b) == [(a, "existing"), (b, "existing")]


async def test_merges_at_the_same_time_leave_one_living_end(nation: Nation) -> None:
    institution = await nation.institution()
    for _ in range(3):
        a, b, c = [await nation.enterprise() for _ in range(3)]
        named = await nation.partnership(institution, a)

        async def merge(ends: str, lives: str) -> int:
            return (await nation.ministry.post(f"/v1/enterprises/{ends}/merge", {"into": lives})).status_code

        statuses = await asyncio.gather(merge(a, b), merge(b, a), merge(b, c), merge(c, a))
        assert set(statuses) <= {200, 409}
        states = [ok(await nation.ministry.get(f"/v1/enterprises/{id_}")) for id_ in (a, b, c)]
        living = [state["id"] for state in states if state["status"] == "active"]
        assert statuses.count(200) == 3 - len(living)
        into = {state["id"]: state["merged_into"] for state in states}
        end = a
        while into[end] is not None:
            end = into[end]
        assert [each for each, _ in await nation.of(named)] == [end]
        ok(await nation.ministry.patch(f"/v1/partnerships/{named}", {"stage": "ended"}))


async def test_merge_and_new_partnership_at_the_same_time_end_with_the_living_one(nation: Nation) -> None:
    for _ in range(3):
        lives, ends = await nation.enterprise(), await nation.enterprise()
        institutions = [await nation.institution() for _ in range(4)]
        *made, _ = await asyncio.gather(
            *(nation.partnership(each, ends) for each in institutions), nation.merge(ends, lives)
        )
        assert [each for each, _ in await nation.of(*map(str, made))] == [lives] * 4


async def test_needs_follow_there_and_back(nation: Nation) -> None:
    lives, ends = await nation.enterprise(), await nation.enterprise()
    body = {"enterprise_id": ends, "opportunity": "O6", "profession": "7212", "quantity": 3, "since": "2026-01-01"}
    need = ok(await nation.ministry.post("/v1/needs", body), 201)["id"]
    for step, named in (("merge", lives), ("unmerge", ends)):
        ok(await nation.ministry.post(f"/v1/enterprises/{ends}/{step}", {"into": lives} if step == "merge" else None))
        assert ok(await nation.ministry.get(f"/v1/needs/{need}"))["enterprise_id"] == named


async def test_closed_enterprise_keeps_its_partnerships_and_takes_no_new_one(nation: Nation) -> None:
    id_, institution = await nation.enterprise(), await nation.institution()
    old = await nation.partnership(institution, id_)
    ok(await nation.ministry.post(f"/v1/enterprises/{id_}/close"))
    assert await nation.of(old) == [(id_, "existing")]
    ok(await nation.ministry.patch(f"/v1/partnerships/{old}", {"forms": ["AF2"]}))
    body = {
        "institution_id": await nation.institution(),
        "category": "enterprise",
        "enterprise_id": id_,
        "forms": ["AF1"],
        "opportunities": ["O4"],
        "since": "2026-01-01",
    }
    refused = await nation.ministry.post("/v1/partnerships", body)
    assert refused.json()["errors"][0]["rule"] == "enterprise_closed"
    assert refused.json()["errors"][0]["remedy"]
    changed = await nation.ministry.patch(f"/v1/enterprises/{id_}", {"size": "small"})
    assert (changed.status_code, changed.json()["possible"]) == (409, ["reopen"])
    own = nation.partners.as_(Role.ENTERPRISE, id_)
    assert (await own.post(f"/v1/enterprises/{id_}/reopen")).status_code == 403
    far = nation.partners.as_(Role.REGION, "1703")
    assert (await far.post(f"/v1/enterprises/{id_}/reopen")).status_code == 403
    assert (
        ok(await nation.partners.as_(Role.REGION, "1708").post(f"/v1/enterprises/{id_}/reopen"))["status"] == "active"
    )
    assert ok(await nation.ministry.post("/v1/partnerships", body), 201)["enterprise_id"] == id_
