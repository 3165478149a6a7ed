"""The work under each form over HTTP: AF1–AF8 from beginning to end, both sides, merges and moves."""

from typing import Any

import pytest

from shared.scope import Role
from tests.integration.agreements.support import Country, State, day, do, ok, rules
from tests.support.services import Client

TERMS = {
    "terms": [
        {"term": "T1", "starts_on": day(-20), "ends_on": day(20), "profession": "7212", "seats": 2},
        {"term": "T2", "starts_on": day(30), "ends_on": day(60), "profession": "7212", "seats": 5},
    ]
}


async def sides(country: Country, form: str, **changes: Any) -> tuple[Client, Client, State, str, str]:
    """(school, enterprise, their active agreement, their ids)"""
    institution, enterprise = await country.institution(), await country.enterprise()
    agreement = await country.active(institution, enterprise, form=form, **changes)
    zavod = country.agreements.as_(Role.ENTERPRISE, enterprise)
    return country.school(institution), zavod, agreement, institution, enterprise


async def step(client: Client, name: str, state: State, what: str, body: Any = None, method: str = "POST") -> State:
    return ok(await client.send(method, f"/v1/{name}/{state['id']}/{what}", body, version=state["version"]))


async def test_af1_placement_from_place_to_completion_moves_the_terms_numbers(country: Country) -> None:
    school, zavod, agreement, _, enterprise = await sides(country, "AF1")
    agreement = ok(await school.put(f"/v1/agreements/{agreement['id']}/schedule", TERMS, version=agreement["version"]))

    async def term() -> tuple[int, int]:
        state = ok(await school.get(f"/v1/agreements/{agreement['id']}"))
        return state["schedule"][0]["filled"], state["schedule"][0]["completed"]

    def a_place(student: str, **changes: Any) -> State:
        return {"agreement_id": agreement["id"], "term": "T1", "student_ref": student, **changes}

    first = ok(await school.post("/v1/placements", a_place("S-1")), 201)
    assert (first["enterprise_id"], first["profession"], first["starts_on"]) == (enterprise, "7212", day(-20))
    assert await term() == (1, 0)
    assert (await school.post("/v1/placements", a_place("S-1"))).status_code == 409
    second = ok(await school.post("/v1/placements", a_place("S-2")), 201)
    full = await school.post("/v1/placements", a_place("S-3"))
    assert rules(full) == {"term": "more_than_seats"}
    assert rules(await school.post("/v1/placements", a_place("S-3", term="T9"))) == {"term": "unknown_term"}
    outside = await school.post("/v1/placements", a_place("S-3", ends_on=day(40)))
    assert rules(outside) == {"ends_on": "outside_term"}
    version = ok(await school.get(f"/v1/agreements/{agreement['id']}"))["version"]
    by_hand = await school.put(f"/v1/agreements/{agreement['id']}/schedule/T1", {"filled": 2}, version=version)
    assert rules(by_hand) == {"term": "counted_from_placements"}

    first = await step(zavod, "placements", first, "confirm", {})
    assert first["confirmed_on"] == day(0)
    days = {"days": [{"day": day(-20), "presence": "present", "hours": 6}, {"day": day(-19), "presence": "absent"}]}
    first = await step(school, "placements", first, "logbook", days, "PUT")
    again = {"days": [{"day": day(-19), "presence": "present", "hours": 5}, {"day": day(-18), "presence": "excused"}]}
    first = await step(zavod, "placements", first, "logbook", again, "PUT")
    assert first["attendance"] == {"present": 2, "excused": 1, "absent": 0, "hours": 11}
    assert first["days"][day(-19)]["hours"] == 5
    ahead = {"days": [{"day": day(1), "presence": "present"}]}
    answer = await school.put(f"/v1/placements/{first['id']}/logbook", ahead, version=first["version"])
    assert rules(answer) == {"days.0.day": "outside_placement"}

    first = await step(school, "placements", first, "assess", {"mark": "good"})
    assert first["status"] == "placed"
    first = await step(zavod, "placements", first, "assess", {"mark": "excellent"})
    assert (first["status"], first["completed_on"]) == ("completed", day(0))
    assert await term() == (2, 1)
    refusal = await school.post(
        f"/v1/placements/{first['id']}/break-off", {"cause": "health"}, version=first["version"]
    )
    assert refusal.status_code == 409
    assert "cancel" in refusal.json()["remedy"]
    second = await step(school, "placements", second, "break-off", {"cause": "health"})
    assert await term() == (2, 1)
    await step(school, "placements", second, "cancel")
    assert await term() == (1, 1)
    current = ok(await school.get(f"/v1/agreements/{agreement['id']}"))
    without = {"terms": TERMS["terms"][1:]}
    kept = await school.put(f"/v1/agreements/{agreement['id']}/schedule", without, version=current["version"])
    assert rules(kept) == {"terms": "term_has_placements"}


