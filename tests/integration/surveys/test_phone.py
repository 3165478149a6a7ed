"""The form on a small phone without JavaScript, in a real Chromium."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

from tests.e2e.pages.conftest import NODE_MODULES
from tests.integration.surveys.support import Office
from tests.integration.surveys.test_tokens import secrets_of

pytestmark = pytest.mark.chromium

WIDTH, HEIGHT = 360, 640
TOUCH = 44


@contextmanager
def a_phone() -> Iterator[WebDriver]:
    """A browser of 360 × 640."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("needs chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        metrics = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 2, "mobile": True}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        browser.set_script_timeout(120)
        yield browser
    finally:
        browser.quit()


@pytest.fixture(scope="module")
def phone() -> Iterator[WebDriver]:
    """A phone that runs no script of a page."""
    with a_phone() as browser:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        yield browser


@pytest.fixture(scope="module")
def smart_phone() -> Iterator[WebDriver]:
    """A phone that runs scripts."""
    with a_phone() as browser:
        yield browser


def tick(phone: WebDriver, name: str, value: str) -> None:
    """Touch the label around a control, as a thumb would."""
    label = phone.find_element(By.XPATH, f'//label[input[@name="{name}"][@value="{value}"]]')
    phone.execute_script("arguments[0].scrollIntoView({block: 'center'})", label)
    label.click()


def comes(phone: WebDriver, selector: str) -> None:
    """Wait for the next page to show this."""
    WebDriverWait(phone, 60, ignored_exceptions=[WebDriverException]).until(
        lambda browser: browser.find_element(By.CSS_SELECTOR, selector)
    )


def shown(phone: WebDriver, question: str) -> bool:
    return phone.find_element(By.ID, f"q-{question}").is_displayed()


@pytest.mark.slow
async def test_a_graduate_fills_in_the_form_with_a_thumb(office: Office, phone: WebDriver) -> None:
    (code,) = await office.codes(await office.campaign("S4"), 1)

    def fill_in() -> None:
        phone.get(f"{office.running.base}/s/{code}?lang=uz")
        assert phone.execute_script("return document.documentElement.scrollWidth") <= WIDTH
        small = [
            label.text
            for label in phone.find_elements(By.TAG_NAME, "label")
            if label.is_displayed() and min(label.size["height"], label.size["width"]) < TOUCH
        ]
        assert small == []
        assert not shown(phone, "job_match")
        assert not shown(phone, "obstacles")
        tick(phone, "status", "seeking")
        assert shown(phone, "obstacles")
        tick(phone, "status", "employed")
        assert shown(phone, "job_match")
        assert not shown(phone, "obstacles")
        assert phone.execute_script("return document.documentElement.scrollWidth") <= WIDTH
        tick(phone, "months", "m6")
        names = {each.get_attribute("name") for each in phone.find_elements(By.CSS_SELECTOR, "input[required]")}
        for name in sorted(str(name) for name in names - {"months", "status", "profession"}):
            tick(phone, name, "4")
        phone.find_element(By.NAME, "profession").send_keys("7212")
        phone.find_element(By.CSS_SELECTOR, "button.main").click()
        # What the browser may not demand, because it may not be shown, comes back from the server.
        comes(phone, '[role=alert] a[href="#q-job_match"]')
        assert phone.find_element(By.CSS_SELECTOR, "[name=months][value=m6]").is_selected()
        tick(phone, "job_match", "5")
        tick(phone, "level_match", "same")
        phone.find_element(By.CSS_SELECTOR, "button.main").click()
        comes(phone, "body > main")
        assert "Rahmat!" in phone.page_source
        assert phone.get_cookies() == []

    await asyncio.to_thread(fill_in)
    assert await office.count("staged_answer") == 1


async def test_the_enter_key_sends_the_form_and_does_not_switch_its_language(office: Office, phone: WebDriver) -> None:
    (code,) = await office.codes(await office.campaign("S1"), 1)

    def press_enter() -> None:
        phone.get(f"{office.running.base}/s/{code}?lang=en")
        first = phone.execute_script("return document.querySelector('form [type=submit]').name")
        assert first == ""
        phone.find_element(By.CSS_SELECTOR, 'button[name="show_in"][value="ru"]').click()
        comes(phone, 'html[lang="ru"]')

    await asyncio.to_thread(press_enter)


AXE = NODE_MODULES / "axe-core/axe.min.js"
RULES = """
const done = arguments[arguments.length - 1];
const runOnly = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
axe.run({runOnly, resultTypes: ["violations"]}).then((found) =>
  done(found.violations.map((rule) => `${rule.id}: ${rule.nodes[0].html.slice(0, 200)}`)));
"""
FILL = """
const seen = new Set();
for (const field of document.querySelectorAll("form.survey input, form.survey textarea")) {
  if (!field.getClientRects().length || seen.has(field.name)) continue;
  seen.add(field.name);
  if (field.type === "radio" || field.type === "checkbox") field.click();
  else if (field.getAttribute("list")) field.value = "7212";
  else if (field.type === "date") field.value = field.max || "2026-01-01";
  else field.value = field.inputMode === "numeric" ? "1" : "Yaxshi";
  field.dispatchEvent(new Event("input", {bubbles: true}));
}
"""
SEND = "document.querySelector('form.survey').requestSubmit(document.querySelector('button.main'))"
KEPT = "return Object.keys(localStorage).filter((name) => name.startsWith('hamkor'))"


