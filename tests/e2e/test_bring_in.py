"""Files brought in by the pages, as a person does: through the real portal to the real partners service."""

import html
import re
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from shared.scope import Role
from tests.e2e.test_main_way import DISTRICT, REGION, a_school
from tests.support.platform import Platform
from tests.support.services import eventually

pytestmark = pytest.mark.e2e

PAGE = {"accept": "text/html", "accept-language": "en"}
OURS = PAGE | {"sec-fetch-site": "same-origin"}


@asynccontextmanager
async def signed_in(platform: Platform, user: str) -> AsyncIterator[httpx.AsyncClient]:
    """A browser-like client that has gone through the portal's sign-in."""
    door = platform.stack.url("portal")
    async with httpx.AsyncClient(base_url=door, timeout=60, trust_env=False, headers=PAGE) as browser:
        started = await browser.get("/sign-in", params={"next": "/work"})
        query = parse_qs(urlsplit(started.headers["location"]).query)
        asked = {name: values[0] for name, values in query.items()}
        chosen = await browser.post("/oidc/authorize", data={**asked, "chosen": user}, headers=OURS)
        await browser.get(chosen.headers["location"])
        yield browser


async def send(browser: httpx.AsyncClient, path: str, fields: Mapping[str, str], file: str = "") -> httpx.Response:
    part = ("file.csv", file.encode(), "text/csv") if file else ("", b"", "application/octet-stream")
    return await browser.post(path, data=dict(fields), files={"file": part}, headers=OURS)


def hidden(page: str) -> dict[str, str]:
    form = page.partition('class="work-form held"')[2].partition("</form>")[0]
    found = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form)
    return {name: html.unescape(value) for name, value in found}


def counts(page: str) -> dict[str, str]:
    return dict(re.findall(r"<div[^>]*><dt>([^<]+)</dt><dd>([^<]+)</dd></div>", page))


async def test_file_of_needs_is_tried_brought_in_once_and_mended(platform: Platform) -> None:
    school, institution = await a_school(platform)
    own = institution["id"]
    head = "institution_id;opportunity;form;profession;quantity;since\n"
    good = [f"{own};O4;AF1;7212;{seats};2026-09-01\n" for seats in (3, 5)]
    bad, mended = f"{own};O4;AF1;7212;many;2026-09-01\n", f"{own};O4;AF1;7212;7;2026-09-01\n"

    async def stored() -> list[int]:
        needs = await school.get("/api/partners/v1/needs", institution_id=own)
        return sorted(each["quantity"] for each in needs.json()["items"])

    async with signed_in(platform, f"institution:{own}") as browser:
        tried = await send(
            browser, "/work/needs/import", {"key": str(uuid.uuid4())}, "".join([head, good[0], bad, good[1]])
        )
        assert counts(tried.text) == {"new": "2", "refused": "1"}
        assert re.search(r"<div>3</div>.*<code>quantity</code>", tried.text, re.DOTALL)
        assert await stored() == [], "nothing is stored until somebody says so"
        kept = hidden(tried.text)
        first, again = [await send(browser, "/work/needs/import", kept) for _ in range(2)]
        assert counts(first.text) == {"brought in": "2", "refused": "1"}
        assert counts(again.text) == {"brought in": "0", "in already": "2", "refused": "1"}
        assert await stored() == [3, 5]
        retried = await send(
            browser, "/work/needs/import", {"key": kept["key"]}, "".join([head, good[0], mended, good[1]])
        )
        assert counts(retried.text) == {"new": "1", "in already": "2", "refused": "0"}
        await send(browser, "/work/needs/import", hidden(retried.text))
        assert await stored() == [3, 5, 7]


async def test_large_file_of_enterprises_is_followed_to_its_end_and_stays_within_ones_territory(
    platform: Platform,
) -> None:
    mark = uuid.uuid4().int % 10**4
    stirs = [f"4{mark:04}{number:04}" for number in range(1500)]
    rows = ["stir,name,size,isic_section,district", *(f"{stir},Zavod {stir},small,C,{DISTRICT}" for stir in stirs)]
    file = "\n".join([*rows, f"{stirs[0][:-1]},Zavod,tiny,C,{DISTRICT}"])

    async with signed_in(platform, f"region:{REGION}") as browser:

        async def over(address: str) -> str:
            async def told() -> str:
                page = (await browser.get(address)).text
                return "" if 'hx-trigger="every' in page else page

            page: str = await eventually(told, "the import is over", 90)
            return page

        tried = await send(browser, "/work/enterprises/import", {}, file)
        assert tried.status_code == 303, tried.text
        page = await over(tried.headers["location"])
        assert counts(page) == {"new": "1,500", "changed": "0", "unchanged": "0", "wrong": "1"}
        assert "<code>size</code>" in page
        (button,) = re.findall(r'formaction="([^"]+)"', page)
        ministry = await platform.user(Role.MINISTRY)
        assert (await ministry.get("/api/partners/v1/enterprises", stir=stirs[0])).json()["items"] == []
        brought = [await send(browser, button, {}, file) for _ in range(2)]
        assert len({answer.headers["location"] for answer in brought}) == 1, "however often it is pressed"
        assert counts(await over(brought[0].headers["location"]))["new"] == "1,500"
        (found,) = (await ministry.get("/api/partners/v1/enterprises", stir=stirs[0])).json()["items"]
        assert found["name"] == f"Zavod {stirs[0]}"
        table = (await browser.get(brought[0].headers["location"] + "/faults.csv")).text
        assert table.count("\n1502,") == 2, "size and STIR"
    async with signed_in(platform, "region:1727") as neighbour:
        assert (await neighbour.get(brought[0].headers["location"])).status_code == 404
