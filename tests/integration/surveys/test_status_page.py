"""A graduate tells the own status on a phone: consent first, nothing without it, nothing lost by a mistake."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver

from tests.integration.surveys.asking import FIRM, STIR, an_enterprise, facts, hear, months_ago, told
from tests.integration.surveys.support import Office, Page, today
from tests.integration.surveys.test_phone import AXE, RULES, WIDTH, a_phone, comes, shown, tick

AT_WORK = {
    "consent": "yes",
    "graduated_on": months_ago(6).isoformat(),
    "months": "m6",
    "activity": "employed",
    "occupation": "7212",
    "employer": STIR,
    "started": months_ago(4).isoformat(),
    "field_match": "4",
    "level_match": "same",
}


async def a_secret(office: Office, respondent: str = "graduate", ref: str = "G-1") -> str:
    """The secret of somebody's invitation to S4, as it stands on the slip."""
    campaign = (await office.campaign("S4")).id
    body = {"campaign_id": campaign, "respondent": respondent, "ref": ref}
    assert (await office.coordinator.post("/v1/invitations", body)).status_code == 201
    answer = await office.coordinator.post(f"/v1/campaigns/{campaign}/invitations/hand-over", {})
    (item,) = answer.json()["items"]
    return str(item["code"])


def url_of(office: Office, secret: str, lang: str = "en") -> str:
    return f"{office.running.base}/s/g/{secret}?lang={lang}"


async def send(office: Office, secret: str, **fields: str) -> httpx.Response:
    return await office.running.http.post(url_of(office, secret), data=fields)


async def test_a_graduate_tells_the_own_status_and_takes_it_back(office: Office) -> None:
    await hear(office, an_enterprise())
    secret = await a_secret(office)
    invitation = await office.running.http.get(f"{office.running.base}/s/i/{secret}", params={"lang": "en"})
    assert f"/s/g/{secret}?lang=en" in invitation.text
    page = await office.running.http.get(url_of(office, secret))
    assert (page.status_code, "<script" in page.text) == (200, False)
    assert len(page.content) < 50_000
    assert "I can take this consent back at any time" in page.text
    done = await send(office, secret, **AT_WORK)
    assert done.status_code == 303
    assert "is kept" in (await office.running.http.get(office.running.base + done.headers["location"])).text
    ((id_,),) = await office.rows("select id from graduate_status")
    ((fact, state),) = await told(office, "graduate_status", id=id_)
    assert (fact, state["graduate_ref"], state["status"], state["months"]) == ("reported", "G-1", "employed", 6)
    assert (state["enterprise_id"], state["match"], state["level_match"]) == (FIRM, "full", "same")
    assert state["first_job_on"] == AT_WORK["started"]
    ((means, lang, day),) = await office.rows("select means, lang, given_on from consent")
    assert (means, lang, day) == ("form", "en", today())
    # Nothing of it stands where anonymous answers do, and what was told is not shown to whoever has the slip.
    assert [await office.count(table) for table in ("spent_mark", "staged_answer", "redemption")] == [0, 0, 0]
    assert STIR not in (await office.running.http.get(url_of(office, secret))).text
    assert (await send(office, secret, **{**AT_WORK, "activity": "studying"})).status_code == 303
    assert (await send(office, secret, take_back="1")).headers["location"].endswith("done=gone")
    assert facts(await told(office, "graduate_status", id=id_)) == ["reported", "corrected", "withdrawn"]
    assert await office.count("graduate_status") == 0


async def test_without_consent_nothing_is_kept_and_a_mistake_keeps_the_rest(office: Office) -> None:
    secret = await a_secret(office)
    declined = await send(office, secret, **{**AT_WORK, "consent": "no"})
    assert "Nothing was kept" in declined.text
    silent = await send(office, secret, **{name: value for name, value in AT_WORK.items() if name != "consent"})
    assert silent.status_code == 422
    assert Page.of(silent).fields["employer"] == [STIR]
    for wrong in ({"graduated_on": today().isoformat()}, {"employer": "12"}, {"activity": ""}):
        answer = await send(office, secret, **{**AT_WORK, **wrong})
        assert answer.status_code == 422, wrong
        page = Page.of(answer)
        assert 'role="alert"' in answer.text
        kept = {name: value for name, value in AT_WORK.items() if name not in wrong}
        assert {name: page.fields.get(name) for name in kept} == {name: [value] for name, value in kept.items()}
    other = await send(office, secret, **{**AT_WORK, "show_in": "ru"})
    assert Page.of(other).fields["occupation"] == ["7212"]
    assert "Согласие" in other.text
    assert await office.count("consent") + await office.count("graduate_status") == 0


async def test_only_a_graduates_living_invitation_opens_the_page(office: Office) -> None:
    teacher = await a_secret(office, "teacher", "T-1")
    for secret in (teacher, "7K3M-Q9TX-2FHW", "nonsense"):
        assert (await office.running.http.get(url_of(office, secret))).status_code == 404
        assert (await send(office, secret, **AT_WORK)).status_code == 404
    secret = await a_secret(office)
    (id_,) = [row[0] for row in await office.rows("select id from invitation where respondent = 'graduate'")]
    assert (await office.coordinator.post(f"/v1/invitations/{id_}/withdraw")).status_code == 200
    assert (await send(office, secret, **AT_WORK)).status_code in (404, 410)
    assert await office.count("graduate_status") == 0


@pytest.fixture(scope="module")
def phone() -> Iterator[WebDriver]:
    """A phone that runs no script of a page; axe-core is let in by the test alone."""
    with a_phone() as browser:
        yield browser


@pytest.mark.chromium
async def test_the_page_works_under_a_thumb_and_breaks_no_rule_of_accessibility(
    office: Office, phone: WebDriver
) -> None:
    secret = await a_secret(office)
    pictures = os.environ.get("HAMKOR_PICTURES")

    def look() -> dict[str, list[str]]:
        broken: dict[str, list[str]] = {}
        phone.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})  # axe-core brings styles of its own

        def check(name: str) -> None:
            assert phone.execute_script("return document.documentElement.scrollWidth") <= WIDTH, name
            phone.execute_script(AXE.read_text(encoding="utf-8"))
            if found := phone.execute_async_script(RULES):
                broken[name] = found
            if pictures:
                Path(pictures, f"status-{name}.png").write_bytes(phone.get_screenshot_as_png())

        phone.get(url_of(office, secret, "uz"))
        assert not shown(phone, "activity")
        check("first")
        tick(phone, "consent", "yes")
        assert shown(phone, "activity")
        assert not shown(phone, "employer")
        tick(phone, "months", "m6")
        tick(phone, "activity", "seeking")
        assert shown(phone, "search_months")
        phone.find_element(By.CSS_SELECTOR, "button.main").click()
        comes(phone, '[role=alert] a[href="#q-graduated_on"]')
        assert phone.find_element(By.CSS_SELECTOR, "[name=activity][value=seeking]").is_selected()
        check("mistake")
        phone.execute_script("document.querySelector('[name=graduated_on]').value = arguments[0]", str(months_ago(6)))
        phone.find_element(By.CSS_SELECTOR, "button.main").click()
        comes(phone, "body > main")
        assert "Rahmat!" in phone.page_source
        check("told")
        assert phone.execute_script("return localStorage.length") == 0
        assert phone.get_cookies() == []
        return broken

    assert await asyncio.to_thread(look) == {}
    ((id_,),) = await office.rows("select id from graduate_status")
    ((fact, state),) = await told(office, "graduate_status", id=id_)
    assert (fact, state["status"]) == ("reported", "unemployed")
