"""Invitations: by facts exactly once, by lists, handed over once, turned into tokens once, told in company only."""

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from services.surveys.commands import invitations
from services.surveys.domain.campaigns import Campaign
from services.surveys.domain.codes import read_code
from services.surveys.domain.invitations import InvitationUsed, UnknownInvitation
from shared.contracts.agreements import EmploymentStatus
from shared.contracts.partners import EnterpriseStatus
from shared.contracts.practice import PlacementStatus
from shared.errors import WrongState
from shared.persistence.engine import make_session
from shared.scope import Role, Scope
from tests.integration.surveys.asking import (
    FIRM,
    TWIN,
    a_placement,
    an_employment,
    an_enterprise,
    an_outcome,
    facts,
    hear,
    months_ago,
    pass_time,
    told,
    vault_of,
)
from tests.integration.surveys.support import DISTRICT, MINE, OTHER, K, Office, an_institution, today


async def invited(office: Office, **filters: Any) -> list[dict[str, Any]]:
    answer = await office.coordinator.get("/v1/invitations", **filters)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def hand_over(office: Office, campaign: str, **body: Any) -> list[dict[str, Any]]:
    answer = await office.coordinator.post(f"/v1/campaigns/{campaign}/invitations/hand-over", body)
    assert answer.status_code == 201, answer.text
    return list(answer.json()["items"])


async def redeem(office: Office, shown: str, blinded: bytes) -> bytes:
    code = read_code(shown)
    assert code is not None

    async def sign(campaign: Campaign) -> bytes:
        return b"signed:" + campaign.id.encode() + blinded

    async def anything(_: Campaign) -> None:
        return

    async with office.database.unit_of_work() as uow:
        return await invitations.redeem(uow, vault_of(office), code, blinded, anything, sign)


async def test_a_completed_placement_invites_its_student_and_its_host_once(office: Office) -> None:
    await hear(office, an_enterprise(), a_placement(), a_placement("pl-2"))
    await pass_time(office)
    found = await invited(office)
    assert sorted((each["respondent"], each["respondent_ref"], each["instrument"]) for each in found) == [
        ("enterprise", FIRM, "S2"),
        ("student", "S-pl-1", "S3"),
        ("student", "S-pl-2", "S3"),
    ]
    # Told again, older and newer, in one batch and in another: nothing more is made.
    await hear(office, a_placement(version=1, status=PlacementStatus.PLACED, completed_on=None), a_placement())
    await hear(office, a_placement(version=3), a_placement(version=2))
    await pass_time(office)
    assert await invited(office) == found
    made = [state for fact, state in await told(office, "invitation") if fact == "made"]
    assert {state["id"] for state in made} >= {each["id"] for each in found}
    # They lie in standing campaigns of the year, one an instrument, told like any other.
    campaigns = {each["campaign_id"] for each in found}
    assert len(campaigns) == 2
    for id_ in campaigns:
        assert facts(await told(office, "campaign", id=id_)) == ["planned", "opened"]
    stranger = office.running.as_(Role.INSTITUTION, OTHER)
    assert (await stranger.get("/v1/invitations")).json()["items"] == []
    assert (await stranger.get(f"/v1/invitations/{found[0]['id']}")).status_code == 404


async def test_an_open_campaign_of_the_instrument_is_preferred_to_a_standing_one(office: Office) -> None:
    campaign = await office.campaign("S3")
    await hear(office, a_placement())
    await pass_time(office)
    (found,) = await invited(office, respondent="student")
    assert found["campaign_id"] == campaign.id


async def test_what_is_cancelled_or_corrected_withdraws_what_is_pending(office: Office) -> None:
    await hear(office, a_placement(), a_placement("pl-2", enterprise_id=FIRM))
    await pass_time(office)
    (first,) = await invited(office, respondent_ref="S-pl-1")
    (code,) = await hand_over(office, first["campaign_id"], invitations=[first["id"]])
    await hear(office, a_placement(version=3, status=PlacementStatus.CANCELLED))
    await pass_time(office)
    assert (await invited(office, respondent_ref="S-pl-1"))[0]["status"] == "withdrawn"
    with pytest.raises(UnknownInvitation):
        await redeem(office, code["code"], b"m")
    # The host was asked because of the first placement; the second keeps the question open.
    hosts = await invited(office, respondent="enterprise")
    assert sorted(each["status"] for each in hosts) == ["pending", "withdrawn"]
    # Another student stands in the corrected placement: that one is asked, the first is not any more.
    await hear(office, a_placement("pl-2", version=3, student_ref="S-other"))
    await pass_time(office)
    assert [(each["respondent_ref"], each["status"]) for each in await invited(office, respondent="student")] == [
        ("S-pl-1", "withdrawn"),
        ("S-pl-2", "withdrawn"),
        ("S-other", "pending"),
    ]


