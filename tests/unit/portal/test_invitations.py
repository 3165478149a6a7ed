"""A campaign with more invitations than a page holds: every one can be reached, and no part is taken for all."""

import re
from typing import Any

import httpx
import pytest

from tests.unit.portal.conftest import Upstream, sign_in

PAGE = {"accept": "text/html", "accept-language": "en"}
SCHOOL, CAMPAIGN = "01980000-0000-7000-8000-00000000000a", "01980000-0000-7000-8000-0000000000ca"
FOUND: dict[str, Any] = {
    "id": CAMPAIGN,
    "version": 2,
    "title": "Spring",
    "instrument": "S4",
    "group": "S4",
    "status": "open",
    "institution_name": "Texnikum",
    "period": {"from": "2026-09-01", "to": "2026-12-31"},
}


def invitation(number: int) -> dict[str, Any]:
    """One that was sent, to be reminded of."""
    return {
        "id": f"01980000-0000-7000-8000-00000000b{number:03}",
        "respondent": "student",
        "respondent_ref": f"ST-{number}",
        "status": "pending",
        "handed_on": None,
        "due_on": None,
        "reminders": 0,
        "lapses_on": "2026-12-31",
    }


@pytest.fixture(autouse=True)
async def signed_in(browser: httpx.AsyncClient, upstream: Upstream) -> None:
    """A school whose campaign has two pages of invitations."""
    await sign_in(browser, f"institution:{SCHOOL}")

    def answer(request: httpx.Request) -> httpx.Response:
        path, params = request.url.path, request.url.params
        if path == "/v1/invitations":
            first = not params.get("after")
            rows = [invitation(number) for number in (range(100) if first else range(100, 130))]
            return httpx.Response(200, json={"items": rows, "next": "cursor+1" if first else None})
        if path == f"/v1/campaigns/{CAMPAIGN}":
            return httpx.Response(200, json=FOUND)
        if path.endswith("/results"):
            return httpx.Response(200, json={"received": None, "released_in_steps_of": 5})
        if path == "/v1/response-rates":
            return httpx.Response(200, json={"total": {"invited": 130, "codes": 0}})
        return httpx.Response(200, json={"items": [], "next": None})

    upstream.answer = answer


@pytest.mark.parametrize("page", ["", "/reminders"])
async def test_every_invitation_can_be_reached(browser: httpx.AsyncClient, page: str) -> None:
    address = f"/surveys/campaigns/{CAMPAIGN}{page}"
    first = (await browser.get(address, headers=PAGE)).text
    assert "ST-99" in first
    assert "ST-100" not in first
    (following,) = re.findall(r'rel="next" href="([^"#]+)', first)
    second = (await browser.get(f"{address}{following}", headers=PAGE)).text
    assert "ST-100" in second
    assert "ST-129" in second
    assert 'rel="next"' not in second
    assert re.search(rf'href="{address}(#invitations)?">To the start', second)


async def test_counts_of_one_page_are_not_shown_as_those_of_all(browser: httpx.AsyncClient, upstream: Upstream) -> None:
    address = f"/surveys/campaigns/{CAMPAIGN}/reminders"
    assert '<p class="tile-name">' not in (await browser.get(address, headers=PAGE)).text
    several = upstream.answer

    def few(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/invitations":
            return httpx.Response(200, json={"items": [invitation(1)], "next": None})
        return several(request)

    upstream.answer = few
    assert '<p class="tile-name">' in (await browser.get(address, headers=PAGE)).text
