"""An agreement's life over HTTP: drafted, signed by every party, in force, interrupted, ended – once each."""

import asyncio

from shared.scope import Role
from tests.integration.agreements.support import HERE, PAPER, Country, a_draft, day, do, ok, rules

AMENDED = {"opportunities": ["O4", "O6"], "scan_ref": "s-1"}


async def test_agreement_is_in_force_at_once_when_the_last_party_has_signed(country: Country) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    school, firm = country.school(institution), country.firm(enterprise)
    agreement = await country.draft(
        institution,
        enterprise,
        parties=[
            {"category": "institution", "ref": institution},
            {"category": "enterprise", "ref": enterprise},
            {"category": "hokimiyat", "ref": "H-12"},
        ],
    )
    assert agreement["status"] == "draft"
    agreement = await do(school, agreement, "sign", {"party_id": "p1", "kind": "electronic", "signed_on": day(-9)})
    agreement = await do(firm, agreement, "sign", {"party_id": "p2", "kind": "electronic", "signed_on": day(-5)})
    assert (agreement["status"], agreement["signed_on"]) == ("draft", None)
    agreement = await do(school, agreement, "sign", {"party_id": "p3", "signed_on": day(-7), **PAPER})
    assert (agreement["status"], agreement["signed_on"]) == ("active", day(-5))
    assert agreement["active_periods"] == [{"since": day(-5), "until": None}]
    for step, body in (
        ("suspend", {"suspended_on": day(-4)}),
        ("resume", {"resumed_on": day(-2)}),
        ("amend", {"valid_until": day(400), "opportunities": ["O6", "O4", "O6"], "scan_ref": "s-1"}),
        ("end", {}),
    ):
        agreement = await do(school, agreement, step, body)
    assert agreement["status"] == "ended"
    assert agreement["active_periods"] == [{"since": day(-5), "until": day(-4)}, {"since": day(-2), "until": day(0)}]
    assert (agreement["amendment"], agreement["opportunities"]) == (1, ["O4", "O6"])
    assert await country.firm(enterprise).get(f"/v1/agreements/{agreement['id']}") is not None
    types = await told_of(country, agreement["id"])
    assert types == [
        "drafted",
        "signed",
        "signed",
        "signed",
        "activated",
        "suspended",
        "resumed",
        "amended",
        "ended",
    ]


async def told_of(country: Country, id_: str) -> list[str]:
    """The facts the agreements service told of an aggregate, in order."""
    service = country.agreements.as_(Role.SERVICE)
    facts = []
    for shard, head in enumerate((await service.get("/internal/heads")).json()["heads"]):
        if head:
            events = (await service.get("/internal/events", shard=shard, limit=5000)).json()["events"]
            facts += [event["type"].split(".")[3] for event in events if event["subject"].endswith(id_)]
    return facts


async def test_same_key_drafts_once_and_answers_the_same(country: Country) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    school = country.school(institution)
    body = a_draft(institution, enterprise)
    first, again = [await school.post("/v1/agreements", body, key="draft-once") for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert len(ok(await school.get("/v1/agreements"))["items"]) == 1
    other = await school.post("/v1/agreements", {**body, "form": "AF2"}, key="draft-once")
    assert other.status_code == 422


async def test_same_key_signs_once(country: Country) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    agreement = await country.draft(institution, enterprise)
    path = f"/v1/agreements/{agreement['id']}/sign"
    body = {"party_id": "p1", "kind": "electronic", "signed_on": day(0)}
    answers = await asyncio.gather(
        *(country.school(institution).post(path, body, version=1, key="sign-once") for _ in range(4))
    )
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["version"] for answer in answers} == {2}