async def test_graduates_are_asked_at_six_and_twelve_months_whichever_fact_comes_first(office: Office) -> None:
    await hear(office, an_outcome(), an_employment(), an_employment("em-2", graduate_ref="G-2"))
    await pass_time(office)
    assert sorted((each["respondent_ref"], each["months"]) for each in await invited(office, instrument="S4")) == [
        ("G-1", 6),
        ("G-2", 6),
    ]
    await hear(office, an_employment("em-2", 2, graduate_ref="G-2", status=EmploymentStatus.CANCELLED))
    await pass_time(office, 185)
    later = await invited(office, instrument="S4")
    assert ("G-1", 12) in {(each["respondent_ref"], each["months"]) for each in later}
    assert ("G-2", 12) not in {(each["respondent_ref"], each["months"]) for each in later}
    # Of the one due day long past nobody is reminded now.
    await hear(office, an_employment("em-3", graduate_ref="G-3", started_on=months_ago(30)))
    await pass_time(office)
    assert await invited(office, respondent_ref="G-3") == []


async def test_the_ministry_turns_a_rule_off_and_on_as_data(office: Office) -> None:
    ministry = office.running.as_(Role.MINISTRY, "17")
    path = "/v1/invitation-rules/placement-student"
    rule = (await ministry.get(path)).json()
    assert (rule["instrument"], rule["version"], rule["enabled"]) == ("S3", 1, True)
    change = {name: rule[name] for name in ("instrument", "once_per", "valid_days", "remind_after_days", "reminders")}
    assert (await office.coordinator.put(path, change | {"enabled": False}, version=1)).status_code == 403
    assert (await ministry.put(path, change | {"enabled": False})).status_code == 428
    assert (await ministry.put(path, change | {"enabled": False}, version=1)).json()["version"] == 2
    assert (await ministry.put(path, change | {"enabled": True}, version=1)).status_code == 412
    wrong = await ministry.put(path, change | {"enabled": True, "instrument": "S9"}, version=2)
    assert wrong.json()["errors"][0]["rule"] == "instrument-unknown"
    await hear(office, a_placement())
    await pass_time(office)
    assert await invited(office, respondent="student") == []
    await ministry.put(path, change | {"enabled": True}, version=2)
    await pass_time(office)
    assert len(await invited(office, respondent="student")) == 1


async def test_facts_told_before_their_institution_invite_once_it_is_known(office: Office) -> None:
    newcomer = "019a0000-0000-7000-8000-000000000009"
    await hear(office, a_placement(institution_id=newcomer))
    await pass_time(office)
    assert await office.count("invitation") == 0
    await office.take_over(an_institution(newcomer, DISTRICT))
    async with office.database.unit_of_work() as uow:
        await invitations.find_homes(uow, [newcomer])
    await pass_time(office)
    assert await office.count("invitation") == 2


async def test_merged_enterprises_are_followed_and_come_back(office: Office) -> None:
    await hear(office, an_enterprise(), an_enterprise(TWIN, stir="302118805"))
    await hear(office, a_placement(), a_placement("pl-2", enterprise_id=TWIN))
    await pass_time(office)
    hosts = {each["respondent_ref"]: each["id"] for each in await invited(office, respondent="enterprise")}
    assert set(hosts) == {FIRM, TWIN}
    merged = {"stir": "302118805", "status": EnterpriseStatus.MERGED, "merged_into": FIRM}
    await hear(office, an_enterprise(TWIN, 2, **merged))
    pending = await invited(office, respondent="enterprise", status="pending")
    assert [each["respondent_ref"] for each in pending] == [FIRM]
    await hear(office, an_enterprise(TWIN, 3, stir="302118805"))
    pending = await invited(office, respondent="enterprise", status="pending")
    assert {each["respondent_ref"]: each["id"] for each in pending} == hosts


async def test_lists_invite_each_reference_once_and_name_the_rows_that_cannot(office: Office) -> None:
    campaign = await office.campaign("S5")

    def row(ref: str) -> dict[str, Any]:
        return {"row_key": ref[:3], "entry": {"campaign_id": campaign.id, "respondent": "teacher", "ref": ref}}

    body = {"items": [row("T-1"), row("T-2"), row("bad ref!")]}
    answer = await office.coordinator.post("/v1/invitations/bulk", body)
    assert (answer.status_code, answer.json()["done"], answer.json()["failed"]) == (207, 2, 1)
    again = (await office.coordinator.post("/v1/invitations/bulk", {"items": [row("T-1")]})).json()
    assert again["items"][0]["status"] == 200
    other = {"row_key": "x", "entry": row("T-1")["entry"]}
    twice = (await office.coordinator.post("/v1/invitations/bulk", {"items": [other]})).json()["items"][0]
    assert twice["problem"]["type"] == "urn:hamkor:problem:already-exists"
    stranger = office.running.as_(Role.INSTITUTION, OTHER)
    refused = (await stranger.post("/v1/invitations/bulk", {"items": [row("T-9")]})).json()["items"][0]
    assert refused["status"] == 404
    assert len(await invited(office, campaign_id=campaign.id)) == 2


