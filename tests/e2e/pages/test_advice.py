"""What to do, in a real browser on the whole running platform: read, taken on, done, dismissed; rules set and tried."""

import uuid

import pytest
from selenium.webdriver.support.ui import Select

from shared.scope import Role
from tests.e2e.pages.conftest import DESKTOP, NODE_MODULES, PHONE, Browser
from tests.e2e.pages.test_accessibility import RUN
from tests.support.platform import Platform
from tests.support.services import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
DISTRICT = "1708201"


@pytest.fixture
async def school(platform: Platform) -> str:
    """A new school: everything of the method is still before it."""
    ministry = await platform.user(Role.MINISTRY)
    mark = uuid.uuid4().int % 10**12
    body = {"code": f"A-{mark}", "name": "Tavsiya texnikumi", "kind": "technikum", "district": DISTRICT}
    told = await ministry.done("POST", "/api/partners/v1/institutions", body | {"opened_on": "2020-09-01"})
    district = await platform.user(Role.DISTRICT, DISTRICT)

    async def looked() -> bool:
        answer = await district.get("/api/monitoring/v1/recommendations", place=told["id"], rule="R1_TEAM")
        return answer.status_code == 200 and bool(answer.json()["items"])

    await eventually(looked, "the rules have looked at the new school", 60)
    return str(told["id"])


def fits(browser: Browser) -> bool:
    """True if nothing on the page is wider than the screen."""
    return int(browser.run("return document.documentElement.scrollWidth - window.innerWidth")) <= 0


def faults(browser: Browser) -> list[str]:
    """What axe-core finds on the page, by day and by night, and whether it fits a phone."""
    axe = (NODE_MODULES / "axe-core/axe.min.js").read_text(encoding="utf-8")
    browser.driver.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})
    address, found = browser.driver.current_url, []
    try:
        for size, dark in ((DESKTOP, False), (PHONE, True)):
            browser.resize(size, dark=dark)
            browser.driver.get(address)
            browser.find("h1")
            browser.run(axe)
            found += browser.driver.execute_async_script(RUN)
            found += [] if fits(browser) else [f"{address} is wider than {size[0]}"]
    finally:
        browser.driver.execute_cdp_cmd("Page.setBypassCSP", {"enabled": False})
        browser.resize(DESKTOP)
    return found


def press(browser: Browser, step: str) -> None:
    """Send the form of a step, which is taken."""
    browser.run("document.documentElement.dataset.sent = ''")
    browser.click(f"form[action$='/{step}'] .form-actions button")
    browser.find("html:not([data-sent]) h1")
    assert f"done={step}" in browser.driver.current_url, browser.text("#problem")


def test_a_school_takes_a_recommendation_on_and_does_it(on_platform: Browser, school: str) -> None:
    on_platform.sign_in(f"institution:{school}", "/work")
    assert on_platform.text(".advice-desk a")
    assert on_platform.text(".bell").isdigit()
    on_platform.follow("a[data-advice-count]", "/advice")
    assert len(on_platform.all("tbody tr")) > 3
    assert faults(on_platform) == []
    on_platform.follow(".chips a[href*='element=R']", "element=R")
    codes = {each.text for each in on_platform.all("tbody abbr")}
    assert codes >= {"R1", "R6"}
    on_platform.follow("tbody .row-link", "/advice/")
    assert on_platform.find(".facts dd").text
    assert faults(on_platform) == []
    on_platform.open(f"/advice?element=R&severity=important&place={school}")
    on_platform.follow("tbody .row-link", "/advice/")
    Select(on_platform.find("#owner")).select_by_value("coordinator")
    on_platform.find("#note-accept").send_keys("Kengash yakshanba kuni")
    press(on_platform, "accept")
    assert "Kengash yakshanba kuni" in on_platform.text(".life")
    press(on_platform, "complete")
    assert len(on_platform.all(".life li")) == 3
    assert not on_platform.all(".steps-panel")
    assert on_platform.text(".moved.same strong")
    assert on_platform.complaints() == []


def test_what_is_refused_is_said_and_nothing_typed_is_lost(on_platform: Browser, school: str) -> None:
    on_platform.sign_in(f"institution:{school}", "/advice?severity=important")
    on_platform.follow("tbody .row-link", "/advice/")
    address = on_platform.driver.current_url
    on_platform.click(".step summary[class], .step:last-of-type summary")
    on_platform.click("form[action$='/dismiss'] input[value=other]")
    on_platform.click("form[action$='/dismiss'] .form-actions button")
    assert on_platform.find("#problem li strong").text
    assert on_platform.find("form[action$='/dismiss'] input[value=other]").is_selected()
    on_platform.find("#note-dismiss").send_keys("Boshqa maktabga qoʻshildik")
    press(on_platform, "dismiss")
    assert on_platform.driver.current_url.startswith(address)
    on_platform.complaints()


def test_the_ministry_sets_a_rule_and_tries_it_and_a_district_reads_it(on_platform: Browser, school: str) -> None:
    on_platform.sign_in("ministry", "/advice/rules")
    assert len(on_platform.all("tbody tr")) >= 30
    assert faults(on_platform) == []
    on_platform.open("/advice/rules/R1_TEAM")
    assert faults(on_platform) == []
    on_platform.click("button[formaction$='/try']")
    on_platform.until(lambda: "/advice/trials/" in on_platform.driver.current_url, "not asked")
    on_platform.until(lambda: on_platform.all("#trial .examples a"), "the trial does not end")
    assert faults(on_platform) == []
    on_platform.open("/advice/rules/I2_LOW")
    field = on_platform.find("#district-below")
    field.clear()
    field.send_keys("0,95")
    on_platform.click(".work-form .form-actions button:not([formaction])")
    assert on_platform.find("#problem li strong").text
    field = on_platform.find("#district-below")
    field.clear()
    field.send_keys("0,4")
    on_platform.click(".work-form .form-actions button:not([formaction])")
    on_platform.until(lambda: "done=set" in on_platform.driver.current_url, "not in force")
    assert len(on_platform.all(".life li")) >= 2
    on_platform.sign_in(f"district:{DISTRICT}", "/advice/rules/I2_LOW")
    assert not on_platform.all("form input[name=enabled]")
    assert on_platform.find("#district-below").get_attribute("value") == "0.4"
    on_platform.open("/advice")
    assert school in on_platform.driver.page_source
    on_platform.complaints()


@pytest.mark.parametrize("lang", ["uz-Cyrl", "ru", "en"])
def test_pages_speak_the_languages(on_platform: Browser, school: str, lang: str) -> None:
    on_platform.sign_in(f"institution:{school}", "/advice")
    on_platform.click(f".languages button[value='{lang}']")
    on_platform.until(lambda: on_platform.run("return document.documentElement.lang") == lang, "language not changed")
    on_platform.follow("tbody .row-link", "/advice/")
    text = on_platform.text("#main")
    assert "advice." not in text
    assert {"uz-Cyrl": "қилиш", "ru": "Что делать", "en": "What to do"}[lang] in text
