"""What to do, in a real browser on the whole running platform: read, taken on, done, dismissed; rules set and tried."""

import uuid
from collections.abc import Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.support.ui import Select

from shared.scope import Role
from tests.e2e.pages.conftest import DESKTOP, NODE_MODULES, PHONE, Browser, Stage
from tests.e2e.pages.fake_services import World
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

    async def advised() -> bool:
        answer = await district.get("/api/monitoring/v1/recommendations", place=told["id"], rule="R1_TEAM")
        return answer.status_code == 200 and bool(answer.json()["items"])

    await eventually(advised, "the rules have looked at the new school", 60)
    return str(told["id"])


@pytest.fixture
def advised(chromium: webdriver.Chrome, platform: Platform) -> Iterator[Browser]:
    """Chromium on the running platform."""
    browser = Browser(chromium, Stage(platform.stack.url("portal"), World()))
    browser.resize(DESKTOP)
    browser.open("/about")
    chromium.delete_all_cookies()
    browser.complaints()
    yield browser
    chromium.get("about:blank")


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
    """Send the form of a step."""
    browser.click(f"form[action$='/{step}'] .form-actions button")
    browser.until(lambda: f"done={step}" in browser.driver.current_url, f"{step} not taken")


def test_a_school_takes_a_recommendation_on_and_does_it(advised: Browser, school: str) -> None:
    advised.sign_in(f"institution:{school}", "/work")
    assert advised.text(".advice-desk a")
    assert advised.text(".bell").isdigit()
    advised.follow("a[data-advice-count]", "/advice")
    assert len(advised.all("tbody tr")) > 3
    assert faults(advised) == []
    advised.follow(".chips a[href*='element=R']", "element=R")
    codes = {each.text for each in advised.all("tbody abbr")}
    assert codes >= {"R1", "R6"}
    advised.follow("tbody .row-link", "/advice/")
    assert advised.find(".facts dd").text
    assert faults(advised) == []
    advised.open(f"/advice?element=R&severity=important&place={school}")
    advised.follow("tbody .row-link", "/advice/")
    Select(advised.find("#owner")).select_by_value("coordinator")
    advised.find("#note-accept").send_keys("Kengash yakshanba kuni")
    press(advised, "accept")
    assert "Kengash yakshanba kuni" in advised.text(".life")
    press(advised, "complete")
    assert len(advised.all(".life li")) == 3
    assert not advised.all(".steps-panel")
    assert advised.text(".moved.same strong")
    assert advised.complaints() == []


def test_what_is_refused_is_said_and_nothing_typed_is_lost(advised: Browser, school: str) -> None:
    advised.sign_in(f"institution:{school}", "/advice?severity=important")
    advised.follow("tbody .row-link", "/advice/")
    address = advised.driver.current_url
    advised.click(".step summary[class], .step:last-of-type summary")
    advised.click("form[action$='/dismiss'] input[value=other]")
    advised.click("form[action$='/dismiss'] .form-actions button")
    assert advised.find("#problem li strong").text
    assert advised.find("form[action$='/dismiss'] input[value=other]").is_selected()
    advised.find("#note-dismiss").send_keys("Boshqa maktabga qoʻshildik")
    press(advised, "dismiss")
    assert advised.driver.current_url.startswith(address)
    advised.complaints()


def test_the_ministry_sets_a_rule_and_tries_it_and_a_district_reads_it(advised: Browser, school: str) -> None:
    advised.sign_in("ministry", "/advice/rules")
    assert len(advised.all("tbody tr")) >= 30
    assert faults(advised) == []
    advised.open("/advice/rules/R1_TEAM")
    assert faults(advised) == []
    advised.click("button[formaction$='/try']")
    advised.until(lambda: "/advice/trials/" in advised.driver.current_url, "not asked")
    advised.until(lambda: advised.all("#trial .examples a"), "the trial does not end")
    assert faults(advised) == []
    advised.open("/advice/rules/I2_LOW")
    field = advised.find("#district-below")
    field.clear()
    field.send_keys("0,95")
    advised.click(".work-form .form-actions button:not([formaction])")
    assert advised.find("#problem li strong").text
    field = advised.find("#district-below")
    field.clear()
    field.send_keys("0,4")
    advised.click(".work-form .form-actions button:not([formaction])")
    advised.until(lambda: "done=set" in advised.driver.current_url, "not in force")
    assert len(advised.all(".life li")) >= 2
    advised.sign_in(f"district:{DISTRICT}", "/advice/rules/I2_LOW")
    assert not advised.all("form input[name=enabled]")
    assert advised.find("#district-below").get_attribute("value") == "0.4"
    advised.open("/advice")
    assert school in advised.driver.page_source
    advised.complaints()


@pytest.mark.parametrize("lang", ["uz-Cyrl", "ru", "en"])
def test_pages_speak_the_languages(advised: Browser, school: str, lang: str) -> None:
    advised.sign_in(f"institution:{school}", "/advice")
    advised.click(f".languages button[value='{lang}']")
    advised.until(lambda: advised.run("return document.documentElement.lang") == lang, "language not changed")
    advised.follow("tbody .row-link", "/advice/")
    text = advised.text("#main")
    assert "advice." not in text
    assert {"uz-Cyrl": "қилиш", "ru": "Что делать", "en": "What to do"}[lang] in text