async def test_a_secret_is_shown_once_kept_as_a_hash_and_voided_by_the_next(office: Office) -> None:
    await hear(office, a_placement())
    await pass_time(office)
    (found,) = await invited(office, respondent="student")
    path = f"/v1/campaigns/{found['campaign_id']}/invitations/hand-over"
    first = await office.coordinator.post(path, {}, key="once")
    (item,) = first.json()["items"]
    assert item["respondent_ref"] == "S-pl-1"
    assert item["url"].endswith(f"/s/i/{item['code']}")
    repeated = await office.coordinator.post(path, {}, key="once")
    assert repeated.json() == first.json()
    assert repeated.headers["Idempotency-Replayed"] == "true"
    # Nowhere in the database does the secret stand, as it is printed or without hyphens.
    for table in ("invitation", "event", "idempotency", "occasion", "redemption"):
        for secret in (item["code"], item["code"].replace("-", "")):
            where = f"select count(*) from {table} t where t::text like :secret"
            assert (await office.rows(where, secret=f"%{secret}%"))[0][0] == 0, table
    assert await hand_over(office, found["campaign_id"]) == []
    (second,) = await hand_over(office, found["campaign_id"], invitations=[found["id"]])
    with pytest.raises(UnknownInvitation):
        await redeem(office, item["code"], b"m")
    assert await redeem(office, second["code"], b"m")
    above = office.running.as_(Role.DISTRICT, DISTRICT)
    assert (await above.post(path, {})).status_code == 403
    page = await office.running.http.post(
        office.running.base + path,
        json={"invitations": [found["id"]]},
        headers={
            "Authorization": f"Bearer {office.running.issuer.token(Role.INSTITUTION, MINE)}",
            "Idempotency-Key": "page",
            "Accept": "text/html",
        },
    )
    assert "S-pl-1" in page.text
    assert page.headers["cache-control"] == "no-store"


async def test_one_invitation_gives_one_signature_however_often_it_is_asked(office: Office) -> None:
    await hear(office, a_placement())
    await pass_time(office)
    (found,) = await invited(office, respondent="student")
    (item,) = await hand_over(office, found["campaign_id"])
    before = (await office.rows("select xmin, xmax, ctid from invitation where id = :id", id=found["id"]))[0]
    signature = await redeem(office, item["code"], b"blinded")
    assert await redeem(office, item["code"], b"blinded") == signature
    with pytest.raises(InvitationUsed):
        await redeem(office, item["code"], b"another")
    # Its row says nothing of it, not even by having been locked.
    assert (await office.rows("select xmin, xmax, ctid from invitation where id = :id", id=found["id"]))[0] == before
    assert (await invited(office, respondent="student"))[0]["status"] == "pending"


@pytest.mark.parametrize("what", ["full", "lapsed", "closed"])
async def test_who_is_kept_out_hears_the_same_whether_the_invitation_was_taken_up_or_not(
    office: Office, what: str
) -> None:
    await hear(office, *(a_placement(f"pl-{number}") for number in range(2)))
    await pass_time(office)
    found = await invited(office, respondent="student")
    used, unused = await hand_over(office, found[0]["campaign_id"])
    signature = await redeem(office, used["code"], b"blinded")
    if what == "full":
        async with office.database.unit_of_work() as uow:
            await uow.session.execute(text("update campaign set full_since = '2026-01-01'"))
    elif what == "lapsed":
        days = (date.fromisoformat(found[0]["lapses_on"]) - today()).days
        await pass_time(office, days)
        assert {each["status"] for each in await invited(office, respondent="student")} == {"lapsed"}
    else:
        await office.coordinator.post(f"/v1/campaigns/{found[0]['campaign_id']}/close")
    if what != "closed":
        assert await redeem(office, used["code"], b"blinded") == signature
    heard = []
    for item in (used, unused):
        with pytest.raises(WrongState) as refused:
            await redeem(office, item["code"], b"another")
        heard.append((type(refused.value), refused.value.params))
    assert heard[0] == heard[1]


