"""The pages of surveys in a browser on the real survey service: planned, handed out, read – on a phone too."""

import asyncio
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from openpyxl import Workbook
from selenium import webdriver
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from services.portal.app import build as build_portal
from services.portal.surveys.drawn import ended_years
from services.surveys.app import build as build_surveys
from services.surveys.instruments import InstrumentLibrary
from shared.clock import local_day, now
from tests.e2e.pages.conftest import DESKTOP, NODE_MODULES, PHONE, Browser, Stage
from tests.e2e.pages.conftest import serving as serving_in_thread
from tests.e2e.pages.fake_services import World
from tests.support.engines import a_broker, a_postgres
from tests.support.services import environment_of
from tests.support.services import serving as serving_here
from tests.support.surveys import SCHOOL, Asked, fill, pool

pytestmark = pytest.mark.slow
_DISTRICTS = ("1708201", "1708201", "1703202", "1703202", "1714204", "1714204")

RUN = """
const done = arguments[arguments.length - 1];
axe.run().then((found) => done(found.violations.map((rule) => `${rule.id}: ${rule.nodes[0].html.slice(0, 200)}`)));
"""


@dataclass
class Behind:
    """The survey service in a thread of its own, with a finished campaign, an open one and employers' answers."""

    folder: Path
    portal: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    campaigns: dict[str, str] = field(default_factory=dict)
    year: str = field(default_factory=lambda: ended_years(local_day(now()))[0])
    failed: BaseException | None = None
    ready: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Serve until told to stop."""
        try:
            asyncio.run(self._serve())
        except BaseException as problem:
            self.failed = problem
            self.ready.set()
            raise

    async def _serve(self) -> None:
        async with a_postgres(self.folder / "postgres") as postgres, a_broker(self.folder / "broker") as broker:
            database = await postgres.database("surveys")
            self.environment = environment_of("", {"surveys": database.url}, broker.setting, True) | {
                "PORTAL_EMBEDDED_ISSUER": "true",
                "PORTAL_ISSUER_KEY_FILE": str(self.folder / "key.pem"),
                "PORTAL_SESSION_SECRET": "for-page-tests-only-0123456789",
                "SURVEYS_CODE_PEPPER": "pepper-of-the-tests-of-surveys",
                "LOG_LEVEL": "error",
            }
            self.portal = self.environment["PORTAL_URL"]
            self.environment["AUTH_ISSUER"] = f"{self.portal}/oidc"
            with patch.dict(os.environ, self.environment):
                app = build_surveys()
            async with serving_here(app, int(self.environment["SURVEYS_PORT"])):
                library = InstrumentLibrary.load()
                for name, code, count, over in (
                    ("over", "S3", 300, True),
                    ("open", "S3", 8, False),
                    ("s1", "S1", 300, True),
                ):
                    self.campaigns[name] = await fill(app.state.database, library, code, count, over=over)
                ended = date(int(self.year[:4]) + 1, 5, 20)
                for code in ("S1", "S3"):
                    for number, district in enumerate(_DISTRICTS, start=2):
                        asked = Asked(f"{SCHOOL[:-1]}{number}", district, ended)
                        await fill(app.state.database, library, code, 240, over=True, asked=asked)
                await pool(app.state.database, library)
                self.ready.set()
                await asyncio.to_thread(self.stop.wait)


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    """The portal in front of the real survey service."""
    found = Behind(tmp_path_factory.mktemp("surveys"))
    thread = threading.Thread(target=found.run, daemon=True)
    thread.start()
    assert found.ready.wait(180)
    assert found.failed is None
    portal: Any = build_portal(found.environment)
    port = int(found.environment["PORTAL_PORT"])
    with serving_in_thread(portal, port):
        yield found
    found.stop.set()
    thread.join(30)


@pytest.fixture
def person(chromium: webdriver.Chrome, behind: Behind) -> Iterator[Browser]:
    """A browser on that portal."""
    browser = Browser(chromium, Stage(behind.portal, World()))
    browser.resize(DESKTOP)
    browser.open("/about")
    chromium.delete_all_cookies()
    yield browser
    chromium.get("about:blank")


def faults(browser: Browser, paths: list[str]) -> dict[str, Any]:
    """What breaks a rule of accessibility or runs out of the screen, by page."""
    axe = (NODE_MODULES / "axe-core/axe.min.js").read_text(encoding="utf-8")
    browser.driver.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})  # axe-core brings styles of its own
    try:
        found: dict[str, Any] = {}
        for path in paths:
            browser.open(path)
            browser.find("h1")
            assert not browser.all(".message .code"), f"{path} is an error page"
            browser.run(axe)
            if broken := browser.driver.execute_async_script(RUN):
                found[path] = broken
            if browser.run("return document.documentElement.scrollWidth > window.innerWidth"):
                found[f"{path} is too wide"] = True
        return found
    finally:
        browser.driver.execute_cdp_cmd("Page.setBypassCSP", {"enabled": False})


def test_a_school_plans_hands_out_and_reads_on_a_phone(person: Browser, behind: Behind) -> None:
    person.resize(PHONE)
    person.sign_in(f"institution:{SCHOOL}", "/surveys")
    person.follow(".tools a.button", "/surveys/new")
    person.run("document.querySelector('#instrument').value = 'S5'")
    person.find("#title").send_keys("Oʻqituvchilar fikri")
    person.follow(".form-actions button", "done=planned")
    person.follow(".steps form[action$='/open'] button", "done=open")
    person.find("#count").clear()
    person.find("#count").send_keys("4")
    person.follow("button[value='print']", "/codes")
    assert len({slip.text for slip in person.all(".slip-code")}) == 4
    over, going = behind.campaigns["over"], behind.campaigns["open"]
    results = f"/surveys/campaigns/{over}/results"
    pages = ["/surveys", "/surveys/new", f"/surveys/campaigns/{going}", f"/surveys/campaigns/{going}/results"]
    pages += [results, f"/surveys/campaigns/{over}/texts", "/surveys/instruments", "/surveys/instruments/S3"]
    assert faults(person, pages) == {}
    person.open(results)
    assert len(person.all(".question")) > 10
    assert person.all(".bars .bar-length")
    person.open(f"/surveys/campaigns/{going}/results")
    assert not person.all(".index-panel")  # eight answers: nothing is shown


def test_the_ministry_compares_and_sees_no_single_question_of_a_school(person: Browser, behind: Behind) -> None:
    person.sign_in("ministry", "/surveys")
    over = behind.campaigns["over"]
    pages = ["/surveys", "/surveys/new", "/surveys/results?instrument=S3", "/surveys/gaps", "/surveys/instruments"]
    assert faults(person, [*pages, f"/surveys/campaigns/{over}/results"]) == {}
    assert not person.all(".question")
    assert not person.all(".gap-table")
    person.open("/surveys/gaps")
    assert len(person.all(".table-panel .gap-table tbody tr")) == 9
    assert len(person.all("details .gap-table")) == 3  # the regions in which several schools asked
    assert person.all(".gap")
    person.open(f"/surveys/campaigns/{over}/texts")
    assert person.text(".message .code") == "404"
    # Codes and invitations are their institution's to give out.
    person.open(f"/surveys/campaigns/{behind.campaigns['open']}")
    assert person.all("form[action$='/close']")
    assert not person.all("form[action$='/codes'], form[action$='/invite'], form[action$='/hand-over']")


def test_an_office_reads_the_gap_by_profession_and_place_with_the_keyboard_and_on_a_phone(
    person: Browser, behind: Behind
) -> None:
    person.sign_in("ministry", "/surveys")
    person.open("/surveys/gaps")
    person.follow("a[href='/surveys/gaps/professions']", "/surveys/gaps/professions")
    pages = [
        f"/surveys/gaps/professions?year={behind.year}",
        f"/surveys/gaps/professions?year={behind.year}&profession=7212&competence=theory&group=S3",
        f"/surveys/gaps/professions?year={behind.year}&territory=1703",
        f"/surveys/gaps/professions?year={int(behind.year[:4]) - 3}-{int(behind.year[2:4]) - 2:02d}",
    ]
    for size in (DESKTOP, PHONE):
        person.resize(size)
        assert faults(person, pages) == {}
        for number, path in enumerate(pages):
            person.open(path)
            person.run("document.querySelector('.gap-grid')?.scrollIntoView()")
            pictured(person, f"professions-{number}-{size[0]}")
    assert person.text(".empty")  # a year in which nobody was asked
    person.resize(DESKTOP)
    person.open(pages[1])
    rows = person.all(".gap-grid tbody tr")
    assert len(rows) == 4
    assert len(rows[0].find_elements("css selector", "td .gap")) == 4  # the whole, and three regions
    assert len(person.all("section.below")[0].find_elements("css selector", "details")) == 3
    # The table scrolls by keyboard, a profession is a link.
    link = rows[1].find_element("css selector", "a")
    code = link.text.partition(" ")[0]
    assert code != "7212"
    person.run("arguments[0].focus()", link)
    link.send_keys(Keys.ENTER)
    WebDriverWait(person.driver, 30).until(lambda _: "profession=7212" not in person.driver.current_url)
    assert person.find("#profession").get_attribute("value") == code
    exports = [link.get_attribute("href") for link in person.all(".tools a[download]")]
    assert [("csv" in str(href), "xlsx" in str(href), "codebook" in str(href)) for href in exports] == [
        (True, False, False),
        (False, True, False),
        (False, False, True),
    ]


def test_a_school_has_no_gap_by_profession(person: Browser, behind: Behind) -> None:
    person.sign_in(f"institution:{SCHOOL}", "/surveys")
    person.open(f"/surveys/gaps/professions?year={behind.year}")
    assert person.text(".message .code") == "404"


def test_a_school_sees_whom_to_remind_and_prints_new_slips(person: Browser, behind: Behind) -> None:
    person.resize(PHONE)
    person.sign_in(f"institution:{SCHOOL}", "/surveys")
    going = behind.campaigns["open"]
    person.open(f"/surveys/campaigns/{going}")
    person.run("document.querySelector('#respondent').value = 'student'")
    person.find("#refs").send_keys("ST-1\nST-2\nST-3")
    person.follow("form[action$='/invite'] button", "done=invited")
    # What is shown of the response moves by itself while the campaign is open.
    rate = person.find("#rate")
    assert (rate.get_attribute("hx-trigger"), rate.get_attribute("hx-select")) == ("every 10s", "#rate")
    person.run("document.querySelector('#rate .big').textContent = 'old'")
    person.run("htmx.ajax('GET', location.pathname, {target: '#rate', select: '#rate', swap: 'outerHTML'})")
    WebDriverWait(person.driver, 30).until(lambda _: person.text("#rate .big") != "old")
    assert person.text("#rate .big") == "3"
    reminders = f"/surveys/campaigns/{going}/reminders"
    person.follow(f"a[href='{reminders}']", "/reminders")
    assert len(person.all("input[name='invitation']")) == 3
    assert faults(person, [reminders]) == {}
    pictured(person, "reminders")
    person.run("document.querySelectorAll('input[name=invitation]').forEach((each, place) => each.checked = place < 2)")
    person.follow("button[value='print']", "/reminders")
    person.until(lambda: len({slip.text for slip in person.all(".slip-code")}) == 2, "not two slips")
    person.open(reminders)
    person.follow("button[value='reminded']", "done=nobody")
    person.run("document.querySelector('input[name=invitation]').checked = true")
    person.follow("button[value='reminded']", "done=reminded")
    person.open(reminders)
    assert sorted(each.text for each in person.all("td.num")) == ["0", "0", "1"]


def test_a_faulty_form_names_sheet_row_column_and_cure(person: Browser, tmp_path: Path) -> None:
    book = Workbook()
    survey = book.active
    assert survey is not None
    survey.title = "survey"
    for row in (
        ("type", "name", "label::English (en)", "relevant", "constraint"),
        ("text", "", "A question without a name", "", ""),
        ("select_one nowhere", "colour", "A list that is not there", "", ""),
        ("geopoint", "place", "Where are you?", "", ""),
        ("integer", "age", "How old are you?", "${colour} = ", ". >> 3"),
        ("begin_group", "open", "A group that never ends", "", ""),
    ):
        survey.append(row)
    file = tmp_path / "faulty.xlsx"
    book.save(file)
    person.sign_in(f"institution:{SCHOOL}", "/surveys")
    for size in (DESKTOP, PHONE):
        person.resize(size)
        person.open("/surveys/instruments")
        person.find("#file").send_keys(str(file))
        person.run("document.querySelector('#file').form.requestSubmit()")
        person.find(".faults tbody tr")
        said = [
            [cell.text for cell in row.find_elements("css selector", "td")] for row in person.all(".faults tbody tr")
        ]
        pictured(person, f"xlsform-{size[0]}")
        assert all(sheet in ("survey", "settings") and what and cure for sheet, _, _, what, cure in said)
        places = {(row, column) for sheet, row, column, _, _ in said if sheet == "survey"}
        assert {("2", "name"), ("3", "type"), ("4", "type"), ("5", "relevant"), ("6", "type")} <= places
        assert person.run("return document.documentElement.scrollWidth <= window.innerWidth")


def pictured(browser: Browser, name: str) -> None:
    """Keep a picture of the page where HAMKOR_PICTURES names a folder."""
    if folder := os.environ.get("HAMKOR_PICTURES"):
        browser.driver.save_screenshot(str(Path(folder, f"{name}.png")))
