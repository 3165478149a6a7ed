"""Comparison in a real browser on the whole platform: ranked, among peers, targets by keyboard, the index, parts."""

import asyncio
import uuid

import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from shared.scope import Role
from tests.e2e.pages.conftest import PHONE, Browser
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


def press(browser: Browser, *keys: str) -> None:
    """Type into whatever has the focus."""
    for key in keys:
        browser.driver.switch_to.active_element.send_keys(key)


def test_a_district_reads_its_ranking_by_keyboard_and_takes_it_away(on_platform: Browser, schools: list[str]) -> None:
    on_platform.sign_in(f"district:{DISTRICT}", "/comparison")
    on_platform.open(f"/comparison?indicator=I2&period={YEAR}")
    on_platform.find("nav.menu a[href='/comparison'][aria-current]")
    rows = on_platform.all(".ranking tbody tr")
    assert len(rows) >= SCHOOLS
    first = on_platform.text(".ranking tbody tr:first-child .row-link")
    assert first != "Taqqoslash litseyi 0"
    assert len(on_platform.all(".interval svg")) >= SCHOOLS
    assert on_platform.all(".spread svg[role='img']")
    on_platform.run("document.querySelector('.how summary').focus()")
    press(on_platform, Keys.ENTER)
    assert "Efron" in on_platform.text(".how ul")
    assert faults(on_platform) == []
    # The indicator is chosen and shown without a mouse.
    on_platform.run("document.querySelector('#indicator').focus()")
    Select(on_platform.find("#indicator")).select_by_value("F1")
    on_platform.run("document.querySelector('.choose .button').focus()")
    press(on_platform, Keys.ENTER)
    on_platform.until(lambda: "indicator=F1" in on_platform.driver.current_url, "not shown")
    for each in on_platform.all(".take a"):
        status = on_platform.driver.execute_async_script(
            "const done = arguments[1]; fetch(arguments[0]).then((answer) => done(answer.status))",
            each.get_attribute("href"),
        )
        assert status == 200
    assert on_platform.complaints() == []


def test_a_school_sees_its_place_among_peers_and_none_of_them(on_platform: Browser, schools: list[str]) -> None:
    on_platform.sign_in(f"institution:{schools[3]}", "/comparison")
    on_platform.open(f"/comparison?indicator=I2&period={YEAR}")
    assert on_platform.text("#peers")
    assert on_platform.all(".spread .own")
    assert not on_platform.all(".ranking")
    assert "litseyi 5" not in on_platform.driver.page_source
    assert faults(on_platform) == []
    on_platform.open(f"/comparison?place={schools[4]}&indicator=I2")
    assert on_platform.find("h1").text
    assert "litseyi 4" not in on_platform.driver.page_source
    on_platform.complaints()


def test_a_region_sets_a_target_by_keyboard_and_a_school_sees_its_course(
    on_platform: Browser, schools: list[str]
) -> None:
    on_platform.sign_in(f"region:{REGION}", f"/comparison/targets?year={YEAR}")
    assert faults(on_platform) == []
    Select(on_platform.find("#indicator")).select_by_value("I2")
    Select(on_platform.find("#level")).select_by_value("institution")
    on_platform.run(
        "document.querySelector('#year').append(new Option(arguments[0], arguments[0], true, true))", YEAR
    )  # the last year is over: it is not offered
    on_platform.run("document.querySelector('#value').focus()")
    press(on_platform, "ko‘p", Keys.ENTER)
    assert on_platform.find("#problem li strong").text
    assert on_platform.find("#value").get_attribute("value") == "ko‘p"
    on_platform.run("document.querySelector('#year').append(new Option(arguments[0], arguments[0], true, true))", YEAR)
    on_platform.run("const value = document.querySelector('#value'); value.value = ''; value.focus()")
    press(on_platform, "110%", Keys.ENTER)
    on_platform.until(lambda: "done=set" in on_platform.driver.current_url, "not set")
    on_platform.follow(f"tbody a[href*='/comparison/targets/I2/institution/{YEAR}']", "/comparison/targets/I2")
    assert "110" in on_platform.text(".life strong")
    assert faults(on_platform) == []
    on_platform.complaints()
    on_platform.sign_in(f"institution:{schools[0]}", f"/comparison/targets?year={YEAR}")
    assert on_platform.text("tbody .badge.live")
    assert not on_platform.all("form.work-form")
    assert faults(on_platform) == []
    assert on_platform.complaints() == []


def test_the_index_and_breakdowns_fit_a_phone(on_platform: Browser, schools: list[str]) -> None:
    on_platform.sign_in("ministry", f"/comparison/index?period={YEAR}")
    assert len(on_platform.all("tbody tr")) >= 13
    assert on_platform.text(".big")
    assert faults(on_platform) == []
    on_platform.open(f"/comparison/breakdown?of=F1/form&period={YEAR}")
    assert faults(on_platform) == []
    on_platform.open(f"/comparison?place={REGION}&indicator=F1&per=1")
    assert on_platform.all(".choose input[name='per']:checked")
    on_platform.resize(PHONE)
    assert fits(on_platform)
    assert faults(on_platform) == []
    on_platform.complaints()


@pytest.mark.parametrize("lang", ["uz-Cyrl", "ru", "en"])
def test_pages_speak_the_languages(on_platform: Browser, schools: list[str], lang: str) -> None:
    on_platform.sign_in(f"district:{DISTRICT}", "/comparison")
    on_platform.click(f".languages button[value='{lang}']")
    on_platform.until(lambda: on_platform.run("return document.documentElement.lang") == lang, "language not changed")
    for path in (f"?indicator=I2&period={YEAR}", "/index", "/targets", "/breakdown?of=F3/profession"):
        on_platform.open(f"/comparison{path}")
        assert "comparison." not in on_platform.text("#main")
    on_platform.complaints()