async def test_i1_outcomes_are_corrected_confirmed_and_withdrawn(country: Country) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    school, zavod = country.school(institution), country.agreements.as_(Role.ENTERPRISE, enterprise)
    report = {
        "institution_id": institution,
        "graduate_ref": "G-1",
        "graduated_on": day(-200),
        "months": 6,
        "status": "unknown",
        "surveyed_on": day(-10),
    }
    first = ok(await school.post("/v1/outcomes", report), 201)
    idle = await school.post("/v1/outcomes", report | {"match": "full"})
    assert list(rules(idle).values()) == ["job_without_work"]
    job = {"status": "employed", "occupation": "7212", "match": "full", "enterprise_id": enterprise}
    second = ok(await school.post("/v1/outcomes", report | job), 201)
    assert (second["id"], second["version"]) == (first["id"], 2)
    confirmed = await step(zavod, "outcomes", second, "confirm", {})
    assert confirmed["confirmed_on"] == day(0)
    twelve = ok(await school.post("/v1/outcomes", report | {"months": 12, "status": "further_study"}), 201)
    assert twelve["id"] != first["id"]
    refusal = await school.post(f"/v1/outcomes/{twelve['id']}/confirm", {}, version=1)
    assert refusal.status_code == 403
    withdrawn = await step(school, "outcomes", twelve, "withdraw")
    assert withdrawn["withdrawn"]
    assert [each["months"] for each in ok(await school.get("/v1/outcomes", status="withdrawn"))["items"]] == [12]
    assert [each["id"] for each in ok(await zavod.get("/v1/outcomes"))["items"]] == [first["id"]]


async def test_af8_hours_by_month_and_the_enterprises_word(country: Country) -> None:
    school, zavod, agreement, _, _ = await sides(country, "AF8")
    body = {"agreement_id": agreement["id"], "specialist_ref": "E-7", "subject": "payvandlash", "since": day(-20)}
    state = ok(await school.post("/v1/specialists", body), 201)
    month = day(-20)[:7]
    state = await step(school, "specialists", state, "hours", {"month": month, "hours": 20}, "PUT")
    state = await step(zavod, "specialists", state, "confirm", {})
    state = await step(school, "specialists", state, "hours", {"month": month, "hours": 24}, "PUT")
    assert (state["hours"], state["confirmed_on"]) == ([{"month": month, "hours": 24}], None)
    far = await school.put(f"/v1/specialists/{state['id']}/hours", {"month": "2031-01", "hours": 4}, version=4)
    assert rules(far) == {"month": "outside_term"}
    state = await step(school, "specialists", state, "end", {})
    assert state["status"] == "ended"
    assert (await step(school, "specialists", state, "cancel"))["status"] == "cancelled"


async def test_af4_and_af6_courses_of_one_person(country: Country) -> None:
    school, zavod, agreement, _, _ = await sides(country, "AF4")
    body = {
        "agreement_id": agreement["id"],
        "teacher_ref": "T-1",
        "starts_on": day(-15),
        "ends_on": day(-5),
        "hours": 72,
    }
    first = ok(await school.post("/v1/staff-internships", body), 201)
    first = await step(zavod, "staff-internships", first, "confirm", {})
    first = await step(school, "staff-internships", first, "complete", {})
    assert (first["status"], first["completed_on"]) == ("completed", day(-5))
    second = ok(await school.post("/v1/staff-internships", body | {"teacher_ref": "T-2"}), 201)
    assert (await step(school, "staff-internships", second, "break-off", {"cause": "health"}))["status"] == "broken_off"

    school, zavod, agreement, _, _ = await sides(country, "AF6")
    body = {
        "agreement_id": agreement["id"],
        "trainee_ref": "B-1",
        "kind": "retraining",
        "profession": "7212",
        "referred_by": "bandlik-1708",
        "starts_on": day(-15),
        "ends_on": day(30),
        "hours": 144,
    }
    trained = ok(await school.post("/v1/trainings", body), 201)
    assert (await step(school, "trainings", trained, "complete", {}))["completed_on"] == day(0)
    wrong = await school.post("/v1/staff-internships", body | {"teacher_ref": "T-1"})
    assert wrong.status_code == 422
    other = {"agreement_id": agreement["id"], "teacher_ref": "T-1", "starts_on": day(-5), "ends_on": day(5), "hours": 9}
    assert rules(await school.post("/v1/staff-internships", other)) == {"agreement_id": "other_form"}
    early = body | {"trainee_ref": "B-2", "starts_on": day(-200)}
    assert rules(await school.post("/v1/trainings", early)) == {"starts_on": "not_active_then"}