async def test_change_without_version_is_refused_and_with_an_old_one_too(country: Country) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    school = country.school(institution)
    agreement = await country.draft(institution, enterprise)
    path = f"/v1/agreements/{agreement['id']}"
    body = {"party_id": "p1", "kind": "electronic", "signed_on": day(0)}
    assert (await school.post(f"{path}/sign", body)).status_code == 428
    signed = await school.post(f"{path}/sign", body, version=1)
    assert (signed.status_code, signed.headers["etag"]) == (200, '"2"')
    late = await school.post(f"{path}/cancel", version=1)
    assert late.status_code == 412
    assert late.json()["found"] == 2
    for step in ("amend", "suspend", "resume", "end"):
        assert (
            await school.post(f"{path}/{step}", {"valid_until": day(1), "scan_ref": "s-1"} if step == "amend" else {})
        ).status_code == 428
    assert (await school.put(f"{path}/schedule", {"terms": []})).status_code == 428


async def test_two_at_once_never_lose_a_signature(country: Country) -> None:
    institution, first, second = await country.institution(), await country.enterprise(), await country.enterprise()
    agreement = await country.draft(institution, first, second)
    path = f"/v1/agreements/{agreement['id']}"

    async def sign(enterprise: str, party: str) -> None:
        while True:
            version = ok(await country.firm(enterprise).get(path))["version"]
            body = {"party_id": party, "kind": "electronic", "signed_on": day(0)}
            answer = await country.firm(enterprise).post(f"{path}/sign", body, version=version)
            if answer.status_code == 200:
                return
            assert answer.status_code == 412

    await asyncio.gather(sign(first, "p2"), sign(second, "p3"))
    signed = ok(await country.school(institution).get(path))
    assert [party["signature"] is not None for party in signed["parties"]] == [False, True, True]


async def test_everybody_signs_for_themselves_and_the_institution_records_paper(country: Country) -> None:
    institution, enterprise, other = [
        await country.institution(),
        await country.enterprise(),
        await country.enterprise(),
    ]
    agreement = await country.draft(institution, enterprise, other)
    path = f"/v1/agreements/{agreement['id']}/sign"
    electronic = {"kind": "electronic", "signed_on": day(0)}
    for client, party in (
        (country.school(institution), "p2"),
        (country.firm(enterprise), "p1"),
        (country.firm(enterprise), "p3"),
    ):
        answer = await client.post(path, {"party_id": party, **electronic}, version=1)
        assert answer.status_code == 403
        assert answer.json()["type"].endswith("not-your-party")
    assert (
        await country.agreements.as_(Role.MINISTRY, "17").post(path, {"party_id": "p1", **electronic}, version=1)
    ).status_code == 403
    signed = await do(country.school(institution), agreement, "sign", {"party_id": "p2", "signed_on": day(0), **PAPER})
    again = await country.firm(enterprise).post(path, {"party_id": "p2", **electronic}, version=signed["version"])
    assert again.status_code == 409
    assert again.json()["type"].endswith("already-signed")


async def test_refused_step_says_which_are_possible(country: Country) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    agreement = await country.draft(institution, enterprise)
    answer = await country.school(institution).post(f"/v1/agreements/{agreement['id']}/suspend", {}, version=1)
    assert answer.status_code == 409
    assert answer.json()["possible"] == ["sign", "schedule", "cancel"]


async def test_wrong_drafts_name_field_rule_and_remedy(country: Country) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    school = country.school(institution)
    party = {"category": "enterprise", "ref": enterprise}
    own = {"category": "institution", "ref": institution}

    async def refused(**changes: object) -> dict[str, str]:
        return rules(await school.post("/v1/agreements", a_draft(institution, enterprise, **changes)))

    assert await refused(parties=[party, party]) == {"parties.1.ref": "duplicate", "parties": "one_institution"}
    assert await refused(parties=[own, {"category": "student", "ref": "S-1"}]) == {"parties": "partner_needed"}
    assert await refused(parties=[{**own, "ref": "0198-f"}, party]) == {"parties.0.ref": "other_institution"}
    assert await refused(parties=[own, {**party, "ref": "0198-f"}]) == {"parties.1.ref": "unknown_enterprise"}
    assert await refused(parties=[own] * 7) == {"parties": "too_long"}
    assert await refused(valid_until=day(-31)) == {"valid_until": "earlier_than"}
    assert await refused(form="AF10", opportunities=[]) == {"form": "enum", "opportunities": "too_short"}
    assert await refused(valid_from="0001-01-01") == {"valid_from": "day_out_of_range"}
    unknown = await school.post("/v1/agreements", a_draft("01980000-0000-7000-8000-000000000000", enterprise))
    assert unknown.status_code == 404
    assert "within seconds" in unknown.json()["remedy"]