async def test_who_took_it_up_is_told_in_company_of_k_and_never_of_one(office: Office) -> None:
    await hear(office, *(a_placement(f"pl-{number}") for number in range(K + 2)))
    await pass_time(office)
    found = await invited(office, respondent="student")
    items = await hand_over(office, found[0]["campaign_id"])
    vault = vault_of(office)

    async def tell() -> int:
        async with office.database.unit_of_work() as uow:
            return await invitations.tell_redeemed(uow, vault, found[0]["campaign_id"], K)

    for item in items[: K - 1]:
        await redeem(office, item["code"], item["code"].encode())
    assert await tell() == 0
    assert {each["status"] for each in await invited(office, respondent="student")} == {"pending"}
    await redeem(office, items[K - 1]["code"], b"k")
    assert await tell() == K
    redeemed = await invited(office, respondent="student", status="redeemed")
    assert {each["id"] for each in redeemed} == {item["invitation"] for item in items[:K]}
    # One more took it up; at the campaign's end that lapses like the one that did not.
    await redeem(office, items[K]["code"], b"one more")
    assert await tell() == 0
    await office.coordinator.post(f"/v1/campaigns/{found[0]['campaign_id']}/close")
    await pass_time(office)
    assert len(await invited(office, respondent="student", status="lapsed")) == 2
    # The same signature is not to be had any more: the campaign is over.
    with pytest.raises(WrongState):
        await redeem(office, items[K]["code"], b"one more")


async def test_reminders_are_few_and_far_between_and_then_it_lapses(office: Office) -> None:
    await hear(office, a_placement())
    await pass_time(office)
    (found,) = await invited(office, respondent="student")
    for days in (0, 9, 10, 11, 19, 21, 40, 59, 60, 61):
        await pass_time(office, days)
    history = await told(office, "invitation", id=found["id"])
    assert facts(history) == ["made", "reminded", "reminded", "lapsed"]
    assert history[2][1]["reminded_on"] == (today() + timedelta(days=21)).isoformat()
    assert [state["version"] for _, state in history] == [1, 2, 3, 4]


async def test_all_follows_an_institution_that_moves_and_ends_with_one_that_closes(office: Office) -> None:
    await hear(office, a_placement())
    await pass_time(office)
    await office.take_over(an_institution(MINE, "1703202", version=2))
    new = office.running.as_(Role.DISTRICT, "1703202")
    assert (await new.get("/v1/response-rates")).json()["total"]["invited"] == 2
    old = office.running.as_(Role.DISTRICT, DISTRICT)
    assert (await old.get("/v1/response-rates")).json()["total"]["invited"] == 0


async def test_offices_see_of_invited_graduates_floors_alone(office: Office) -> None:
    await hear(office, *(an_outcome(f"o-{number}", graduate_ref=f"G-{number}") for number in range(K + 2)))
    await hear(office, a_placement())
    await pass_time(office)
    listed = await invited(office)
    graduates = [each for each in listed if each["respondent"] == "graduate"]
    assert len(graduates) == K + 2
    await office.coordinator.post(f"/v1/invitations/{graduates[0]['id']}/withdraw")
    path = "/v1/response-rates"
    own = (await office.coordinator.get(path, campaign=graduates[0]["campaign_id"])).json()["total"]
    assert own["invited"] == K + 1
    for role, org in ((Role.DISTRICT, DISTRICT), (Role.MINISTRY, "17")):
        above = office.running.as_(role, org)
        of_graduates = (await above.get(path, campaign=graduates[0]["campaign_id"])).json()["total"]
        assert (of_graduates["invited"], of_graduates["redeemed"], of_graduates["lapsed"]) == (K, 0, 0)
        assert (await above.get(path)).json()["total"]["invited"] == K + 2  # a student and a host beside them
        assert (await above.get("/v1/invitations")).status_code == 403
        assert (await above.get(f"/v1/invitations/{graduates[0]['id']}")).status_code == 403
        assert (await above.post(f"/v1/invitations/{graduates[1]['id']}/withdraw")).status_code == 403


@pytest.mark.parametrize(
    "statement",
    [
        "update invitation set org_path = '/17/1703/1703202/elsewhere/'",
        "insert into redemption values (decode(md5('1') || md5('2'), 'hex'), 'c', decode(md5('1') || md5('2'), 'hex'))",
        "insert into invitation_rule values ('x', 1, '{}')",
    ],
)
async def test_the_second_wall_keeps_invitations_where_they_are(office: Office, statement: str) -> None:
    await hear(office, a_placement())
    await pass_time(office)
    async with make_session(office.database.engine, Scope("institution", MINE)) as session:
        assert int((await session.execute(text("select count(*) from invitation"))).scalar_one()) == 2
        assert int((await session.execute(text("select count(*) from occasion"))).scalar_one()) == 0
        with pytest.raises(Exception, match="row-level security"):
            await session.execute(text(statement))
    for scope in (Scope("institution", OTHER), Scope("path", "/17/1703/"), Scope("none")):
        async with make_session(office.database.engine, scope) as session:
            assert int((await session.execute(text("select count(*) from invitation"))).scalar_one()) == 0
