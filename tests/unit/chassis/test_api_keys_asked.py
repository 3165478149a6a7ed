"""Keys that nobody knows cost partners little, and those that are known are not held up by them."""

import asyncio

import httpx

from shared.scope import Role
from shared.web.auth import KEYS_ASKED, RemoteApiKeys


async def a_token() -> str:
    """The service's own."""
    return "t"


async def test_made_up_keys_wait_for_each_other_and_known_ones_do_not_wait() -> None:
    at_once, most, full, free = 0, 0, asyncio.Event(), asyncio.Event()

    async def partners(request: httpx.Request) -> httpx.Response:
        nonlocal at_once, most
        if b"good" in await request.aread():
            return httpx.Response(200, json={"subject": "k", "institution_id": "i", "scopes": ["read"]})
        at_once += 1
        most = max(most, at_once)
        if at_once == KEYS_ASKED:
            full.set()
        await free.wait()
        at_once -= 1
        return httpx.Response(404)

    async with httpx.AsyncClient(transport=httpx.MockTransport(partners)) as client:
        keys = RemoteApiKeys(client, "http://partners.test", a_token)  # type: ignore[arg-type]  # asked for no more
        known = await keys.principal("hk_good")
        assert known is not None
        assert known.role is Role.INSTITUTION
        made_up = [asyncio.create_task(keys.principal(f"hk_{number}")) for number in range(5 * KEYS_ASKED)]
        await full.wait()
        assert await keys.principal("hk_good") == known
        free.set()
        assert await asyncio.gather(*made_up) == [None] * len(made_up)
    assert most == KEYS_ASKED