async def test_schedule_is_complete_when_every_term_is_whole_and_takes_results_after_the_end(country: Country) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    school = country.school(institution)
    agreement = await country.active(institution, enterprise)
    path = f"/v1/agreements/{agreement['id']}/schedule"
    term = {"term": "2026-1", "starts_on": day(-20), "ends_on": day(40), "profession": "7212", "seats": 12}
    assert agreement["schedule_complete"] is False
    agreement = ok(await school.put(path, {"terms": [term]}, version=agreement["version"]))
    assert agreement["schedule_complete"] is True
    wrong = [
        {**term, "filled": 13, "completed": 14},
        {**term, "ends_on": day(-25), "profession": "7213"},
        {**term, "term": "x", "starts_on": day(301), "ends_on": day(302)},
    ]
    refused = await school.put(path, {"terms": wrong}, version=agreement["version"])
    assert rules(refused) == {
        "terms.0.filled": "more_than_seats",
        "terms.0.completed": "more_than_filled",
        "terms.1.term": "duplicate",
        "terms.1.ends_on": "earlier_than",
        "terms.2.starts_on": "outside_validity",
        "terms.2.ends_on": "outside_validity",
    }
    assert rules(await school.put(path, {"terms": [{**term, "profession": "721"}]}, version=1)) == {
        "terms.0.profession": "isco"
    }
    agreement = await do(school, agreement, "end", {})
    agreement = ok(await school.put(f"{path}/2026-1", {"filled": 11, "completed": 9}, version=agreement["version"]))
    assert [(each["filled"], each["completed"]) for each in agreement["schedule"]] == [(11, 9)]
    more = await school.put(path, {"terms": [{**term, "seats": 40}]}, version=agreement["version"])
    assert more.status_code == 409
    assert rules(await school.put(f"{path}/nope", {"filled": 1}, version=agreement["version"])) == {
        "term": "unknown_term"
    }
    other = await country.draft(institution, enterprise, form="AF2")
    assert rules(await school.put(f"/v1/agreements/{other['id']}/schedule", {"terms": [term]}, version=1)) == {
        "terms": "schedule_only_internship"
    }


async def test_schedule_of_a_draft_stays_as_its_first_party_signed_it(country: Country) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    school = country.school(institution)
    draft = await country.draft(institution, enterprise)
    path = f"/v1/agreements/{draft['id']}"
    term = {"term": "t1", "starts_on": day(1), "ends_on": day(40), "profession": "7212", "seats": 5}
    for seats in (4, 5):  # unsigned, it may change
        plan = {"terms": [{**term, "seats": seats}]}
        draft = ok(await school.put(f"{path}/schedule", plan, version=draft["version"]))
    paper = {"signed_on": day(-1), **PAPER}
    draft = await do(school, draft, "sign", {"party_id": "p2", **paper})
    for terms in ([{**term, "seats": 500}], [{**term, "ends_on": day(41)}], [], [term, {**term, "term": "t2"}]):
        refused = await school.put(f"{path}/schedule", {"terms": terms}, version=draft["version"])
        told = refused.json()
        assert (refused.status_code, told["type"].rpartition(":")[2]) == (409, "somebody-signed")
        assert "every_party=true" in told["remedy"]
    assert ok(await school.get(path))["schedule"] == draft["schedule"], "what was signed stands"
    draft = ok(await school.put(f"{path}/schedule", {"terms": [term]}, version=draft["version"]))
    # As the refusal says: when all have signed, an amendment every party is asked about.
    signed = await do(school, draft, "sign", {"party_id": "p1", **paper})
    amended = await do(school, signed, "amend", {"schedule": [{**term, "seats": 6}], "every_party": True})
    assert (amended["schedule"][0]["seats"], amended["pending"]["awaits"]) == (5, ["p1", "p2"])
    # Or, while it is a draft, another draft.
    other = await country.draft(institution, enterprise)
    other = await do(school, other, "sign", {"party_id": "p2", **paper})
    assert (await do(school, other, "cancel"))["status"] == "cancelled"


