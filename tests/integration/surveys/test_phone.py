"""The form on a small phone without JavaScript, in a real Chromium."""

import asyncio
import shutil
from collections.abc import Iterator

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

from tests.integration.surveys.support import Office

pytestmark = pytest.mark.chromium

WIDTH, HEIGHT = 360, 640
TOUCH = 44


@pytest.fixture(scope="module")
def phone() -> Iterator[WebDriver]:
    """A browser of 360 × 640 that runs no script of a page."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("needs chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        metrics = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 2, "mobile": True}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        yield browser
    finally:
        browser.quit()


def tick(phone: WebDriver, id_: str) -> None:
    """Touch the label around a control, as a thumb would."""
    label = phone.find_element(By.XPATH, f'//label[input[@id="{id_}"]]')
    phone.execute_script("arguments[0].scrollIntoView({block: 'center'})", label)
    label.click()


def comes(phone: WebDriver, selector: str) -> None:
    """Wait for the next page to show this."""
    WebDriverWait(phone, 60, ignored_exceptions=[WebDriverException]).until(
        lambda browser: browser.find_element(By.CSS_SELECTOR, selector)
    )


def shown(phone: WebDriver, question: str) -> bool:
    return phone.find_element(By.ID, f"q-{question}").is_displayed()


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
        tick(phone, "status-seeking")
        assert shown(phone, "obstacles")
        tick(phone, "status-employed")
        assert shown(phone, "job_match")
        assert not shown(phone, "obstacles")
        assert phone.execute_script("return document.documentElement.scrollWidth") <= WIDTH
        tick(phone, "months-m6")
        names = {each.get_attribute("name") for each in phone.find_elements(By.CSS_SELECTOR, "input[required]")}
        for name in sorted(str(name) for name in names - {"months", "status"}):
            tick(phone, f"{name.replace('.', '-')}-4")
        phone.find_element(By.CSS_SELECTOR, "button.main").click()
        # The one question that the browser may not demand, because it may not be shown, comes back from the server.
        comes(phone, '[role=alert] a[href="#q-job_match"]')
        assert phone.find_element(By.ID, "months-m6").is_selected()
        tick(phone, "job_match-5")
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
