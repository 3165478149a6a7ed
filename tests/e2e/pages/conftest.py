"""The portal in front of the stand-in services, and a headless Chromium to look at it."""

import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import pytest
import uvicorn
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from services.portal.app import build as build_portal
from tests.e2e.pages.fake_services import World
from tests.e2e.pages.fake_services import build as build_services
from tests.support.platform import Platform

Result = TypeVar("Result")

CHROMIUM = "/usr/bin/chromium"
DRIVER = "/usr/bin/chromedriver"
ARGUMENTS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip
PATIENCE_S = 60
DESKTOP, PHONE = (1280, 900), (360, 740)
NODE_MODULES = Path(__file__).parents[3] / "services/portal/node_modules"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here drives a Chromium."""
    here = str(Path(__file__).parent)
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.chromium)


@dataclass
class Stage:
    """A running portal and the world behind it."""

    url: str
    world: World


class Browser:
    """A Chromium on the portal, with words for what a person does."""

    def __init__(self, driver: webdriver.Chrome, stage: Stage) -> None:
        self.driver = driver
        self.stage = stage

    def open(self, path: str) -> None:
        """Go to a page of the portal."""
        self.driver.get(self.stage.url + path)

    def all(self, css: str) -> list[WebElement]:
        """All elements that fit, now."""
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def find(self, css: str) -> WebElement:
        """The first element that fits; waits for it."""
        return self.until(lambda: next(iter(self.all(css)), None), f"no {css}")

    def text(self, css: str) -> str:
        """The text of the first element that fits."""
        return self.until(lambda: self.find(css).text, f"no text in {css}")

    def click(self, css: str) -> None:
        """Click the first element that fits, as a script-free link or button would be followed."""
        # An address stands there before its page does: a click on what still moves, or goes away, hits nothing.
        self.until(lambda: self.run("return document.readyState") == "complete", "the page does not come")
        element = self.find(css)
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def follow(self, css: str, path: str) -> None:
        """Click what leads to another page and wait for its address to hold `path`."""
        self.click(css)
        self.until(lambda: path in self.driver.current_url, f"{path} not reached")

    def until(self, holds: Callable[[], Result | None], message: str = "") -> Result:
        """Wait until `holds` gives something true; stale elements and failing look-ups count as not yet."""

        def attempt(_: object) -> Result | Literal[False]:
            try:
                return holds() or False
            except WebDriverException:  # the page is just being replaced
                return False

        return WebDriverWait(self.driver, PATIENCE_S, 0.1).until(attempt, message)

    def run(self, script: str, *arguments: Any) -> Any:
        """The value of a script in the page."""
        return self.driver.execute_script(script, *arguments)

    def sign_in(self, username: str = "ministry", target: str = "/") -> None:
        """Sign in on the demonstration's page and wait for `target`."""
        self.driver.delete_all_cookies()
        self.open(f"/sign-in?next={target}")
        if self.all(f"button[value='{username}']"):
            self.click(f"button[value='{username}']")
        else:
            self.click("details summary")
            self.find("#username").send_keys(username)
            self.find("#password").send_keys("hamkor")
            self.click(".stack .button")
        self.until(lambda: "/oidc/" not in self.driver.current_url and self.all("#main h1"), "not signed in")

    def resize(self, size: tuple[int, int], *, dark: bool = False) -> None:
        """Look at pages as on a screen of that size."""
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def complaints(self) -> list[str]:
        """What the browser's console complained about since the last call."""
        return [
            str(entry["message"])
            for entry in self.driver.get_log("browser")  # type: ignore[no-untyped-call]
            if entry["level"] == "SEVERE"
        ]


@contextmanager
def serving(app: Any, port: int = 0) -> Iterator[int]:
    """The app on a port of its own, or on the one given, in a thread of this process."""
    listener = socket.create_server(("127.0.0.1", port))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + PATIENCE_S
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The portal with its embedded issuer in front of the stand-in services."""
    world = World()
    with serving(build_services(world)) as behind:
        services = f"http://127.0.0.1:{behind}"
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        environment = {f"{name}_URL": services for name in ("PARTNERS", "AGREEMENTS", "SURVEYS", "MONITORING")} | {
            "PORTAL_URL": url,
            "PORTAL_EMBEDDED_ISSUER": "true",
            "PORTAL_ISSUER_KEY_FILE": str(tmp_path_factory.mktemp("issuer") / "key.pem"),
            "PORTAL_SESSION_SECRET": "for-page-tests-only-0123456789",
            "SERVICE_CLIENT_SECRET": "for-page-tests-only-0123456789",
            "LOG_LEVEL": "error",
        }
        server = uvicorn.Server(
            uvicorn.Config(
                build_portal(environment), port=port, log_config=None, access_log=False, timeout_graceful_shutdown=1
            )
        )
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        deadline = time.monotonic() + PATIENCE_S
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.02)
        yield Stage(url, world)
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """One headless Chromium for the run."""
    if not (shutil.which(CHROMIUM) and shutil.which(DRIVER) and NODE_MODULES.is_dir()):
        if os.environ.get("CI"):
            pytest.fail("page tests need Debian's chromium and chromium-driver, and `make setup`")
        pytest.skip("no chromium with chromium-driver here, or no `make setup`")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (*ARGUMENTS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"intl.accept_languages": "uz"})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.set_page_load_timeout(PATIENCE_S)
    driver.set_script_timeout(PATIENCE_S)
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium: webdriver.Chrome, stage: Stage) -> Iterator[Browser]:
    """Chromium with a fresh start: desktop size, no cookies, no complaints."""
    browser = Browser(chromium, stage)
    stage.world.down = False
    browser.resize(DESKTOP)
    chromium.get("about:blank")
    browser.complaints()
    browser.open("/about")
    chromium.delete_all_cookies()
    yield browser
    chromium.get("about:blank")


@pytest.fixture
def ministry(browser: Browser) -> Browser:
    """The ministry's user, signed in."""
    browser.sign_in("ministry")
    return browser


@pytest.fixture
def on_platform(chromium: webdriver.Chrome, platform: Platform) -> Iterator[Browser]:
    """Chromium on the whole running platform."""
    browser = Browser(chromium, Stage(platform.stack.url("portal"), World()))
    browser.resize(DESKTOP)
    browser.open("/about")
    chromium.delete_all_cookies()
    browser.complaints()
    yield browser
    chromium.get("about:blank")