async def test_activity_counts_only_on_days_on_which_the_agreement_was_active(country: Country) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    school = country.school(institution)
    agreement = await country.active(institution, enterprise)
    path = f"/v1/agreements/{agreement['id']}/activities"
    activity = ok(await school.post(path, {"held_on": day(-20), "participants": 25}), 201)
    assert (activity["form"], activity["agreement_id"]) == ("AF1", agreement["id"])
    assert rules(await school.post(path, {"held_on": day(-21), "participants": 1})) == {"held_on": "not_active_then"}
    assert rules(await school.post(path, {"held_on": day(1), "participants": 1})) == {"held_on": "in_future"}
    assert rules(await school.post(path, {"held_on": day(0), "participants": -1})) == {
        "participants": "greater_than_equal"
    }
    assert (await country.firm(enterprise).post(path, {"held_on": day(0), "participants": 1})).status_code == 403
    seen = ok(await country.firm(enterprise).get(path))["items"]
    assert [each["id"] for each in seen] == [activity["id"]]
    cancelled = await do(school, activity, "cancel", of="activities")
    assert cancelled["status"] == "cancelled"
    twice = await school.post(f"/v1/activities/{activity['id']}/cancel", version=2)
    assert twice.status_code == 409
    draft = await country.draft(institution, enterprise)
    early = await school.post(f"/v1/agreements/{draft['id']}/activities", {"held_on": day(0), "participants": 1})
    assert early.status_code == 409


async def test_lists_page_and_filter(country: Country) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    school = country.school(institution)
    drafted = [(await country.draft(institution, enterprise, form=form))["id"] for form in ("AF1", "AF2", "AF2", "AF5")]
    await do(school, {"id": drafted[3], "version": 1}, "cancel")
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = ok(await school.get("/v1/agreements", limit=3, **cursor))
        seen += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = {"after": page["next"]}
    assert seen == drafted

    async def found(**filters: str) -> list[str]:
        return [item["id"] for item in ok(await school.get("/v1/agreements", **filters))["items"]]

    assert await found(form="AF2") == drafted[1:3]
    assert await found(status="cancelled") == drafted[3:]
    assert await found(institution_id=institution, enterprise_id=enterprise) == drafted
    assert await found(enterprise_id="0198-f") == []
    assert (await school.get("/v1/agreements", institution_id="\x00")).status_code == 422


async def test_amendment_of_every_party_waits_for_each_word(country: Country) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    school, firm = country.school(institution), country.firm(enterprise)
    agreement = await country.active(institution, enterprise)
    agreement = await do(school, agreement, "amend", {"opportunities": ["O6"], "every_party": True})
    assert agreement["pending"]["awaits"] == ["p1", "p2"]
    word = {"kind": "electronic", "signed_on": day(0)}
    path = f"/v1/agreements/{agreement['id']}/confirm-amendment"
    assert (await school.post(path, {"party_id": "p2", **word}, version=agreement["version"])).status_code == 403
    agreement = await do(firm, agreement, "confirm-amendment", {"party_id": "p2", **word})
    assert (agreement["pending"]["awaits"], agreement["amendment"]) == (["p1"], 0)
    agreement = await do(school, agreement, "confirm-amendment", {"party_id": "p1", **word})
    assert (agreement["pending"], agreement["amendment"], agreement["opportunities"]) == (None, 1, ["O6"])
    refused = await school.post(path, {"party_id": "p1", **word}, version=agreement["version"])
    assert rules(refused) == {"party_id": "no_amendment_awaits"}
    assert (await told_of(country, agreement["id"]))[-4:] == ["amendment_agreed"] * 3 + ["amended"]


