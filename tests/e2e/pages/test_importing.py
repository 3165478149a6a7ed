"""Bringing files in with a real browser, on the whole running platform: by keyboard, on a phone, without scripts."""

import uuid
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from tests.e2e.pages.conftest import NODE_MODULES, PHONE, Browser
from tests.e2e.pages.test_accessibility import RUN
from tests.e2e.pages.test_working import fits, without_scripts
from tests.e2e.test_main_way import a_school
from tests.support.platform import Platform

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

NEEDS, ENTERPRISES = "/work/needs/import", "/work/enterprises/import"


@pytest.fixture
async def school(platform: Platform) -> str:
    """A school of its own for each test."""
    return str((await a_school(platform))[1]["id"])


def needs(folder: Path, school: str, *quantities: str) -> str:
    """A file of needs."""
    file = folder / "needs.csv"
    rows = [f"{school};O4;AF1;7212;{quantity};2026-09-01" for quantity in quantities]
    file.write_text("\n".join(["institution_id;opportunity;form;profession;quantity;since", *rows]), encoding="utf-8")
    return str(file)


def enterprises(folder: Path, count: int) -> str:
    """A file of new enterprises, and one row that is wrong."""
    mark = uuid.uuid4().int % 10**4
    rows = [f"5{mark:04}{number:04},Zavod,small,C,1708201" for number in range(count)]
    file = folder / "enterprises.csv"
    file.write_text("\n".join(["stir,name,size,isic_section,district", *rows, "1,Zavod,small,C,1708201"]))
    return str(file)


def count(browser: Browser, css: str) -> str:
    """A number of the outcome."""
    return browser.text(f".counts {css} dd")


def looked(browser: Browser) -> bool:
    """True once the job is over; else the page is loaded again, as a person does without scripts."""
    for link in browser.all("#look-again"):
        link.click()
        return False
    return bool(browser.all(".counts"))


def test_file_is_checked_and_brought_in_by_keyboard_alone(on_platform: Browser, school: str, tmp_path: Path) -> None:
    on_platform.sign_in(f"institution:{school}", "/work/needs")
    on_platform.open("/work/needs")
    on_platform.follow(f".tools a[href='{NEEDS}']", NEEDS)
    on_platform.find("#file").send_keys(needs(tmp_path, school, "3", "many", "5"))
    on_platform.find("#upload button").send_keys(Keys.ENTER)
    assert count(on_platform, ".good") == "2"
    assert on_platform.run("return document.activeElement.id") == "outcome-title"
    assert on_platform.text(".faults tbody code") == "quantity"
    on_platform.find(".held button").send_keys(Keys.ENTER)
    on_platform.until(lambda: not on_platform.all(".held"), "not brought in")
    assert count(on_platform, ".good") == "2"
    on_platform.open("/work/needs")
    assert len(on_platform.all(".table-panel tbody tr")) == 2
    assert on_platform.complaints() == []


def test_large_file_is_sent_from_the_page_and_stays_chosen(on_platform: Browser, tmp_path: Path) -> None:
    on_platform.sign_in("ministry", ENTERPRISES)
    on_platform.open(ENTERPRISES)
    on_platform.find("#file").send_keys(enterprises(tmp_path, 900))
    on_platform.click("#upload button")
    on_platform.find("[form=upload]")
    assert count(on_platform, ".good") == "900"
    assert on_platform.run("return document.getElementById('file').files.length") == 1
    tried = on_platform.driver.current_url
    assert ENTERPRISES + "/" in tried, "a page loaded again shows the same"
    on_platform.click("[form=upload]")
    on_platform.until(lambda: on_platform.driver.current_url != tried, "not sent once more")
    on_platform.until(lambda: on_platform.all("#outcome a[href='/work/enterprises']"), "not brought in")
    assert on_platform.text(".faults tbody code") == "stir"
    on_platform.click(".languages button[value='ru']")
    on_platform.until(lambda: on_platform.run("return document.documentElement.lang") == "ru", "another language")
    assert on_platform.text("#outcome-title") == "Файл загружен"
    assert on_platform.complaints() == []


