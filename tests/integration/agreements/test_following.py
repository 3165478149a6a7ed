"""References follow merged enterprises, rows follow institutions that move – once, in whatever order it is told."""

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from services.agreements.commands.register import Enterprise, take
from services.agreements.subscribers import Register
from shared.contracts.events import Event
from shared.messaging.inbox import Inbox
from shared.persistence.engine import make_engine
from shared.persistence.unit_of_work import Database
from shared.scope import Role
from tests.integration.agreements.support import (
    HERE,
    NEXT_DOOR,
    PAPER,
    Country,
    an_employment,
    day,
    do,
    ok,
    rules,
)
from tests.integration.agreements.test_lifecycle import told_of
from tests.support.engines import Postgres


async def test_agreements_and_employments_follow_a_merged_enterprise(country: Country) -> None:
    institution = await country.institution()
    lives, ends = await country.enterprise(), await country.enterprise()
    school = country.school(institution)
    drafted, active = await country.draft(institution, ends), await country.active(institution, ends)
    employment = ok(await school.post("/v1/employments", an_employment(institution, ends)), 201)
    assert (await country.firm(lives).get(f"/v1/agreements/{active['id']}")).status_code == 404
    await country.merge(ends, lives)
    for agreement in (drafted, active):
        followed = ok(await country.firm(lives).get(f"/v1/agreements/{agreement['id']}"))
        assert followed["parties"][1] == {**agreement["parties"][1], "ref": lives}
        assert (followed["version"], followed["status"]) == (agreement["version"] + 1, agreement["status"])
        assert (await country.firm(ends).get(f"/v1/agreements/{agreement['id']}")).status_code == 404
        assert (await told_of(country, agreement["id"])).count("reassigned") == 1
    followed = ok(await country.firm(lives).get(f"/v1/employments/{employment['id']}"))
    assert (followed["enterprise_id"], followed["status"]) == (lives, "reported")
    assert await told_of(country, employment["id"]) == ["reported", "reassigned"]


async def test_unmerge_gives_back_what_the_merge_moved_and_nothing_made_since(country: Country) -> None:
    institution = await country.institution()
    lives, ends = await country.enterprise(), await country.enterprise()
    school = country.school(institution)
    alone, both = await country.active(institution, ends), await country.active(institution, lives, ends)
    twins = [
        ok(await school.post("/v1/employments", an_employment(institution, each)), 201)["id"] for each in (lives, ends)
    ]
    await country.merge(ends, lives)
    since = await country.draft(institution, ends)
    later = ok(await school.post("/v1/employments", an_employment(institution, ends, graduate_ref="g-2")), 201)["id"]
    await country.told(await country.ministry.post(f"/v1/enterprises/{ends}/unmerge"))

    async def parties(agreement: dict[str, Any]) -> list[str]:
        state = ok(await school.get(f"/v1/agreements/{agreement['id']}"))
        return [party["ref"] for party in state["parties"][1:]]

    assert [await parties(each) for each in (alone, both, since)] == [[ends], [lives, ends], [lives]]
    followed = ok(await country.firm(ends).get(f"/v1/agreements/{both['id']}"))
    assert (followed["parties"], followed["version"]) == (both["parties"], both["version"] + 2)
    employments = [ok(await school.get(f"/v1/employments/{id_}")) for id_ in (*twins, later)]
    assert [(each["enterprise_id"], each["status"]) for each in employments] == [
        (lives, "reported"),
        (ends, "reported"),
        (lives, "reported"),
    ]
    assert await told_of(country, alone["id"]) == [*(await told_of(country, alone["id"]))[:-2], *["reassigned"] * 2]


async def test_command_that_names_a_merged_enterprise_is_stored_with_the_living_one(country: Country) -> None:
    institution = await country.institution()
    first, second, third = [await country.enterprise() for _ in range(3)]
    await country.merge(first, second)
    await country.merge(second, third)
    agreement = await country.draft(institution, first)
    assert agreement["parties"][1]["ref"] == third
    body = an_employment(institution, second)
    assert ok(await country.school(institution).post("/v1/employments", body), 201)["enterprise_id"] == third
    twice = await country.school(institution).post(
        "/v1/agreements",
        {**_without_ids(agreement), "parties": [*_parties(agreement), {"category": "enterprise", "ref": first}]},
    )
    assert rules(twice) == {"parties.2.ref": "duplicate"}


def _without_ids(agreement: dict[str, Any]) -> dict[str, Any]:
    wanted = ("institution_id", "form", "opportunities", "valid_from", "valid_until")
    return {name: agreement[name] for name in wanted}


def _parties(agreement: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"category": party["category"], "ref": party["ref"]} for party in agreement["parties"]]


