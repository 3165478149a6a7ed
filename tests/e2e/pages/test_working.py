"""A school's work through the pages, in a real browser on the whole running platform."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from shared.clock import local_day, now
from shared.scope import Role
from tests.e2e.pages.conftest import DESKTOP, NODE_MODULES, PHONE, Browser, Stage
from tests.e2e.pages.fake_services import World
from tests.e2e.pages.test_accessibility import RUN
from tests.support.platform import Platform

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
TODAY = local_day(now())


@dataclass(frozen=True)
class Partners:
    """A school and an enterprise of its own for each test."""

    school: str
    plant: str
    name: str


@pytest.fixture
async def partners(platform: Platform) -> Partners:
    """A registered school and enterprise."""
    ministry = await platform.user(Role.MINISTRY)
    mark = uuid.uuid4().int
    name = f"Zavod {mark % 10**6:06}"
    school = await ministry.done(
        "POST",
        "/api/partners/v1/institutions",
        {"code": f"W-{mark % 10**12}", "name": "Jizzax texnikumi", "kind": "technikum", "district": "1708201",
         "opened_on": "2020-09-01"},
    )  # fmt: skip
    plant = await ministry.done(
        "POST",
        "/api/partners/v1/enterprises",
        {"stir": f"3{mark % 10**8:08}", "name": name, "size": "large", "isic_section": "C", "district": "1708201"},
    )
    return Partners(school["id"], plant["id"], name)


@pytest.fixture
def working(chromium: webdriver.Chrome, platform: Platform) -> Iterator[Browser]:
    """Chromium on the running platform."""
    browser = Browser(chromium, Stage(platform.stack.url("portal"), World()))
    browser.resize(DESKTOP)
    browser.open("/about")
    chromium.delete_all_cookies()
    browser.complaints()
    yield browser
    chromium.get("about:blank")


@contextmanager
def without_scripts(browser: Browser) -> Iterator[None]:
    """The browser runs no JavaScript of pages."""
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        yield
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def choose(browser: Browser, css: str, value: str) -> None:
    """Choose from a list."""
    Select(browser.find(css)).select_by_value(value)


def set_day(browser: Browser, name: str, day: str) -> None:
    """Enter a day, whatever order the browser's own input wants it in."""
    browser.run("document.getElementsByName(arguments[0])[0].value = arguments[1]", name, day)


def send(browser: Browser) -> None:
    """Press the form's button."""
    browser.click(".work-form .form-actions button")


def fits(browser: Browser) -> bool:
    """True if nothing on the page is wider than the screen."""
    return int(browser.run("return document.documentElement.scrollWidth - window.innerWidth")) <= 0


def test_agreement_goes_from_draft_to_activity_through_forms(working: Browser, partners: Partners) -> None:
    since, until = TODAY - timedelta(days=30), TODAY + timedelta(days=300)
    working.sign_in(f"institution:{partners.school}", "/work/agreements/new")

    choose(working, "#f-form", "AF1")
    set_day(working, "valid_from", since.isoformat())
    send(working)
    assert working.find(".problem").get_attribute("id") == working.run("return document.activeElement.id")
    assert Select(working.find("#f-form")).first_selected_option.get_attribute("value") == "AF1"
    assert working.find("#f-valid_from").get_attribute("value") == since.isoformat()
    assert working.all("#f-valid_until[aria-invalid=true]")

    working.click("input[name=opportunities][value=O4]")
    working.find("#f-parties-1-ref").send_keys(partners.name)
    working.click(f"#f-parties-1-ref-set input[value='{partners.plant}']")
    set_day(working, "valid_until", until.isoformat())
    send(working)
    working.until(lambda: "done=new" in working.driver.current_url, "not drafted")
    address = working.driver.current_url.partition("?")[0].removeprefix(working.stage.url)

    for user in (f"institution:{partners.school}", f"enterprise:{partners.plant}"):
        working.sign_in(user, address)
        working.follow(f"a[href='{address}/sign']", "/sign")
        assert Select(working.find("#f-kind")).first_selected_option.get_attribute("value") == "electronic"
        send(working)
        working.until(lambda: "done=sign" in working.driver.current_url, "not signed")
    assert not working.all(f"a[href='{address}/sign']")

    working.sign_in(f"institution:{partners.school}", "/work")
    working.open(address)
    for _ in range(50):  # the calendar brings it into force by itself
        if working.all(f"a[href='{address}/activities']"):
            break
        working.open(address)
    working.follow(f"a[href='{address}/activities']", "/activities")
    set_day(working, "held_on", TODAY.isoformat())
    working.find("#f-participants").send_keys("12")
    send(working)
    working.until(lambda: "done=activities" in working.driver.current_url, "no activity recorded")
    assert "12" in working.text(".below .data")
    refused = "status of 422"  # the browser says it too: the form that was sent too early
    assert [said for said in working.complaints() if refused not in said] == []


