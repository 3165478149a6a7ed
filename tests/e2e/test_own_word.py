"""A graduate's own word, told on a phone, reaches the indicators: employed at six months (I1), confirmed (F3)."""

from datetime import date, timedelta
from typing import Any

import pytest

from shared.clock import local_day, now
from shared.scope import Role
from tests.e2e.test_main_way import a_school, an_enterprise, value
from tests.support.platform import Platform, User
from tests.support.services import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

MANY = 10
"""k: fewer persons would be hidden, and more are told in steps of so many."""
DISTRICT = "1703202"
"""Where no other test's school has persons to hide behind this one's."""

GRADUATED = (local_day(now()) - timedelta(days=200)).replace(day=1)


def months_later(day: date, months: int) -> str:
    total = day.year * 12 + day.month - 1 + months
    return f"{total // 12}-{total % 12 + 1:02d}"


def academic_year(month: str) -> str:
    """The academic year of a month: parts of counts of persons are shown of whole years."""
    year, number = map(int, month.split("-"))
    first = year if number >= 9 else year - 1
    return f"{first}-{(first + 1) % 100:02d}"


async def counted(school: User, id_: str, asked: str, began: str, available: int) -> None:
    """Wait until the institution's I1 and F3 count all own words so far."""
    seen: list[Any] = []

    async def both() -> bool:
        i1, f3 = await value(school, "I1", id_, asked), await value(school, "F3", id_, began)
        seen[:] = i1, f3
        return (i1["numerator"], i1["denominator"]) == (MANY, available) and f3["parts"]["confirmed"] == MANY

    try:
        await eventually(both, "I1 and F3 count the own words", 90)
    except AssertionError:
        statuses = await school.get("/api/surveys/v1/graduate-statuses", limit=100)
        raise AssertionError(seen, [each["status"] for each in statuses.json()["items"]]) from None


async def test_the_own_word_of_a_graduate_moves_the_indicators(platform: Platform) -> None:
    school, institution = await a_school(platform, DISTRICT)
    enterprise = await an_enterprise(platform)
    today, started = local_day(now()), GRADUATED + timedelta(days=40)
    employed, seeking = ([f"{sign}-{number}" for number in range(MANY)] for sign in ("E", "U"))
    job = {
        "institution_id": institution["id"],
        "enterprise_id": enterprise["id"],
        "profession": "7212",
        "started_on": started.isoformat(),
    }

    async def reported() -> bool:
        # The school and the enterprise reach agreements as events; until then they are unknown there.
        first = job | {"graduate_ref": employed[0]}
        return (await school.send("POST", "/api/agreements/v1/employments", first)).is_success

    await eventually(reported, "agreements knows the school and the enterprise")
    for ref in employed[1:]:
        await school.done("POST", "/api/agreements/v1/employments", job | {"graduate_ref": ref})
    plan = {
        "instrument": "S4",
        "institution": institution["id"],
        "period": {"from": today.isoformat(), "to": (today + timedelta(days=30)).isoformat()},
    }

    async def planned() -> Any:
        answer = await school.send("POST", "/api/surveys/v1/campaigns", plan)
        return answer.json() if answer.is_success else None

    campaign = (await eventually(planned, "surveys knows the school"))["id"]
    await school.done("POST", f"/api/surveys/v1/campaigns/{campaign}/open")
    for ref in (*employed, *seeking):
        invite = {"campaign_id": campaign, "respondent": "graduate", "ref": ref}
        await school.done("POST", "/api/surveys/v1/invitations", invite)
    handed = await school.done("POST", f"/api/surveys/v1/campaigns/{campaign}/invitations/hand-over", {})
    page_of = {each["respondent_ref"]: each["url"].replace("/s/i/", "/s/g/") for each in handed["items"]}
    works = {
        "activity": "employed",
        "occupation": "7212",
        "employer": enterprise["stir"],
        "started": started.isoformat(),
        "field_match": "5",
        "level_match": "same",
    }

    async def tell(ref: str, fields: dict[str, str]) -> None:
        told = {"consent": "yes", "graduated_on": GRADUATED.isoformat(), "months": "m6", **fields}
        answer = await platform.http.post(page_of[ref], params={"lang": "en"}, data=told, follow_redirects=True)
        assert "Thank you" in answer.text, answer.text

    for ref in employed:
        await tell(ref, works)

    async def known() -> bool:
        # Told again it is corrected: until the enterprise is known to surveys the employer is left out.
        found = (await school.get("/api/surveys/v1/graduate-statuses", status="employed", limit=100)).json()["items"]
        left_out = [each["graduate_ref"] for each in found if not each["enterprise_id"]]
        for ref in left_out:
            await tell(ref, works)
        return not left_out and all(each["employment_id"] for each in found)

    await eventually(known, "the own words confirm the employments that were reported")
    asked, began = academic_year(months_later(GRADUATED, 6)), academic_year(f"{started:%Y-%m}")
    await counted(school, institution["id"], asked, began, MANY)
    # Only now: shares are told of so many with work and so many without, or of nobody, and not where few of one kind
    # were there when the whole was told.
    for ref in seeking:
        await tell(ref, {"activity": "seeking", "search_months": "3"})
    await counted(school, institution["id"], asked, began, 2 * MANY)
    ministry = await platform.user(Role.MINISTRY)
    assert (await value(ministry, "I1", "17", asked))["denominator"] >= 2 * MANY