async def test_both_places_for_signatures_stay_when_two_parties_become_one(country: Country) -> None:
    institution = await country.institution()
    lives, ends = await country.enterprise(), await country.enterprise()
    school = country.school(institution)
    signed, drafted = await country.active(institution, lives, ends), await country.draft(institution, lives, ends)
    for party in ("p1", "p2"):
        drafted = await do(school, drafted, "sign", {"party_id": party, "signed_on": day(-1), **PAPER})
    await country.merge(ends, lives)
    followed = ok(await school.get(f"/v1/agreements/{signed['id']}"))
    assert [party["ref"] for party in followed["parties"]] == [institution, lives, lives]
    assert [party["signature"] for party in followed["parties"]] == [party["signature"] for party in signed["parties"]]
    drafted = ok(await school.get(f"/v1/agreements/{drafted['id']}"))
    assert drafted["status"] == "draft"
    last = {"party_id": "p3", "kind": "electronic", "signed_on": day(0)}
    assert (await do(country.firm(lives), drafted, "sign", last))["status"] == "active"


async def test_of_two_reports_of_one_job_the_confirmed_one_stays(country: Country) -> None:
    institution = await country.institution()
    lives, ends = await country.enterprise(), await country.enterprise()
    school = country.school(institution)

    async def reported(graduate: str, enterprise: str, confirmed: bool) -> str:
        body = an_employment(institution, enterprise, graduate_ref=graduate)
        state = ok(await school.post("/v1/employments", body), 201)
        if confirmed:
            await do(country.firm(enterprise), state, "confirm", {}, of="employments")
        return str(state["id"])

    pairs = {
        graduate: (await reported(graduate, lives, kept == "lives"), await reported(graduate, ends, kept == "ends"))
        for graduate, kept in (("g-lives", "lives"), ("g-ends", "ends"), ("g-neither", ""))
    }
    await country.merge(ends, lives)
    stays = {
        "g-lives": ("confirmed", "cancelled"),
        "g-ends": ("cancelled", "confirmed"),
        "g-neither": ("reported", "cancelled"),
    }
    for graduate, ids in pairs.items():
        states = [ok(await school.get(f"/v1/employments/{id_}")) for id_ in ids]
        assert tuple(state["status"] for state in states) == stays[graduate], graduate
        assert {state["enterprise_id"] for state in states} == {lives}


@pytest.mark.parametrize("how", ["moved", "merged"])
async def test_rows_follow_an_institution_to_its_new_district(country: Country, how: str) -> None:
    institution, enterprise = await country.institution(HERE), await country.enterprise()
    successor, stranger = await country.institution(NEXT_DOOR), await country.institution(NEXT_DOOR)
    school = country.school(institution)
    agreement = await country.active(institution, enterprise)
    activities = f"/v1/agreements/{agreement['id']}/activities"
    ok(await school.post(activities, {"held_on": day(0), "participants": 3}), 201)
    employment = ok(await school.post("/v1/employments", an_employment(institution, enterprise)), 201)
    paths = (f"/v1/agreements/{agreement['id']}", activities)
    person = f"/v1/employments/{employment['id']}"
    old, new = (country.agreements.as_(Role.DISTRICT, district) for district in (HERE, NEXT_DOOR))
    assert [(await old.get(path)).status_code for path in paths] == [200] * 2
    if how == "moved":
        body = {"district": NEXT_DOOR, "since": day(-1)}
        await country.told(await country.ministry.post(f"/v1/institutions/{institution}/move", body))
    else:
        body = {"successor_id": successor, "merged_on": day(-1)}
        await country.told(await country.ministry.post(f"/v1/institutions/{institution}/merge", body))
    assert [(await old.get(path)).status_code for path in paths] == [404] * 2
    assert [(await new.get(path)).status_code for path in paths] == [200] * 2
    # Commands after the move leave the row where it is now.
    await do(country.firm(enterprise), employment, "confirm", {}, of="employments")
    assert ok(await school.get(person))["status"] == "confirmed"
    # Records of single persons are for those whose persons they are, wherever the institution lies.
    assert [(await office.get(person)).status_code for office in (old, new)] == [403] * 2
    assert agreement["id"] in {each["id"] for each in (await new.get("/v1/agreements")).json()["items"]}
    if how == "merged":
        # What is open goes on, by those who do its work now, who sign for it, too; nothing new begins; and all is as
        # before when it was a mistake.
        next_ = country.school(successor)
        assert [(await next_.get(path)).status_code for path in (*paths, person)] == [200] * 3
        assert [(await country.school(stranger).get(path)).status_code for path in (*paths, person)] == [404] * 3
        amended = await do(next_, agreement, "amend", {"valid_until": day(500), "every_party": True})
        party = next(each["party_id"] for each in amended["parties"] if each["category"] == "institution")
        word = {"party_id": party, "kind": "electronic", "signed_on": day(0)}
        assert party in amended["pending"]["awaits"]
        amended = await do(next_, amended, "confirm-amendment", word)
        assert party not in amended["pending"]["awaits"]
        await do(next_, amended, "end", {})
        again = {**_without_ids(agreement), "parties": _parties(agreement)}
        assert rules(await school.post("/v1/agreements", again)) == {"institution_id": "institution_closed"}
        await country.told(await country.ministry.post(f"/v1/institutions/{institution}/reopen"))
        assert [(await old.get(path)).status_code for path in paths] == [200] * 2
        ok(await school.post("/v1/agreements", again), 201)


