"""Comparison in a real browser on the whole platform: ranked, among peers, targets by keyboard, the index, parts."""

import asyncio
import uuid
from collections.abc import Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from shared.scope import Role
from tests.e2e.pages.conftest import DESKTOP, PHONE, Browser, Stage
from tests.e2e.pages.fake_services import World
from tests.e2e.pages.test_advice import faults, fits
from tests.support.platform import Platform
from tests.support.services import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
DISTRICT, REGION, YEAR = "1708204", "1708", "2025-26"
SCHOOLS = 12


@pytest.fixture(scope="module")
async def schools(platform: Platform) -> list[str]:
    """Schools of one kind whose applications are known: of the first few, of the others many."""
    ministry = await platform.user(Role.MINISTRY)

    async def a_school(number: int) -> str:
        body = {"code": f"K-{uuid.uuid4().int % 10**12}", "name": f"Taqqoslash litseyi {number}", "kind": "lyceum"}
        told = await ministry.done(
            "POST", "/api/partners/v1/institutions", body | {"district": DISTRICT, "opened_on": "2020-09-01"}
        )
        own = await platform.user(Role.INSTITUTION, told["id"])
        places, wishes = (4, 8) if number == 0 else (300 + number, 330 + 9 * number)
        await own.done(
            "PUT",
            f"/api/partners/v1/institutions/{told['id']}/enrolments/{YEAR}",
            {"places": places, "first_choice": wishes},
        )
        return str(told["id"])

    made = list(await asyncio.gather(*(a_school(number) for number in range(SCHOOLS))))

    async def ranked() -> bool:
        found = await ministry.get("/api/monitoring/v1/ranking", indicator="I2", period=YEAR, place=DISTRICT)
        return found.status_code == 200 and found.json()["ranked"] >= SCHOOLS

    await eventually(ranked, "the schools are ranked", 60)
    return made


@pytest.fixture
def compared(chromium: webdriver.Chrome, platform: Platform) -> Iterator[Browser]:
    """Chromium on the running platform."""
    browser = Browser(chromium, Stage(platform.stack.url("portal"), World()))
    browser.resize(DESKTOP)
    browser.open("/about")
    chromium.delete_all_cookies()
    browser.complaints()
    yield browser
    chromium.get("about:blank")


def press(browser: Browser, *keys: str) -> None:
    """Type into whatever has the focus."""
    for key in keys:
        browser.driver.switch_to.active_element.send_keys(key)


def test_a_district_reads_its_ranking_by_keyboard_and_takes_it_away(compared: Browser, schools: list[str]) -> None:
    compared.sign_in(f"district:{DISTRICT}", "/comparison")
    compared.open(f"/comparison?indicator=I2&period={YEAR}")
    compared.find("nav.menu a[href='/comparison'][aria-current]")
    rows = compared.all(".ranking tbody tr")
    assert len(rows) >= SCHOOLS
    first = compared.text(".ranking tbody tr:first-child .row-link")
    assert first != "Taqqoslash litseyi 0"
    assert len(compared.all(".interval svg")) >= SCHOOLS
    assert compared.all(".spread svg[role='img']")
    compared.run("document.querySelector('.how summary').focus()")
    press(compared, Keys.ENTER)
    assert "Efron" in compared.text(".how ul")
    assert faults(compared) == []
    # The indicator is chosen and shown without a mouse.
    compared.run("document.querySelector('#indicator').focus()")
    Select(compared.find("#indicator")).select_by_value("F1")
    compared.run("document.querySelector('.choose .button').focus()")
    press(compared, Keys.ENTER)
    compared.until(lambda: "indicator=F1" in compared.driver.current_url, "not shown")
    for each in compared.all(".take a"):
        status = compared.driver.execute_async_script(
            "const done = arguments[1]; fetch(arguments[0]).then((answer) => done(answer.status))",
            each.get_attribute("href"),
        )
        assert status == 200
    assert compared.complaints() == []


def test_a_school_sees_its_place_among_peers_and_none_of_them(compared: Browser, schools: list[str]) -> None:
    compared.sign_in(f"institution:{schools[3]}", "/comparison")
    compared.open(f"/comparison?indicator=I2&period={YEAR}")
    assert compared.text("#peers")
    assert compared.all(".spread .own")
    assert not compared.all(".ranking")
    assert "litseyi 5" not in compared.driver.page_source
    assert faults(compared) == []
    compared.open(f"/comparison?place={schools[4]}&indicator=I2")
    assert compared.find("h1").text
    assert "litseyi 4" not in compared.driver.page_source
    compared.complaints()


def test_a_region_sets_a_target_by_keyboard_and_a_school_sees_its_course(compared: Browser, schools: list[str]) -> None:
    compared.sign_in(f"region:{REGION}", f"/comparison/targets?year={YEAR}")
    assert faults(compared) == []
    Select(compared.find("#indicator")).select_by_value("I2")
    Select(compared.find("#level")).select_by_value("institution")
    compared.run(
        "document.querySelector('#year').append(new Option(arguments[0], arguments[0], true, true))", YEAR
    )  # the last year is over: it is not offered
    compared.run("document.querySelector('#value').focus()")
    press(compared, "ko‘p", Keys.ENTER)
    assert compared.find("#problem li strong").text
    assert compared.find("#value").get_attribute("value") == "ko‘p"
    compared.run("document.querySelector('#year').append(new Option(arguments[0], arguments[0], true, true))", YEAR)
    compared.run("const value = document.querySelector('#value'); value.value = ''; value.focus()")
    press(compared, "110%", Keys.ENTER)
    compared.until(lambda: "done=set" in compared.driver.current_url, "not set")
    compared.follow(f"tbody a[href*='/comparison/targets/I2/institution/{YEAR}']", "/comparison/targets/I2")
    assert "110" in compared.text(".life strong")
    assert faults(compared) == []
    compared.complaints()
    compared.sign_in(f"institution:{schools[0]}", f"/comparison/targets?year={YEAR}")
    assert compared.text("tbody .badge.live")
    assert not compared.all("form.work-form")
    assert faults(compared) == []
    assert compared.complaints() == []


def test_the_index_and_breakdowns_fit_a_phone(compared: Browser, schools: list[str]) -> None:
    compared.sign_in("ministry", f"/comparison/index?period={YEAR}")
    assert len(compared.all("tbody tr")) >= 13
    assert compared.text(".big")
    assert faults(compared) == []
    compared.open(f"/comparison/breakdown?of=F1/form&period={YEAR}")
    assert faults(compared) == []
    compared.open(f"/comparison?place={REGION}&indicator=F1&per=1")
    assert compared.all(".choose input[name='per']:checked")
    compared.resize(PHONE)
    assert fits(compared)
    assert faults(compared) == []
    compared.complaints()


@pytest.mark.parametrize("lang", ["uz-Cyrl", "ru", "en"])
def test_pages_speak_the_languages(compared: Browser, schools: list[str], lang: str) -> None:
    compared.sign_in(f"district:{DISTRICT}", "/comparison")
    compared.click(f".languages button[value='{lang}']")
    compared.until(lambda: compared.run("return document.documentElement.lang") == lang, "language not changed")
    for path in (f"?indicator=I2&period={YEAR}", "/index", "/targets", "/breakdown?of=F3/profession"):
        compared.open(f"/comparison{path}")
        assert "comparison." not in compared.text("#main")
    compared.complaints()
