"""The operators' page: who may see it, and settling dead letters."""

import httpx
import pytest

from tests.unit.portal.conftest import SAME_ORIGIN, Upstream, sign_in


@pytest.mark.parametrize(("username", "status"), [("operator", 200), ("ministry", 200), ("jizzakh", 403)])
async def test_page_is_for_operators_and_the_ministry(browser: httpx.AsyncClient, username: str, status: int) -> None:
    await sign_in(browser, username)
    assert (await browser.get("/operations")).status_code == status


@pytest.mark.parametrize(
    ("username", "path", "status"),
    [
        ("operator", "/operations/partners/0199-a/replay", 303),
        ("operator", "/operations/partners/0199-a/explode", 404),
        ("operator", "/operations/nobody/0199-a/replay", 404),
        ("operator", "/operations/partners/..%2f..%2fv1/replay", 404),
        ("ministry", "/operations/partners/0199-a/replay", 403),
    ],
)
async def test_only_an_operator_settles_dead_letters(
    browser: httpx.AsyncClient, upstream: Upstream, username: str, path: str, status: int
) -> None:
    await sign_in(browser, username)
    before = len(upstream.requests)
    assert (await browser.post(path, headers=SAME_ORIGIN)).status_code == status
    asked = [request.url.path for request in upstream.requests[before:]]
    assert asked == (["/internal/dead-letters/0199-a/replay"] if status == 303 else [])


async def test_service_that_does_not_answer_is_shown_as_such(browser: httpx.AsyncClient, upstream: Upstream) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("down", request=request)

    upstream.answer = refuse
    await sign_in(browser, "operator")
    page = await browser.get("/operations", headers={"accept-language": "en"})
    assert page.status_code == 200
    assert page.text.count("no answer") == 4


@pytest.mark.parametrize(
    ("username", "shown", "hidden"),
    [
        ("jizzakh", ["/search", "/indicators"], ["/operations"]),
        ("operator", ["/operations"], ["/search", "/indicators"]),
        ("enterprise:0199-e", ["/about"], ["/search", "/indicators", "/operations"]),
    ],
)
async def test_menu_offers_what_the_role_may_open(
    browser: httpx.AsyncClient, username: str, shown: list[str], hidden: list[str]
) -> None:
    await sign_in(browser, username)
    page = (await browser.get("/about")).text
    assert all(f'href="{path}"' in page for path in shown)
    assert not any(f'href="{path}"' in page for path in hidden)
    for path in set(hidden) & {"/indicators", "/operations"}:
        assert (await browser.get(path)).status_code == 403
