"""Employments over HTTP: reported by the institution, confirmed by the enterprise, told apart."""

import asyncio

from tests.integration.agreements.support import Country, an_employment, day, do, ok, rules


async def test_only_the_enterprise_confirms_and_a_correction_must_be_confirmed_again(country: Country) -> None:
    institution, enterprise, other = [
        await country.institution(),
        await country.enterprise(),
        await country.enterprise(),
    ]
    school, firm = country.school(institution), country.firm(enterprise)
    employment = ok(await school.post("/v1/employments", an_employment(institution, enterprise)), 201)
    path = f"/v1/employments/{employment['id']}/confirm"
    assert (await school.post(path, {}, version=1)).status_code == 403
    assert (await country.firm(other).post(path, {}, version=1)).status_code == 404
    assert (await firm.post(path, {})).status_code == 428
    assert rules(await firm.post(path, {"confirmed_on": day(-11)}, version=1)) == {"confirmed_on": "earlier_than"}
    employment = await do(firm, employment, "confirm", {"confirmed_on": day(-5)}, of="employments")
    assert (employment["status"], employment["confirmed_on"]) == ("confirmed", day(-5))
    employment = await do(school, employment, "correct", {"profession": "7213"}, of="employments")
    assert (employment["status"], employment["confirmed_on"]) == ("reported", None)
    employment = await do(firm, employment, "confirm", {}, of="employments")
    employment = await do(firm, employment, "end", {"ended_on": day(-1)}, of="employments")
    assert (employment["status"], employment["confirmed_on"], employment["ended_on"]) == ("ended", day(0), day(-1))
    refused = await school.post(f"/v1/employments/{employment['id']}/correct", {"profession": "7212"}, version=6)
    assert refused.status_code == 412
    refused = await school.post(
        f"/v1/employments/{employment['id']}/correct", {"profession": "7212"}, version=employment["version"]
    )
    assert (refused.status_code, refused.json()["possible"]) == (409, ["cancel"])
    employment = await do(school, employment, "cancel", of="employments")
    assert employment["status"] == "cancelled"


async def test_graduate_has_one_open_employment_at_an_enterprise(country: Country) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    school = country.school(institution)
    body = an_employment(institution, enterprise)
    answers = await asyncio.gather(*(school.post("/v1/employments", body) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    first = next(answer.json() for answer in answers if answer.status_code == 201)
    assert {answer.json().get("id") for answer in answers} == {first["id"]}
    await do(school, first, "end", {}, of="employments")
    ok(await school.post("/v1/employments", body), 201)
    ok(await school.post("/v1/employments", {**body, "graduate_ref": "g-2"}), 201)
    listed = ok(await school.get("/v1/employments", graduate_ref="g-1", status="reported"))["items"]
    assert len(listed) == 1


async def test_employment_rests_on_an_agreement_of_that_institution_with_that_enterprise(country: Country) -> None:
    institution, enterprise, other = [
        await country.institution(),
        await country.enterprise(),
        await country.enterprise(),
    ]
    school = country.school(institution)
    agreement = await country.draft(institution, enterprise, form="AF2")
    ok(await school.post("/v1/employments", an_employment(institution, enterprise, agreement_id=agreement["id"])), 201)
    body = an_employment(institution, other, agreement_id=agreement["id"])
    assert rules(await school.post("/v1/employments", body)) == {"agreement_id": "agreement_of_another"}
    foreign = await country.draft(await country.institution(), enterprise)
    body = an_employment(institution, enterprise, graduate_ref="g-9", agreement_id=foreign["id"])
    assert rules(await school.post("/v1/employments", body)) == {"agreement_id": "unknown_agreement"}


async def test_wrong_reports_name_field_and_rule(country: Country) -> None:
    institution, enterprise = await country.institution(), await country.enterprise()
    school = country.school(institution)

    async def refused(**changes: object) -> dict[str, str]:
        return rules(await school.post("/v1/employments", an_employment(institution, enterprise, **changes)))

    assert await refused(started_on=day(1)) == {"started_on": "in_future"}
    assert await refused(profession="72") == {"profession": "isco"}
    assert await refused(graduate_ref="Aziza Karimova") == {"graduate_ref": "string_pattern_mismatch"}
    assert await refused(enterprise_id="0198-f") == {"enterprise_id": "unknown_enterprise"}
    employment = ok(await school.post("/v1/employments", an_employment(institution, enterprise)), 201)
    nothing = await school.post(f"/v1/employments/{employment['id']}/correct", {}, version=1)
    assert list(rules(nothing).values()) == ["nothing_corrected"]