def test_form_works_without_scripts(working: Browser, partners: Partners) -> None:
    working.sign_in(f"institution:{partners.school}", "/work/partnerships/new")
    with without_scripts(working):
        working.open("/work/partnerships/new")
        working.find("#f-category").send_keys("k")  # korxona
        working.find("#f-enterprise_id").send_keys(partners.name)
        working.find("button[value='find:enterprise_id']").click()
        working.find(f"input[name=enterprise_id][value='{partners.plant}']").click()
        for name, value in (("forms", "AF1"), ("opportunities", "O4")):
            working.find(f"input[name={name}][value={value}]").click()
        working.find("#f-stage").send_keys("m")  # mavjud
        working.find(".work-form .form-actions button").click()
        working.until(lambda: "done=new" in working.driver.current_url, "not recorded")
        assert working.driver.find_element(By.TAG_NAME, "h1").text == partners.name


def test_pages_fit_a_phone(working: Browser, partners: Partners) -> None:
    working.sign_in(f"institution:{partners.school}", "/work")
    working.resize(PHONE)
    for path in ("/work", "/work/agreements", "/work/agreements/new", "/work/visits/new", "/work/enterprises",
                 f"/work/institutions/{partners.school}", "/work/self-assessments/new"):  # fmt: skip
        working.open(path)
        working.find("h1")
        assert fits(working), path


def test_every_register_opens_and_so_does_its_form(working: Browser, partners: Partners) -> None:
    working.sign_in(f"institution:{partners.school}", "/work")
    registers = {
        str(link.get_attribute("href")).removeprefix(working.stage.url) for link in working.all(".register-links a")
    }
    assert len(registers) >= 30
    for path in sorted(registers):
        working.open(path)
        assert not working.all(".message .code"), path
        for form in [str(link.get_attribute("href")) for link in working.all(".tools .button[href*='/new']")]:
            working.driver.get(form)
            assert working.all(".work-form, .matches"), form
    assert working.complaints() == []


def test_working_pages_break_no_rule_of_accessibility(working: Browser, partners: Partners) -> None:
    axe = (NODE_MODULES / "axe-core/axe.min.js").read_text(encoding="utf-8")
    working.driver.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})  # axe-core brings styles of its own
    try:
        working.sign_in(f"institution:{partners.school}", "/work")
        broken = {}
        for path in ("/work", "/work/enterprises", f"/work/enterprises/{partners.plant}", "/work/agreements/new",
                     "/work/visits/new", "/work/documents/new?kind=employment_contract"):  # fmt: skip
            working.open(path)
            if path.endswith("agreements/new"):
                send(working)
                working.find(".problem")
            working.run(axe)
            if found := working.driver.execute_async_script(RUN):
                broken[path] = found
        assert broken == {}
    finally:
        working.driver.execute_cdp_cmd("Page.setBypassCSP", {"enabled": False})