async def test_af7_sessions_with_and_without_enterprise_examiners(country: Country) -> None:
    school, _, agreement, institution, enterprise = await sides(country, "AF7")
    body = {"institution_id": institution, "profession": "7212", "held_on": day(-3), "students": 20, "passed": 18}
    ok(await school.post("/v1/certifications", body), 201)
    examined = body | {
        "agreement_id": agreement["id"],
        "examiners": [{"enterprise_id": enterprise, "examiner_ref": "E-1"}],
    }
    state = ok(await school.post("/v1/certifications", examined), 201)
    assert (await step(school, "certifications", state, "correct", {"passed": 19}))["passed"] == 19
    stranger = examined | {"examiners": [{"enterprise_id": "0199c8a4-7a20", "examiner_ref": "E-1"}]}
    assert rules(await school.post("/v1/certifications", stranger)) == {"examiners.0.enterprise_id": "not_a_party"}
    too_many = await school.post("/v1/certifications", body | {"passed": 21})
    assert "more_passed_than_sat" in rules(too_many).values()


async def test_af5_projects_and_income_of_months(country: Country) -> None:
    school, zavod, agreement, institution, _ = await sides(country, "AF5")
    started = {"agreement_id": agreement["id"], "kind": "short_courses", "starts_on": day(-10)}
    project = ok(await school.post("/v1/projects", started), 201)
    month = day(-3)[:7]
    items = [
        {"purpose": "paid_training", "amount_tiyin": 125_000_00, "project_id": project["id"]},
        {"purpose": "rent", "amount_tiyin": 1},
    ]
    report = {"institution_id": institution, "month": month, "items": items}
    first = ok(await school.post("/v1/incomes", report), 201)
    assert first["total_tiyin"] == 12_500_001
    none = ok(await school.post("/v1/incomes", report | {"items": []}), 201)
    assert (none["id"], none["version"], none["total_tiyin"]) == (first["id"], 2, 0)
    assert (await zavod.get("/v1/incomes")).status_code == 403
    assert (await step(school, "incomes", none, "withdraw"))["withdrawn"]
    back = ok(await school.post("/v1/incomes", report), 201)
    assert not back["withdrawn"]
    assert rules(await school.post("/v1/incomes", report | {"month": "2031-01"})) == {"month": "in_future"}
    assert (await step(school, "projects", project, "end", {}))["status"] == "ended"


async def test_af3_reviews_come_to_a_verdict_of_the_enterprise(country: Country) -> None:
    school, zavod, agreement, _, _ = await sides(country, "AF3")
    body = {"agreement_id": agreement["id"], "kind": "programme", "document_ref": "D-7", "requested_on": day(-5)}
    state = ok(await school.post("/v1/expert-reviews", body), 201)
    state = await step(zavod, "expert-reviews", state, "review", {"verdict": "approved_with_remarks"})
    assert (state["status"], state["reviewed_on"]) == ("reviewed", day(0))
    again = await zavod.post(f"/v1/expert-reviews/{state['id']}/review", {"verdict": "approved"}, version=2)
    assert again.status_code == 409


@pytest.mark.parametrize("form", ["AF3", "AF4", "AF8"])
async def test_practice_follows_a_merged_enterprise_and_stays_hidden_from_others(country: Country, form: str) -> None:
    school, _, agreement, _, enterprise = await sides(country, form)
    bodies: dict[str, tuple[str, dict[str, Any]]] = {
        "AF3": ("expert-reviews", {"kind": "textbook", "document_ref": "D-1", "requested_on": day(-5)}),
        "AF4": ("staff-internships", {"teacher_ref": "T", "starts_on": day(-5), "ends_on": day(5), "hours": 8}),
        "AF8": ("specialists", {"specialist_ref": "E", "subject": "x", "since": day(-5)}),
    }
    name, body = bodies[form]
    state = ok(await school.post(f"/v1/{name}", {"agreement_id": agreement["id"], **body}), 201)
    living = await country.enterprise()
    stranger = country.agreements.as_(Role.ENTERPRISE, living)
    assert (await stranger.get(f"/v1/{name}/{state['id']}")).status_code == 404
    await country.merge(enterprise, living)
    assert ok(await stranger.get(f"/v1/{name}/{state['id']}"))["enterprise_id"] == living
    for role, org in ((Role.REGION, "1703"), (Role.DISTRICT, "1708204"), (Role.INSTITUTION, "0198-other")):
        # Of single persons offices read nothing anywhere.
        expected = 403 if form != "AF3" and role is not Role.INSTITUTION else 404
        assert (await country.agreements.as_(role, org).get(f"/v1/{name}/{state['id']}")).status_code == expected


