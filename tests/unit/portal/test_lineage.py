"""What is behind a value: monitoring looks through a part of the institutions at a time."""

from collections.abc import Callable

import httpx
import pytest

from services.portal import monitoring
from services.portal.monitoring import Lineage, Monitoring
from services.portal.proxy import Upstreams
from shared.i18n import Lang

Parts = dict[str, tuple[list[dict[str, object]], str | None]]


def answering(parts: Parts) -> Callable[[httpx.Request], httpx.Response]:
    """By cursor: the items of a part, and the cursor of the next."""

    def answer(request: httpx.Request) -> httpx.Response:
        items, following = parts[request.url.params.get("after", "")]
        return httpx.Response(200, json={"items": items, "next": following})

    return answer


async def asked_for(answer: Callable[[httpx.Request], httpx.Response]) -> Lineage:
    """A page that monitoring answers so."""
    upstreams = Upstreams({"monitoring": "http://monitoring.test"}, httpx.MockTransport(answer))
    async with upstreams.client:
        return await Monitoring(upstreams, "token", Lang.EN).lineage("F1", "17", "2026-09", "", 25)


ITEM = {"aggregate": "agreement", "id": "1", "amount": 1}


@pytest.mark.parametrize(
    ("parts", "items", "following"),
    [
        ({"": ([ITEM], "b")}, 1, "b"),
        ({"": ([], "b"), "b": ([], "c"), "c": ([ITEM, ITEM], "d")}, 2, "d"),
        ({"": ([], "b"), "b": ([], None)}, 0, None),
        ({"": ([], "")}, 0, ""),
    ],
)
async def test_parts_with_nothing_in_them_are_passed_over(parts: Parts, items: int, following: str | None) -> None:
    found = await asked_for(answering(parts))
    assert (len(found.items), found.next) == (items, following)


async def test_it_ends_although_there_would_be_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitoring, "EMPTY_PARTS", 3)
    asked = 0

    def answer(_: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        return httpx.Response(200, json={"items": [], "next": str(asked)})

    found = await asked_for(answer)
    assert (found.items, found.next, asked) == ([], "3", 3)
