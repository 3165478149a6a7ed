"""Stage 1 over HTTP on a real database: Q1–Q4, needs and offers, interests, R1–R6, the labour market."""

from typing import Any

from shared.scope import Role
from tests.integration.partners.test_registers import ENTERPRISE, a_territory, an_institution
from tests.support.services import Client, Running

DAY = "2026-03-02"


async def ok(call: Any) -> dict[str, Any]:
    answer = await call
    assert answer.is_success, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def refused(call: Any, status: int, *rules: str) -> dict[str, Any]:
    answer = await call
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    assert {each["rule"] for each in body.get("errors", [])} == set(rules), body
    return body


async def a_school(partners: Running) -> tuple[str, Client]:
    """A school of Jizzakh that trains welders for manufacturing."""
    await a_territory(partners)
    id_ = (await an_institution(partners))["id"]
    school = partners.as_(Role.INSTITUTION, id_)
    await ok(school.patch(f"/v1/institutions/{id_}", {"sector": "C"}))
    programme = {
        "code": "P1",
        "title": "Payvandchi",
        "isced_level": 3,
        "isced_field": "0715",
        "occupations": ["7212", "7223"],
    }
    await ok(school.put(f"/v1/institutions/{id_}/programmes", {"programmes": [programme]}))
    await ok(school.put(f"/v1/institutions/{id_}/enrolments/2025-26", {"places": 100, "graduates": 80}))
    return id_, school


async def test_self_assessment_is_answered_in_editions_that_stay(partners: Running) -> None:
    id_, school = await a_school(partners)
    answers = {
        "institution_id": id_,
        "assessed_on": DAY,
        "understanding": 3,
        "problems": [{"opportunity": f"O{number}", "weight": 5} for number in range(1, 8)],
        "main_partners": [{"category": "enterprise"}],
        "gifts": [{"opportunity": "O7", "form": "AF5", "profession": "7212", "quantity": 20}],
        "notes": "Kengashda muhokama qilindi",
    }
    first = await ok(school.post("/v1/self-assessments", answers))
    second = await ok(school.post("/v1/self-assessments", answers | {"understanding": 5}))
    assert (first["edition"], second["edition"]) == (1, 2)
    listed = await ok(school.get("/v1/self-assessments", institution_id=id_))
    assert [(each["understanding"], each["notes"]) for each in listed["items"]] == [
        (3, answers["notes"]),
        (5, answers["notes"]),
    ]
    foreign = {"main_partners": [{"category": "enterprise", "partnership_id": "0199c8a4-0000"}]}
    await refused(school.post("/v1/self-assessments", answers | foreign), 422, "unknown_partnership")
    stranger = partners.as_(Role.DISTRICT, "1708204")
    await refused(stranger.post("/v1/self-assessments", answers), 404)
    assert (await ok(stranger.get("/v1/self-assessments")))["items"] == []


async def test_needs_and_offers_meet_across_the_sides(partners: Running) -> None:
    id_, school = await a_school(partners)
    enterprise = (await ok(school.post("/v1/enterprises", ENTERPRISE)))["id"]
    zavod = partners.as_(Role.ENTERPRISE, enterprise)
    body = {"opportunity": "O4", "form": "AF1", "profession": "7212", "quantity": 25, "since": DAY}
    need = await ok(school.post("/v1/needs", body | {"institution_id": id_}))
    offer = await ok(zavod.post("/v1/offers", body | {"enterprise_id": enterprise, "until": "2027-06-30"}))
    assert [each["id"] for each in (await ok(zavod.get("/v1/needs", opportunity="O4")))["items"]] == [need["id"]]
    assert [each["id"] for each in (await ok(school.get("/v1/offers", profession="7212")))["items"]] == [offer["id"]]
    other = (await ok(school.post("/v1/enterprises", ENTERPRISE | {"stir": "301234568"})))["id"]
    await refused(partners.as_(Role.ENTERPRISE, other).post("/v1/offers", body | {"enterprise_id": enterprise}), 403)
    await refused(school.post("/v1/offers", body | {"enterprise_id": enterprise}), 403)
    await refused(school.post("/v1/needs", body), 422, "one_side")
    await refused(
        partners.as_(Role.REGION, "1703").post(f"/v1/needs/{need['id']}/close", {"reason": "met"}, version=1), 404
    )
    changed = await ok(zavod.patch(f"/v1/offers/{offer['id']}", {"quantity": 10}, version=1))
    assert (changed["quantity"], changed["version"]) == (10, 2)
    closed = await ok(zavod.post(f"/v1/offers/{offer['id']}/close", {"reason": "met"}, version=2))
    assert closed["status"] == "closed"
    again = await refused(zavod.post(f"/v1/offers/{offer['id']}/close", {"reason": "met"}, version=3), 409)
    assert again["type"].endswith("wrong-state")