def test_what_is_refused_is_told_beside_the_file_that_stays_chosen(on_platform: Browser, tmp_path: Path) -> None:
    on_platform.sign_in("ministry", ENTERPRISES)
    on_platform.open(ENTERPRISES)
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("stir;colour\n301234567;red\n")
    on_platform.find("#file").send_keys(str(wrong))
    on_platform.click("#upload button")
    assert "colour" in on_platform.text("#problem li code")
    assert on_platform.run("return document.getElementById('file').files.length") == 1
    on_platform.run("document.getElementById('file').dataset.most = '5'")
    on_platform.click("#upload button")
    on_platform.until(lambda: on_platform.find("[data-too-large]").is_displayed(), "sent though it is too large")
    on_platform.run("document.getElementById('file').dataset.most = '5000'")
    on_platform.driver.delete_all_cookies()
    on_platform.click("#upload button")
    on_platform.until(lambda: on_platform.all("#problem a[target=_blank]"), "a session that ended is not told")
    assert on_platform.run("return document.getElementById('file').files.length") == 1


def test_large_file_comes_in_without_scripts(on_platform: Browser, tmp_path: Path) -> None:
    on_platform.sign_in("ministry", ENTERPRISES)
    file = enterprises(tmp_path, 3)
    with without_scripts(on_platform):
        on_platform.open(ENTERPRISES)
        for button in ("#upload button", "[form=upload]"):
            on_platform.find("#file").send_keys(file)
            on_platform.find(button).click()
            # the page that comes has a file to be chosen again
            on_platform.until(lambda: on_platform.find("#file").get_attribute("value") == "", "not sent")
            on_platform.until(lambda: looked(on_platform), "not over")
        assert not on_platform.all("[form=upload]"), "brought in, not only tried"
        assert on_platform.text(".faults tbody code") == "stir"


@pytest.mark.parametrize("lang", ["uz", "uz-Cyrl", "ru", "en"])
def test_pages_fit_a_phone_in_every_language(on_platform: Browser, school: str, tmp_path: Path, lang: str) -> None:
    on_platform.sign_in(f"institution:{school}", "/work")
    on_platform.click(f".languages button[value='{lang}']")
    on_platform.until(lambda: on_platform.run("return document.documentElement.lang") == lang, "another language")
    on_platform.resize(PHONE)
    for path in ("/work/needs", NEEDS, "/work/self-assessments/import", "/work/agreements/import"):
        on_platform.open(path)
        on_platform.run("document.querySelectorAll('details').forEach((each) => (each.open = true))")
        assert fits(on_platform), path
    on_platform.open(NEEDS)
    on_platform.find("#file").send_keys(needs(tmp_path, school, "3", "many"))
    on_platform.click("#upload button")
    on_platform.find(".faults")
    assert fits(on_platform)


def test_pages_break_no_rule_of_accessibility(on_platform: Browser, school: str, tmp_path: Path) -> None:
    axe = (NODE_MODULES / "axe-core/axe.min.js").read_text(encoding="utf-8")
    on_platform.driver.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})  # axe-core brings styles of its own
    try:
        on_platform.sign_in(f"institution:{school}", "/work")
        broken = {}
        for quantities in ((), ("3", "many")):
            on_platform.open(NEEDS)
            if quantities:
                on_platform.find("#file").send_keys(needs(tmp_path, school, *quantities))
                on_platform.click("#upload button")
                on_platform.find(".faults")
            on_platform.run(axe)
            if found := on_platform.driver.execute_async_script(RUN):
                broken[quantities] = found
        assert broken == {}
    finally:
        on_platform.driver.execute_cdp_cmd("Page.setBypassCSP", {"enabled": False})