async def test_closed_institution_and_enterprise_take_no_new_agreement(country: Country) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    agreement = await country.active(institution, enterprise)
    await country.told(await country.ministry.post(f"/v1/enterprises/{enterprise}/close"))
    body = {**_without_ids(agreement), "parties": _parties(agreement)}
    school = country.school(institution)
    assert rules(await school.post("/v1/agreements", body)) == {"parties.1.ref": "enterprise_closed"}
    assert (await do(school, agreement, "end", {}))["status"] == "ended"
    await country.told(await country.ministry.post(f"/v1/institutions/{institution}/close", {"closed_on": day(0)}))
    assert rules(await school.post("/v1/agreements", body)) == {"institution_id": "institution_closed"}


def told(position: int, aggregate: str, fact: str, **state: Any) -> Event:
    """An event of partners as the inbox gets it."""
    return Event(
        id=str(uuid.uuid4()),
        type=f"hamkor.partners.{aggregate}.{fact}.v1",
        source="partners",
        subject=f"{aggregate}/{state['id']}",
        key=state["id"],
        time=datetime.now(UTC),
        shard=0,
        position=position,
        data=msgspec.json.encode(state),
    )


async def test_order_repetition_and_age_of_what_is_told_change_nothing(postgres: Postgres) -> None:
    database = await postgres.database("agreements")
    engine = make_engine(database.url, application="test")
    try:
        inbox = Inbox(Database("agreements", engine), Register(), {"partners": None})  # type: ignore[dict-item]  # no gap
        await inbox.prepare()
        # Merges are told from different shards: here the later link of the chain comes first.
        events = [
            told(1, "enterprise", "merged", id="b", version=2, status="merged", merged_into="c"),
            told(2, "enterprise", "merged", id="a", version=3, status="merged", merged_into="b"),
            told(3, "enterprise", "registered", id="b", version=1, status="active"),
            told(4, "institution", "moved", id="i", version=2, code="P", status="active", path="/17/1708/1708204/i/"),
            told(5, "institution", "registered", id="i", version=1, code="P", status="active", path="/17/1703/1/i/"),
            told(6, "territory", "recorded", id="17", version=1),
            told(7, "enterprise", "merged.v2", id="z", version=1),
        ]
        assert await inbox.deliver("partners", events) == 7
        assert await inbox.deliver("partners", events[2:]) == 0
        async with Database("agreements", engine).unit_of_work() as uow:
            connection = await uow.session.connection()
            rows = await connection.exec_driver_sql("select id, version, merged_into from enterprise_ref order by id")
            assert [tuple(row) for row in rows] == [("a", 3, "b"), ("b", 2, "c"), ("c", 0, None)]
            rows = await connection.exec_driver_sql("select version, path from institution_ref")
            assert [tuple(row) for row in rows] == [(2, "/17/1708/1708204/i/")]
    finally:
        await engine.dispose()


async def test_draft_and_merge_at_the_same_time_end_with_the_living_enterprise(country: Country) -> None:
    institution = await country.institution()
    for _ in range(3):
        lives, ends = await country.enterprise(), await country.enterprise()
        drafts, _ = await asyncio.gather(
            asyncio.gather(*(country.draft(institution, ends) for _ in range(4))), country.merge(ends, lives)
        )
        for agreement in drafts:
            state = ok(await country.school(institution).get(f"/v1/agreements/{agreement['id']}"))
            assert state["parties"][1]["ref"] == lives


async def test_unmerge_finds_its_own_in_whatever_order_the_chain_was_told(country: Country) -> None:
    """Partners merged a into b, then b into c, and took the second back; here the links were told the other way."""
    institution = await country.institution()
    a, b, c = [await country.enterprise() for _ in range(3)]
    agreements = {id_: await country.draft(institution, id_) for id_ in (a, b, c)}
    engine = make_engine(country.database_url, application="test")
    try:
        database = Database("agreements", engine)

        async def tell(*states: dict[str, Any]) -> dict[str, str]:
            async with database.unit_of_work() as uow:
                await take(uow, [], [msgspec.convert(state, Enterprise) for state in states])
            named = {}
            for id_, agreement in agreements.items():
                state = ok(await country.school(institution).get(f"/v1/agreements/{agreement['id']}"))
                named[id_] = state["parties"][1]["ref"]
            return named

        def merged(id_: str, version: int, into: str) -> dict[str, Any]:
            return {"id": id_, "version": version, "status": "merged", "merged_into": into}

        def alone(id_: str, version: int) -> dict[str, Any]:
            return {"id": id_, "version": version, "status": "active"}

        assert await tell(merged(b, 2, c)) == {a: a, b: c, c: c}
        assert await tell(merged(a, 2, b)) == {a: c, b: c, c: c}
        assert await tell(alone(b, 3)) == {a: b, b: b, c: c}
        assert await tell(merged(a, 2, b), alone(b, 3)) == {a: b, b: b, c: c}
        # Undone and merged anew between two looks: only the last word counts.
        assert await tell(merged(a, 4, c)) == {a: c, b: b, c: c}
        assert await tell(alone(a, 5)) == {a: a, b: b, c: c}
    finally:
        await engine.dispose()