async def test_interests_orientation_and_partners_by_form(partners: Running) -> None:
    id_, school = await a_school(partners)
    enterprise = (await ok(school.post("/v1/enterprises", ENTERPRISE)))["id"]
    partnership = await ok(
        school.post(
            "/v1/partnerships",
            {
                "institution_id": id_,
                "category": "enterprise",
                "enterprise_id": enterprise,
                "stage": "existing",
                "forms": ["AF1", "AF4"],
                "opportunities": ["O4", "O5"],
                "since": DAY,
            },
        )
    )
    path = f"/v1/partnerships/{partnership['id']}/interests"
    analysis: dict[str, Any] = {
        "analysed_on": DAY,
        "interests": [{"opportunity": "O6", "strength": 4, "source": "stated"}],
    }
    first = await ok(school.put(path, analysis))
    second = await ok(school.put(path, analysis | {"analysed_on": "2026-04-01"}))
    assert (first["id"], second["version"]) == (second["id"], 2)
    twice = {"interests": analysis["interests"] * 2}
    await refused(school.put(path, analysis | twice), 422, "opportunity_twice")
    overview = await ok(school.get("/v1/analyses/partners", institution_id=id_))
    assert overview["items"] == [
        {"category": "enterprise", "stage": "existing", "form": form, "partners": 1} for form in ("AF1", "AF4")
    ]
    decision = {
        "institution_id": id_,
        "decision_ref": "PK-3",
        "decided_on": DAY,
        "responsible_ref": "T-17",
        "responsible_name": "A. Karimova",
        "valid_until": "2027-08-31",
    }
    adopted = await ok(school.post("/v1/orientations", decision))
    assert adopted["responsible_name"] == "A. Karimova"
    revoked = await ok(school.post(f"/v1/orientations/{adopted['id']}/revoke", version=1))
    assert revoked["status"] == "revoked"
    await refused(school.post(f"/v1/orientations/{adopted['id']}/revoke", version=2), 409)