async def test_steps_that_agreements_still_take(country: Country) -> None:
    school, _, agreement, _, _ = await sides(country, "AF4")
    activity = {"held_on": day(-1), "participants": 3}
    recorded = ok(await school.post(f"/v1/agreements/{agreement['id']}/activities", activity), 201)
    assert recorded["form"] == "AF4"
    ended = await do(school, ok(await school.get(f"/v1/agreements/{agreement['id']}")), "end", {})
    body = {"agreement_id": ended["id"], "teacher_ref": "T-1", "starts_on": day(0), "ends_on": day(5), "hours": 9}
    assert rules(await school.post("/v1/staff-internships", body)) == {"starts_on": "not_active_then"}


async def test_no_office_steps_into_the_records_of_persons_or_tries_whom_there_are(country: Country) -> None:
    school, _, agreement, institution, _ = await sides(country, "AF8")
    report = {"institution_id": institution, "graduate_ref": "G-1", "months": 6, "status": "further_study"}
    days = {"graduated_on": day(-200), "surveyed_on": day(-10)}
    outcome = ok(await school.post("/v1/outcomes", report | days), 201)
    body = {"agreement_id": agreement["id"], "specialist_ref": "E-1", "subject": "CNC", "since": day(-5)}
    specialist = ok(await school.post("/v1/specialists", body), 201)
    for role, org in ((Role.DISTRICT, "1708201"), (Role.REGION, "1708"), (Role.MINISTRY, "17")):
        office = country.agreements.as_(role, org)
        for name, step_, id_ in (
            ("outcomes", "withdraw", outcome["id"]),
            ("specialists", "cancel", specialist["id"]),
            ("staff-internships", "cancel", "none"),
            ("trainings", "cancel", "none"),
            ("employments", "cancel", "none"),
        ):
            answer = await office.post(f"/v1/{name}/{id_}/{step_}", version=1)
            assert (answer.status_code, "graduate_ref" in answer.text) == (403, False), (role, name)
            tried = await office.post(f"/v1/{name}/import?commit=false")
            assert tried.status_code == 403, (role, name)
            assert (await office.post(f"/v1/{name}/bulk", {"items": [{"entry": {}}]})).status_code == 403
    assert ok(await school.get(f"/v1/outcomes/{outcome['id']}"))["version"] == outcome["version"]


async def test_offices_see_where_a_student_is_placed_and_neither_how_it_went_nor_write_it(country: Country) -> None:
    school, zavod, agreement, institution, _ = await sides(country, "AF1")
    agreement = ok(await school.put(f"/v1/agreements/{agreement['id']}/schedule", TERMS, version=agreement["version"]))
    place = {"agreement_id": agreement["id"], "term": "T1", "student_ref": "S-1"}
    state = ok(await school.post("/v1/placements", place), 201)
    days = {"days": [{"day": day(-19), "presence": "absent"}]}
    state = await step(zavod, "placements", state, "logbook", days, "PUT")
    state = await step(school, "placements", state, "assess", {"mark": "unsatisfactory"})
    state = await step(school, "placements", state, "break-off", {"cause": "health"})
    path = f"/v1/placements/{state['id']}"
    secret = {"days", "attendance", "institution_mark", "enterprise_mark", "cause"}
    for client in (school, zavod):
        assert ok(await client.get(path)) == state
    for role, org in ((Role.DISTRICT, "1708201"), (Role.REGION, "1708"), (Role.MINISTRY, "17")):
        office = country.agreements.as_(role, org)
        listed = ok(await office.get("/v1/placements", institution_id=institution))["items"]
        for shown in (ok(await office.get(path)), *listed):
            assert shown == {name: value for name, value in state.items() if name not in secret}
        header, row = (await office.get("/v1/placements/export", format="csv", institution_id=institution)).text.split()
        assert "S-1" in row
        assert not any(word in row for word in ("absent", "unsatisfactory", "health", day(-19))), header
        for method, what, body in (
            ("POST", "correct", {"ends_on": day(10)}),
            ("PUT", "logbook", days),
            ("POST", "assess", {"mark": "good"}),
            ("POST", "break-off", {"cause": "health"}),
            ("POST", "cancel", None),
        ):
            answer = await office.send(method, f"{path}/{what}", body, version=state["version"])
            assert answer.status_code == 403, (role, what)
        assert (await office.post("/v1/placements", place)).status_code == 403
        assert (await office.post("/v1/placements/bulk", {"items": [{"entry": place}]})).status_code == 403
    assert ok(await school.get(path)) == state
