"""A school's work through the pages, in a real browser on the whole running platform."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from shared.clock import local_day, now
from shared.scope import Role
from tests.e2e.pages.conftest import NODE_MODULES, PHONE, Browser
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


def test_agreement_goes_from_draft_to_activity_through_forms(on_platform: Browser, partners: Partners) -> None:
    since, until = TODAY - timedelta(days=30), TODAY + timedelta(days=300)
    on_platform.sign_in(f"institution:{partners.school}", "/work/agreements/new")

    choose(on_platform, "#f-form", "AF1")
    set_day(on_platform, "valid_from", since.isoformat())
    send(on_platform)
    assert on_platform.find(".problem").get_attribute("id") == on_platform.run("return document.activeElement.id")
    assert Select(on_platform.find("#f-form")).first_selected_option.get_attribute("value") == "AF1"
    assert on_platform.find("#f-valid_from").get_attribute("value") == since.isoformat()
    assert on_platform.all("#f-valid_until[aria-invalid=true]")

    on_platform.click("input[name=opportunities][value=O4]")
    on_platform.find("#f-parties-1-ref").send_keys(partners.name)
    on_platform.click(f"#f-parties-1-ref-set input[value='{partners.plant}']")
    set_day(on_platform, "valid_until", until.isoformat())
    send(on_platform)
    on_platform.until(lambda: "done=new" in on_platform.driver.current_url, "not drafted")
    address = on_platform.driver.current_url.partition("?")[0].removeprefix(on_platform.stage.url)

    for user in (f"institution:{partners.school}", f"enterprise:{partners.plant}"):
        on_platform.sign_in(user, address)
        on_platform.follow(f"a[href='{address}/sign']", "/sign")
        assert Select(on_platform.find("#f-kind")).first_selected_option.get_attribute("value") == "electronic"
        send(on_platform)
        on_platform.until(lambda: "done=sign" in on_platform.driver.current_url, "not signed")
    assert not on_platform.all(f"a[href='{address}/sign']")

    on_platform.sign_in(f"institution:{partners.school}", "/work")
    on_platform.open(address)
    for _ in range(50):  # the calendar brings it into force by itself
        if on_platform.all(f"a[href='{address}/activities']"):
            break
        on_platform.open(address)
    on_platform.follow(f"a[href='{address}/activities']", "/activities")
    set_day(on_platform, "held_on", TODAY.isoformat())
    on_platform.find("#f-participants").send_keys("12")
    send(on_platform)
    on_platform.until(lambda: "done=activities" in on_platform.driver.current_url, "no activity recorded")
    assert "12" in on_platform.text(".below .data")
    refused = "status of 422"  # the browser says it too: the form that was sent too early
    assert [said for said in on_platform.complaints() if refused not in said] == []


def test_form_works_without_scripts(on_platform: Browser, partners: Partners) -> None:
    on_platform.sign_in(f"institution:{partners.school}", "/work/partnerships/new")
    with without_scripts(on_platform):
        on_platform.open("/work/partnerships/new")
        on_platform.find("#f-category").send_keys("k")  # korxona
        on_platform.find("#f-enterprise_id").send_keys(partners.name)
        on_platform.find("button[value='find:enterprise_id']").click()
        on_platform.find(f"input[name=enterprise_id][value='{partners.plant}']").click()
        for name, value in (("forms", "AF1"), ("opportunities", "O4")):
            on_platform.find(f"input[name={name}][value={value}]").click()
        on_platform.find("#f-stage").send_keys("m")  # mavjud
        on_platform.find(".work-form .form-actions button").click()
        on_platform.until(lambda: "done=new" in on_platform.driver.current_url, "not recorded")
        assert on_platform.driver.find_element(By.TAG_NAME, "h1").text == partners.name


def test_pages_fit_a_phone(on_platform: Browser, partners: Partners) -> None:
    on_platform.sign_in(f"institution:{partners.school}", "/work")
    on_platform.resize(PHONE)
    for path in ("/work", "/work/agreements", "/work/agreements/new", "/work/visits/new", "/work/enterprises",
                 f"/work/institutions/{partners.school}", "/work/self-assessments/new"):  # fmt: skip
        on_platform.open(path)
        on_platform.find("h1")
        assert fits(on_platform), path


def test_every_register_opens_and_so_does_its_form(on_platform: Browser, partners: Partners) -> None:
    on_platform.sign_in(f"institution:{partners.school}", "/work")
    registers = {
        str(link.get_attribute("href")).removeprefix(on_platform.stage.url)
        for link in on_platform.all(".register-links a")
    }
    assert len(registers) >= 30
    for path in sorted(registers):
        on_platform.open(path)
        assert not on_platform.all(".message .code"), path
        for form in [str(link.get_attribute("href")) for link in on_platform.all(".tools .button[href*='/new']")]:
            on_platform.driver.get(form)
            assert on_platform.all(".work-form, .matches"), form
    assert on_platform.complaints() == []


def test_working_pages_break_no_rule_of_accessibility(on_platform: Browser, partners: Partners) -> None:
    axe = (NODE_MODULES / "axe-core/axe.min.js").read_text(encoding="utf-8")
    on_platform.driver.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})  # axe-core brings styles of its own
    try:
        on_platform.sign_in(f"institution:{partners.school}", "/work")
        broken = {}
        for path in ("/work", "/work/enterprises", f"/work/enterprises/{partners.plant}", "/work/agreements/new",
                     "/work/visits/new", "/work/documents/new?kind=employment_contract"):  # fmt: skip
            on_platform.open(path)
            if path.endswith("agreements/new"):
                send(on_platform)
                on_platform.find(".problem")
            on_platform.run(axe)
            if found := on_platform.driver.execute_async_script(RUN):
                broken[path] = found
        assert broken == {}
    finally:
        on_platform.driver.execute_cdp_cmd("Page.setBypassCSP", {"enabled": False})
