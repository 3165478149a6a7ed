"""Who sees what: roles, signing in and out, and pages when something is not as it should be."""

import pytest

from tests.e2e.pages.conftest import Browser


@pytest.mark.parametrize(
    ("username", "place"),
    [
        ("ministry", "O‘zbekiston Respublikasi"),
        ("tashkent", "Toshkent shahri"),
        ("zomin", "Zomin tumani"),
        ("institution:0199-1708401-003", "3-maktab"),
    ],
)
def test_everybody_starts_at_the_root_of_what_they_see(browser: Browser, username: str, place: str) -> None:
    browser.sign_in(username)
    assert browser.text("h1") == place


def test_institution_is_found_by_typing_on_the_sign_in_page(browser: Browser) -> None:
    browser.open("/sign-in")
    browser.find("#q").send_keys("118")
    browser.until(lambda: len(browser.all("#people button[value^='institution:']")) == 2, "no live search")
    browser.click("#people button[value='institution:0199-1708401-118']")
    browser.until(lambda: browser.text("h1") == "118-maktab", "not signed in")


def test_wrong_password_is_said_and_the_right_one_works(browser: Browser) -> None:
    browser.open("/sign-in")
    browser.click("details summary")
    for password in ("wrong", "hamkor"):
        browser.find("#username").clear()
        browser.find("#username").send_keys("region:1714")
        browser.find("#password").send_keys(password)
        browser.click(".stack .button")
        if password == "wrong":
            assert browser.text("[role=alert]")
    browser.until(lambda: browser.text("h1") == "Namangan viloyati", "not signed in")


def test_operator_sees_the_machinery_and_a_region_does_not(browser: Browser) -> None:
    browser.sign_in("operator")
    assert {title.text.split()[0] for title in browser.all(".state h2")} == {
        "partners", "agreements", "surveys", "monitoring",
    }  # fmt: skip
    assert browser.complaints() == []
    browser.sign_in("jizzakh", "/operations")
    assert browser.text(".message .code") == "403"


def test_signing_out_closes_the_pages(browser: Browser) -> None:
    browser.sign_in("ministry")
    browser.click(".user summary")
    browser.follow(".user button", "/signed-out")
    browser.open("/")
    browser.until(lambda: "/oidc/authorize" in browser.driver.current_url, "still signed in")


def test_missing_page_and_foreign_place_say_what_to_do(browser: Browser) -> None:
    browser.sign_in("ministry")
    for path in ("/nowhere", "/places/9999999"):
        browser.open(path)
        assert browser.text(".message .code") == "404"
        browser.find(".message a.button")


def test_service_that_is_down_gives_a_page_that_offers_to_try_again(browser: Browser) -> None:
    browser.sign_in("ministry")
    browser.stage.world.down = True
    browser.open("/places/1708?indicator=F1")
    assert browser.text(".message .code") == "503"
    assert "monitoring" in browser.text(".message")
    browser.stage.world.down = False
    browser.click(".message a.button")
    browser.until(lambda: browser.text("h1") == "Jizzax viloyati", "trying again does not help")


def test_anonymous_form_is_reached_without_a_session(browser: Browser) -> None:
    browser.sign_in("ministry")
    browser.open("/s/ABCD-1234")
    assert browser.text("p") == "ABCD-1234"
    seen = next(seen for seen in reversed(browser.stage.world.requests) if seen["path"].startswith("/s/"))
    assert not {"cookie", "authorization", "referer", "x-forwarded-for", "traceparent"} & set(seen["headers"])
    assert "Chrome" not in seen["headers"]["user-agent"]