async def test_nobody_amends_without_the_parties_word(country: Country) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    school = country.school(institution)
    agreement = await country.active(institution, enterprise)
    path = f"/v1/agreements/{agreement['id']}"
    alone = {"valid_until": day(900)}
    for body in (alone, alone | {"every_party": True, "scan_ref": "s-1"}):
        refused = await school.post(f"{path}/amend", body, version=agreement["version"])
        assert list(rules(refused).values()) == ["parties_word"]
        assert "every_party=true" in refused.json()["errors"][0]["remedy"]
    # What all signed on paper is the institution's to record; an office may ask all.
    office = country.agreements.as_(Role.DISTRICT, HERE)
    paper = await office.post(f"{path}/amend", alone | {"scan_ref": "s-1"}, version=agreement["version"])
    assert (paper.status_code, paper.json()["type"].rpartition(":")[2]) == (403, "not-your-party")
    asked = await do(office, agreement, "amend", alone | {"every_party": True})
    assert (asked["valid_until"], asked["pending"]["awaits"]) == (day(300), ["p1", "p2"])


async def test_plan_of_a_signed_agreement_changes_by_amendment_and_every_change_is_a_version(country: Country) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    school, firm = country.school(institution), country.firm(enterprise)
    agreement = await country.active(institution, enterprise)
    path = f"/v1/agreements/{agreement['id']}"
    term = {"term": "t1", "starts_on": day(-10), "ends_on": day(40), "profession": "7212", "seats": 5}
    first = {"terms": [term]}
    agreement = ok(await school.put(f"{path}/schedule", first, version=agreement["version"]))
    for state in ("active", "suspended"):
        if state == "suspended":
            agreement = await do(school, agreement, "suspend", {})
        for terms in ([{**term, "seats": 50}], [{**term, "profession": "7213"}], [{**term, "ends_on": day(41)}], []):
            for client in (school, country.agreements.as_(Role.DISTRICT, HERE)):
                refused = await client.put(f"{path}/schedule", {"terms": terms}, version=agreement["version"])
                assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (409, "schedule-agreed")
                assert "every_party=true" in refused.json()["remedy"]
    agreement = await do(school, agreement, "resume", {})
    # Results are reported as ever, in either way, and are no version.
    reported = {"terms": [{**term, "filled": 2}]}
    agreement = ok(await school.put(f"{path}/schedule", reported, version=agreement["version"]))
    agreement = ok(await school.put(f"{path}/schedule/t1", {"filled": 4}, version=agreement["version"]))
    agreement = await do(school, agreement, "amend", {"schedule": [{**term, "seats": 9}], "every_party": True})
    word = {"kind": "electronic", "signed_on": day(0)}
    agreement = await do(firm, agreement, "confirm-amendment", {"party_id": "p2", **word})
    assert agreement["schedule"][0]["seats"] == 5
    agreement = await do(school, agreement, "confirm-amendment", {"party_id": "p1", **word})
    assert [agreement["schedule"][0][name] for name in ("seats", "filled")] == [9, 4]
    assert [each["party_id"] for each in agreement["amendment_words"]] == ["p2", "p1"]
    versions = ok(await firm.get(f"{path}/versions"))["items"]
    assert [(each["amendment"], each["change"], each["since"]) for each in versions] == [
        (0, "signed", day(-20)),
        (0, "scheduled", day(0)),
        (1, "amended", day(0)),
    ]
    seats = [[each["seats"] for each in version["state"]["schedule"]] for version in versions]
    assert seats == [[], [5], [9]]
    assert (await told_of(country, agreement["id"]))[-1] == "amended"


async def test_agreement_that_is_not_in_force_yet_is_amended_too(country: Country) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    school = country.school(institution)
    draft = await country.draft(institution, enterprise, valid_from=day(10))
    path = f"/v1/agreements/{draft['id']}/schedule"
    term = {"term": "t1", "starts_on": day(20), "ends_on": day(40), "profession": "7212", "seats": 5}
    signed = ok(await school.put(path, {"terms": [term]}, version=draft["version"]))
    for party in ("p1", "p2"):
        signed = await do(school, signed, "sign", {"party_id": party, "signed_on": day(-1), **PAPER})
    assert signed["status"] == "signed"
    refused = await school.put(path, {"terms": [{**term, "seats": 50}]}, version=signed["version"])
    assert refused.json()["type"].endswith(":schedule-agreed")
    paper = {"schedule": [{**term, "seats": 6}], "scan_ref": "s-1"}
    amended = await do(school, signed, "amend", paper)
    assert (amended["schedule"][0]["seats"], amended["amendment"], amended["amendment_scan_ref"]) == (6, 1, "s-1")


