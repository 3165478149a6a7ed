"""What a ministry sees: the map, drilling down, numbers that move by themselves, and what is behind them."""

from urllib.parse import parse_qs, urlsplit

import pytest
from selenium.webdriver.common.keys import Keys

from services.portal.territory import territory
from tests.e2e.pages.conftest import PHONE, Browser
from tests.e2e.pages.fake_services import INDICATORS, institutions

REGIONS = {place.code for place in territory().values() if place.level == "region"}
PAGES = (
    "/", "/places/1708", "/places/1708401", "/places/0199-1708401-003", "/why?indicator=F1&place=1708", "/search",
    "/indicators", "/about", "/operations", "/nowhere",
)  # fmt: skip


def shown_value(browser: Browser, indicator: str) -> str:
    """The number on an indicator's card."""
    value: str = browser.run(
        "return document.querySelector(arguments[0]).dataset.value", f"[data-key='card-{indicator}']"
    )
    return value


def test_home_shows_the_nation_by_region_and_all_indicators(ministry: Browser) -> None:
    assert ministry.text("h1") == "O‘zbekiston Respublikasi"
    assert {link.get_attribute("data-place") for link in ministry.all(".map a")} == REGIONS
    assert {row.get_attribute("data-place") for row in ministry.all(".compare tbody tr")} == REGIONS
    assert len(ministry.all(".tile")) == len(INDICATORS)
    ministry.find(".chart canvas")
    assert ministry.complaints() == []


def test_map_leads_to_region_district_and_institution_and_back(ministry: Browser) -> None:
    ministry.follow("#map-1708", "/places/1708")
    assert ministry.text("h1") == "Jizzax viloyati"
    ministry.follow("a#row-1708401", "/places/1708401")
    assert ministry.text("h1") == "Jizzax shahri"
    ministry.follow(".compare tbody a", "/places/0199-1708401-")
    assert ministry.text("h1").endswith("-maktab")
    assert len(ministry.all(".crumbs a")) == 3
    ministry.follow(".crumbs a", "/places/17?")
    assert ministry.text("h1") == "O‘zbekiston Respublikasi"
    assert ministry.complaints() == []


def test_numbers_move_without_reloading_and_show_that_they_did(ministry: Browser) -> None:
    ministry.until(lambda: ministry.find("#live").get_attribute("data-state") == "on", "not live")
    ministry.run("window.sameDocument = true")
    before = shown_value(ministry, "F1")
    ministry.stage.world.happen(institutions("1708401")[3], "F1", 7)
    ministry.until(lambda: shown_value(ministry, "F1") != before, "the card stands still")
    ministry.until(lambda: ministry.all("[data-key='card-F1'].moved"), "no highlight on the card")
    ministry.until(lambda: ministry.all("tr[data-place='1708'].moved"), "no highlight on the row")
    assert not ministry.all("tr[data-place='1706'].moved")
    assert int(shown_value(ministry, "F1").split(".")[0]) == int(before.split(".")[0]) + 7
    assert ministry.run("return window.sameDocument")
    ministry.find(".chart canvas")
    assert ministry.complaints() == []


def test_lost_connection_is_shown_and_made_good(ministry: Browser) -> None:
    ministry.until(lambda: ministry.find("#live").get_attribute("data-state") == "on", "not live")
    ministry.stage.world.down = True
    ministry.stage.world.hang_up()
    ministry.until(lambda: ministry.find("#live").get_attribute("data-state") == "again", "says nothing")
    before = shown_value(ministry, "F1")
    ministry.stage.world.happen(institutions("1708401")[3], "F1", 5)
    ministry.stage.world.down = False
    ministry.until(lambda: ministry.find("#live").get_attribute("data-state") == "on", "not live again")
    ministry.until(lambda: shown_value(ministry, "F1") != before, "missed what happened meanwhile")


def test_choosing_an_indicator_recolours_the_map_and_the_table(ministry: Browser) -> None:
    ministry.follow("#choose-I5", "indicator=I5")
    assert "I5" in ministry.text(".compare h2")
    assert "%" in ministry.text(".compare tbody td.value")
    assert ministry.all("th a#sort-denominator")


def test_period_is_switched_to_months(ministry: Browser) -> None:
    ministry.follow(".segments a:nth-child(2)", "period=20")
    period = parse_qs(urlsplit(ministry.driver.current_url).query)["period"][0]
    assert ministry.run("return document.getElementById('period').value") == period
    ministry.run(
        "const s = document.getElementById('period'); s.selectedIndex = 3;"
        "s.dispatchEvent(new Event('change', {bubbles: true}))"
    )
    ministry.until(lambda: f"period={period}" not in ministry.driver.current_url, "the choice does nothing")