def says(phone: WebDriver, text: str) -> None:
    """Wait until the page says this."""
    WebDriverWait(phone, 60, ignored_exceptions=[WebDriverException]).until(
        lambda browser: text in browser.find_element(By.TAG_NAME, "body").text
    )


@pytest.mark.slow
async def test_pages_break_no_rule_of_accessibility(office: Office, smart_phone: WebDriver) -> None:
    campaigns = [await office.campaign(instrument) for instrument in ("S3", "S4")]
    (one,), (two,) = [await office.codes(campaign, 1) for campaign in campaigns]
    invited = await office.campaign("S5")
    (secret,) = await secrets_of(office, invited.id, 1)
    base = office.running.base

    def look() -> dict[str, list[str]]:
        smart_phone.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})  # axe-core brings styles of its own
        axe, broken = AXE.read_text(encoding="utf-8"), {}

        def check(name: str) -> None:
            smart_phone.execute_script(axe)
            if found := smart_phone.execute_async_script(RULES):
                broken[name] = found
            assert smart_phone.execute_script("return document.documentElement.scrollWidth") <= WIDTH, name

        for name, path in {"enter": "/s/", "S3": f"/s/{one}", "S4": f"/s/{two}", "invited": f"/s/i/{secret}"}.items():
            smart_phone.get(f"{base}{path}?lang=uz")
            check(name)
        smart_phone.get(f"{base}/s/{one}?lang=ru")
        smart_phone.execute_script("HTMLFormElement.prototype.submit.call(document.querySelector('form.survey'))")
        comes(smart_phone, "[role=alert] li")
        check("errors")
        smart_phone.execute_script(FILL)
        smart_phone.execute_script(SEND)
        says(smart_phone, "Спасибо")
        check("thanks")
        smart_phone.execute_cdp_cmd("Page.setBypassCSP", {"enabled": False})
        return broken

    assert await asyncio.to_thread(look) == {}


async def test_a_draft_outlives_a_reload_and_a_cut_and_is_sent_once(office: Office, smart_phone: WebDriver) -> None:
    (code,) = await office.codes(await office.campaign("S3"), 1)

    def cut(offline: bool) -> None:
        conditions = {"offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        smart_phone.execute_cdp_cmd("Network.emulateNetworkConditions", conditions)

    def live() -> None:
        smart_phone.execute_cdp_cmd("Network.enable", {})
        smart_phone.get(f"{office.running.base}/s/{code}?lang=en")
        says(smart_phone, "0 of")
        smart_phone.execute_script(FILL)
        total = smart_phone.find_element(By.CSS_SELECTOR, "#progress span").text
        done, _, whole = total.partition(" of ")
        assert done == whole.split()[0], total
        says(smart_phone, "6 of")  # characters of the comment
        WebDriverWait(smart_phone, 30).until(lambda browser: browser.execute_script(KEPT))
        assert code not in str(smart_phone.execute_script("return JSON.stringify(localStorage)"))
        smart_phone.refresh()
        says(smart_phone, "is back")
        assert smart_phone.execute_script("return document.querySelectorAll('input:checked').length") > 3
        cut(True)
        smart_phone.execute_script(SEND)
        says(smart_phone, "There is no connection")
        cut(False)
        smart_phone.execute_script("dispatchEvent(new Event('online'))")
        says(smart_phone, "Thank you!")
        assert smart_phone.execute_script(KEPT) == []

    await asyncio.to_thread(live)
    assert await office.count("staged_answer") == 1


async def test_an_invitation_becomes_a_token_and_an_answer(office: Office, smart_phone: WebDriver) -> None:
    campaign = await office.campaign("S5")
    (secret,) = await secrets_of(office, campaign.id, 1)

    def live() -> None:
        smart_phone.get(f"{office.running.base}/s/t/{campaign.id}?lang=en")
        says(smart_phone, "There is no token on this device")
        smart_phone.get(f"{office.running.base}/s/i/{secret}?lang=en")
        smart_phone.find_element(By.CSS_SELECTOR, "button.main").click()
        comes(smart_phone, "form.survey")
        says(smart_phone, "0 of")
        smart_phone.execute_script(FILL)
        smart_phone.execute_script(SEND)
        says(smart_phone, "Thank you!")
        assert smart_phone.execute_script(KEPT) == []

    await asyncio.to_thread(live)
    assert await office.count("staged_answer") == 1