async def test_amendment_keeps_terms_with_placements(country: Country) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    school = country.school(institution)
    agreement = await country.active(institution, enterprise)
    path = f"/v1/agreements/{agreement['id']}"
    term = {"term": "t1", "starts_on": day(-10), "ends_on": day(40), "profession": "7212", "seats": 5}
    ok(await school.put(f"{path}/schedule", {"terms": [term]}, version=agreement["version"]))
    place = {"agreement_id": agreement["id"], "term": "t1", "student_ref": "S-1"}
    ok(await school.post("/v1/placements", place), 201)
    agreement = ok(await school.get(path))
    gone = {"schedule": [{**term, "term": "t2"}], "every_party": True}
    assert rules(await school.post(f"{path}/amend", gone, version=agreement["version"])) == {
        "schedule": "term_has_placements"
    }
    more = {"schedule": [{**term, "seats": 6}], "scan_ref": "s-1"}
    agreement = await do(school, agreement, "amend", more)
    assert [agreement["schedule"][0][name] for name in ("seats", "filled")] == [6, 1]


async def test_amendments_are_versions_with_their_days(country: Country) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    school = country.school(institution)
    agreement = await country.active(institution, enterprise, form="AF2", renewal={"months": 12, "notice_days": 30})
    agreement = await do(school, agreement, "amend", AMENDED | {"effective_on": day(-3)})
    ahead = {"valid_until": day(900), "effective_on": day(30), "scan_ref": "s-2"}
    agreement = await do(school, agreement, "amend", ahead)
    assert (agreement["amendment"], agreement["pending"]["effective_on"]) == (1, day(30))
    refused = await school.post(f"/v1/agreements/{agreement['id']}/amend", ahead, version=agreement["version"])
    assert rules(refused) == {"effective_on": "amendment_pending"}
    agreement = await do(country.firm(enterprise), agreement, "notice")
    assert agreement["notice_given_on"] == day(0)
    versions = ok(await school.get(f"/v1/agreements/{agreement['id']}/versions"))["items"]
    assert [(each["amendment"], each["since"]) for each in versions] == [(0, day(-20)), (1, day(-3))]
    assert [each["state"]["opportunities"] for each in versions] == [["O4"], ["O4", "O6"]]
    assert [each["state"]["amendment_scan_ref"] for each in versions] == [None, "s-1"]
    stranger = country.agreements.as_(Role.DISTRICT, "1708204")
    assert (await stranger.get(f"/v1/agreements/{agreement['id']}/versions")).status_code == 404


async def test_activities_are_a_register_of_those_who_see_their_agreement(country: Country) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    school = country.school(institution)
    agreement = await country.active(institution, enterprise, form="AF9")
    entry = {"agreement_id": agreement["id"], "held_on": day(-1), "participants": 9, "purpose": "excursion"}
    entries = [entry, entry | {"held_on": day(-3)}, entry | {"purpose": None}, entry | {"agreement_id": "0198-f"}]
    bulk = await school.post("/v1/activities/bulk", {"items": [{"entry": each} for each in entries]})
    assert [each["status"] for each in bulk.json()["items"]] == [201, 201, 422, 404]
    found = ok(await school.get("/v1/activities", form="AF9", since=day(-2), agreement_id=agreement["id"]))["items"]
    assert [(each["held_on"], each["purpose"]) for each in found] == [(day(-1), "excursion")]
    assert len(ok(await country.firm(enterprise).get("/v1/activities"))["items"]) == 2
    stranger = country.agreements.as_(Role.DISTRICT, "1708204")
    assert ok(await stranger.get("/v1/activities", agreement_id=agreement["id"]))["items"] == []
    assert agreement["id"] not in (await stranger.get("/v1/activities", limit=500)).text
    assert (await school.get("/v1/activities/export", until=day(-2))).text.count("\n") == 2
