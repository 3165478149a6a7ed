"""Every page passes axe-core's rules, by day and by night."""

import pytest

from tests.e2e.pages.conftest import DESKTOP, NODE_MODULES, Browser
from tests.e2e.pages.test_dashboard import PAGES

RUN = """
const done = arguments[arguments.length - 1];
axe.run().then((found) => done(found.violations.map((rule) => `${rule.id}: ${rule.nodes[0].html.slice(0, 200)}`)));
"""


@pytest.mark.parametrize(
    "dark", [pytest.param(False, id="day"), pytest.param(True, id="night", marks=pytest.mark.slow)]
)
def test_pages_break_no_rule_of_accessibility(browser: Browser, dark: bool) -> None:
    axe = (NODE_MODULES / "axe-core/axe.min.js").read_text(encoding="utf-8")
    browser.driver.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})  # axe-core brings styles of its own
    try:
        browser.open("/sign-in")
        browser.resize(DESKTOP, dark=dark)
        broken = {}
        for page in ("/sign-in", *PAGES):
            if page == PAGES[0]:
                browser.sign_in("ministry")
            browser.open(page)
            browser.find("h1")
            browser.run(axe)
            if found := browser.driver.execute_async_script(RUN):
                broken[page] = found
        assert broken == {}
    finally:
        browser.driver.execute_cdp_cmd("Page.setBypassCSP", {"enabled": False})