async def test_market_sector_and_labour_market_are_weighed_and_kept_as_evidence(partners: Running) -> None:
    id_, school = await a_school(partners)
    rival = (await an_institution(partners, district="1708204", code="P-2"))["id"]
    await ok(partners.as_(Role.INSTITUTION, rival).patch(f"/v1/institutions/{rival}", {"sector": "C"}))
    enterprise = (await ok(school.post("/v1/enterprises", ENTERPRISE)))["id"]
    region, zavod = partners.as_(Role.REGION, "1708"), partners.as_(Role.ENTERPRISE, enterprise)
    nothing = {"institution_id": id_, "profession": "5120", "qualification": "vocational"}
    await refused(school.post("/v1/market-assessments", nothing), 422, "demand_unknown")
    # Places are known of it: with nothing to weigh them against it is no assessment.
    weighed = nothing | {"profession": "7212"}
    await refused(school.post("/v1/market-assessments", weighed), 422, "demand_unknown")

    plan = {"region": "1708", "isic_section": "C", "year_from": 2024, "year_until": 2030, "priority": 1}
    await ok(
        region.post("/v1/plan-priorities", plan | {"enterprises": [{"enterprise_id": enterprise, "role": "anchor"}]})
    )
    await refused(partners.as_(Role.REGION, "1703").post("/v1/plan-priorities", plan), 403)
    demand = {"region": "1708", "profession": "7212", "qualification": "vocational"}
    for year, positions in ((2023, 100), (2024, 120), (2025, 141), (2026, 160)):
        report = demand | {"year": year, "positions": positions}
        await ok(zavod.post("/v1/demand-reports", report | {"reporter": "enterprise", "reporter_ref": enterprise}))
    body = demand | {"reporter": "labour_body", "reporter_ref": "bandlik-1708", "year": 2026, "positions": 150}
    first = await ok(region.post("/v1/demand-reports", body | {"vacancies": 30}))
    corrected = await ok(region.post("/v1/demand-reports", body | {"vacancies": 40}))
    assert (first["id"], corrected["version"]) == (corrected["id"], 2)
    await refused(zavod.post("/v1/demand-reports", body), 403)
    wanted = demand | {"year": 2026, "positions": 5, "reporter": "enterprise", "reporter_ref": enterprise}
    await ok(zavod.post("/v1/demand-reports", wanted | {"profession": "5120"}))
    await refused(school.post("/v1/market-assessments", nothing), 422, "supply_unknown")
    supply = demand | {"reporter_ref": "bandlik-1708", "year": 2025, "unemployed": 55}
    await ok(region.post("/v1/supply-reports", supply))
    await refused(school.post("/v1/supply-reports", supply), 403)

    seen = await ok(school.get("/v1/analyses/labour-market", **demand))
    assert (seen["demand"], seen["vacancies"], seen["unemployed"]) == (160, 40, 55)
    assert (seen["places"], seen["graduates"], seen["gap"], seen["cover"]) == (50, 40, 120, 0.25)
    assert seen["projection"]["year"] == 2028
    assert seen["projection"]["low"] <= seen["projection"]["expected"] == 201 <= seen["projection"]["high"]
    assessed = await ok(
        school.post(
            "/v1/market-assessments", {"institution_id": id_, "profession": "7212", "qualification": "vocational"}
        )
    )
    assert (assessed["demand"], assessed["graduates"], assessed["projected_demand"]) == (160, 40, 201)

    sector = await ok(school.get("/v1/analyses/sectors/C", region="1708"))
    assert (sector["trend"], sector["plan_priority"], sector["enterprises"]["large"]) == ("growing", 1, 1)
    reviewed = await ok(school.post("/v1/sector-reviews", {"institution_id": id_}))
    assert (reviewed["isic_section"], reviewed["trend"], reviewed["plan_priority"]) == ("C", "growing", 1)

    rivals = await ok(school.get(f"/v1/institutions/{id_}/rivals", area="1708"))
    assert [(each["id"], each["same_sector"]) for each in rivals["items"]] == [(rival, True)]
    market = await ok(school.post("/v1/market-reviews", {"institution_id": id_, "area": "1708"}))
    assert (market["competitors"], market["professions"]) == (1, ["7212", "7223"])
    too_long = {"institution_id": id_, "area": "1708", "reviewed_on": DAY, "valid_until": "2028-01-01"}
    await refused(school.post("/v1/market-reviews", too_long), 422, "evidence_too_long")
    programmes = await ok(school.get("/v1/analyses/programmes", area="1708"))
    assert {"profession": "7212", "isced_level": 3, "institutions": 1} in programmes["items"]
    # What was looked at lies beyond the scope; what is kept does not.
    await refused(partners.as_(Role.INSTITUTION, rival).get(f"/v1/market-reviews/{market['id']}"), 404)


async def test_move_takes_the_evidence_to_the_new_districts_eyes(partners: Running) -> None:
    id_, school = await a_school(partners)
    review = await ok(school.post("/v1/market-reviews", {"institution_id": id_, "area": "1708"}))
    region = partners.as_(Role.REGION, "1708")
    await ok(region.post(f"/v1/institutions/{id_}/move", {"district": "1708204", "since": "2026-03-01"}))
    await ok(partners.as_(Role.DISTRICT, "1708204").get(f"/v1/market-reviews/{review['id']}"))
    await refused(partners.as_(Role.DISTRICT, "1708201").get(f"/v1/market-reviews/{review['id']}"), 404)