def test_unknown_and_hidden_values_are_not_shown_as_zero(ministry: Browser) -> None:
    ministry.open("/?indicator=F3")
    assert "—" in ministry.text("tr[data-place='1735']")
    assert "yashirilgan" in ministry.text("tr[data-place='1724']")
    assert ministry.all("#map-1735 .shade-none")
    assert ministry.all("#map-1724 .shade-none")


def test_long_lists_are_paged_sorted_and_searched(ministry: Browser) -> None:
    ministry.open("/places/1726266")
    assert len(ministry.all(".compare tbody tr")) == 50
    ministry.follow("a[rel=next]", "page=2")
    ministry.follow("a[rel=next]", "page=3")
    assert len(ministry.all(".compare tbody tr")) == 20
    ministry.follow("#sort-name", "sort=name")
    first, second = (row.text for row in ministry.all(".compare tbody th")[:2])
    assert first <= second
    field = ministry.find("#filter")
    field.send_keys("77", Keys.ENTER)
    ministry.until(lambda: len(ministry.all(".compare tbody tr")) == 1, "not filtered")


def test_why_shows_documents_and_events_page_by_page(ministry: Browser) -> None:
    ministry.follow("#why-F1", "/why")
    assert len(ministry.all(".lineage tbody tr")) == 25
    ministry.click(".lineage details summary")
    assert "hamkor.agreements.agreement" in ministry.text(".lineage details[open] code")
    ministry.follow("a[rel=next]", "after=25")
    ministry.follow("a[rel=next]", "after=50")
    assert len(ministry.all(".lineage tbody tr")) == 10
    assert not ministry.all("a[rel=next]")


@pytest.mark.parametrize(
    ("lang", "word"), [("uz", "Bosh sahifa"), ("uz-Cyrl", "Бош саҳифа"), ("ru", "Главная"), ("en", "Home")]
)
def test_language_is_switched_and_kept(ministry: Browser, lang: str, word: str) -> None:
    ministry.open("/places/1708")
    ministry.click(f".languages button[value='{lang}']")
    ministry.until(lambda: ministry.run("return document.documentElement.lang") == lang, "language stays")
    assert "/places/1708" in ministry.driver.current_url
    assert ministry.text(".menu a") == word
    ministry.open("/")
    assert ministry.text(".menu a") == word


@pytest.mark.parametrize("lang", ["uz", pytest.param("ru", marks=pytest.mark.slow)])
def test_phone_shows_every_page_without_sideways_scrolling(ministry: Browser, lang: str) -> None:
    ministry.click(f".languages button[value='{lang}']")
    ministry.resize(PHONE)
    for page in PAGES:
        ministry.open(page)
        ministry.find("h1")
        width = ministry.run("return document.documentElement.scrollWidth")
        assert width <= PHONE[0], page
    assert [complaint for complaint in ministry.complaints() if "/nowhere" not in complaint] == []


def test_keyboard_alone_reaches_content_and_regions(ministry: Browser) -> None:
    ministry.open("/")
    ministry.find("body").send_keys(Keys.TAB)
    assert ministry.run("return document.activeElement.className") == "skip"
    ministry.driver.switch_to.active_element.send_keys(Keys.ENTER)
    ministry.until(lambda: ministry.run("return document.activeElement.id") == "main", "skip link leads nowhere")
    ministry.run("document.getElementById('map-1708').focus()")
    ministry.driver.switch_to.active_element.send_keys(Keys.ENTER)
    ministry.until(lambda: "/places/1708" in ministry.driver.current_url, "a region can't be entered by keyboard")


def test_refetched_parts_keep_focus_and_open_details(ministry: Browser) -> None:
    ministry.until(lambda: ministry.find("#live").get_attribute("data-state") == "on", "not live")
    ministry.click("#trend-table summary")
    ministry.run("document.getElementById('row-1708').focus()")
    before = shown_value(ministry, "F1")
    ministry.stage.world.happen(institutions("1708401")[5], "F1", 3)
    ministry.until(lambda: shown_value(ministry, "F1") != before, "the card stands still")
    ministry.until(lambda: ministry.all("tr[data-place='1708'].moved"), "the table stands still")
    assert ministry.run("return document.activeElement.id") == "row-1708"
    ministry.until(lambda: ministry.all("#trend-table[open]"), "details closed")


def test_pages_work_without_scripts(browser: Browser) -> None:
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.sign_in("jizzakh")
        assert browser.find("h1").text == "Jizzax viloyati"
        browser.follow("#choose-I5", "indicator=I5")
        browser.follow(".period button", "period=")
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
