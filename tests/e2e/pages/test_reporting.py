"""Reports in a real browser on the whole platform: submitted, returned, approved; published, revised, explained."""

import asyncio
import uuid

import pytest
from selenium.webdriver.common.by import By

from shared.scope import Role
from tests.e2e.pages.conftest import Browser
from tests.e2e.pages.test_advice import faults, press
from tests.support.platform import Platform
from tests.support.services import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
DISTRICT, REGION, YEAR = "1708201", "1708", "2025-26"


@pytest.fixture
async def school(platform: Platform) -> str:
    """A school whose report of the last academic year is open."""
    ministry = await platform.user(Role.MINISTRY)
    body = {"code": f"H-{uuid.uuid4().int % 10**12}", "name": "Hisobot texnikumi", "kind": "technikum"}
    told = await ministry.done(
        "POST", "/api/partners/v1/institutions", body | {"district": DISTRICT, "opened_on": "2020-09-01"}
    )
    own = await platform.user(Role.INSTITUTION, told["id"])
    await own.done(
        "PUT",
        f"/api/partners/v1/institutions/{told['id']}/enrolments/{YEAR}",
        {"places": 100, "first_choice": 150},
    )

    async def ready() -> bool:
        found = await own.get("/api/monitoring/v1/submissions", place=told["id"], period=YEAR)
        value = await own.get("/api/monitoring/v1/values", indicator="I2", place=told["id"], period=YEAR)
        return bool(found.json()["items"]) and value.json()["value"]["numerator"] == 150

    await eventually(ready, "the school's report is open", 60)
    return str(told["id"])


def open_report(browser: Browser) -> None:
    """Open the report in the queue that belongs to the school."""
    row = browser.until(lambda: browser.driver.find_element(By.PARTIAL_LINK_TEXT, "Hisobot texnikumi"))
    browser.open(str(row.get_attribute("href")).removeprefix(browser.stage.url))


def test_a_report_goes_up_comes_back_and_is_approved(on_platform: Browser, school: str) -> None:
    browser = on_platform
    browser.sign_in(f"institution:{school}", "/reporting")
    browser.follow("nav.menu a[href='/reporting']", "/reporting")
    browser.open(f"/reporting?period={YEAR}")
    assert faults(browser) == []
    browser.follow("tbody .row-link", "/reporting/reports/")
    address = browser.driver.current_url.removeprefix(browser.stage.url)
    browser.find("#note-submit").send_keys("Hammasi kiritildi")
    press(browser, "submit")
    assert browser.text(".done")
    assert len(browser.all("table.data tbody tr")) > 20

    browser.sign_in("district:1708201", f"/reporting?period={YEAR}&status=submitted")
    open_report(browser)
    browser.click("details.step:not([open]) summary")
    browser.click("input[name='reason'][value='wrong_figures']")
    press(browser, "return")

    browser.sign_in(f"institution:{school}", address)
    assert browser.text("p.note strong")
    press(browser, "submit")
    browser.sign_in("district:1708201", address)
    press(browser, "approve")
    assert faults(browser) == []
    assert browser.text(".badge.live")


async def test_a_published_value_shows_its_revision_and_what_caused_it(
    on_platform: Browser, school: str, platform: Platform
) -> None:
    browser = on_platform
    await asyncio.to_thread(browser.sign_in, "district:1708201", "/reporting/publications")

    def publish() -> None:
        browser.click(f"#period option[value='{YEAR}']")
        browser.click("form.work-form .form-actions button")
        browser.until(lambda: "/reporting/publications/" in browser.driver.current_url, "not ordered")
        browser.until(made, "not made")

    def made() -> bool:
        browser.open(here())
        return bool(browser.all("table.data tbody tr"))

    def here() -> str:
        return browser.driver.current_url.removeprefix(browser.stage.url).split("?")[0]

    await asyncio.to_thread(publish)
    address = here()
    own = await platform.user(Role.INSTITUTION, school)
    path = f"/api/partners/v1/institutions/{school}/enrolments/{YEAR}"
    await own.done("PUT", path, {"places": 100, "first_choice": 170})

    async def applied() -> bool:
        value = await own.get("/api/monitoring/v1/values", indicator="I2", place=school, period=YEAR)
        return bool(value.json()["value"]["numerator"] == 170)

    await eventually(applied, "the correction has arrived")

    def explained() -> None:
        browser.open(f"{address}?indicator=I2&changed=true")
        assert browser.text("table.data .badge.warn")
        assert faults(browser) == []
        browser.follow("table.data tbody a[href*='/reporting/changed']", "/reporting/changed")
        assert "Hisobot texnikumi" in browser.text("table.data tbody")
        assert faults(browser) == []
        assert browser.complaints() == []

    await asyncio.to_thread(explained)
