"""A signature confirmed by a link, by people without an account: what is signed, one button, and what went wrong.

The link is a secret: it stands in no log, no other site learns of it, and it never reaches a cookie or a cache.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import httpx
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.portal.language import language_of
from services.portal.proxy import Upstreams
from services.portal.rendering import Pages
from services.portal.work.api import TIMEOUT, segment
from services.portal.work.shown import Value
from services.portal.work.words import Words
from shared import i18n
from shared.clock import TASHKENT
from shared.errors import NotFound
from shared.i18n import Catalogue
from shared.ids import new_id

SHOWN = ("institution_name", "form", "category", "party_name", "valid_from", "valid_until", "expires_at", "signed_on")
"""What of the answer is shown, in this order; ids say nothing to people."""
DAYS = frozenset({"valid_from", "valid_until", "signed_on"})
STATES = {404: "unknown", 410: "gone", 409: "gone", 401: "unknown", 422: "unknown", 429: "often"}
FIELDS = 10


def confirmation_routes(pages: Pages, upstreams: Upstreams, catalogue: Catalogue) -> APIRouter:
    """The routes of confirming by link."""
    router = APIRouter(include_in_schema=False)

    @router.get("/c/{token}")
    async def show(request: Request, token: str) -> Response:
        status, body = await _ask(request, "GET", token)
        state = "open" if status == 200 else STATES.get(status, "away")
        return answer(request, state, body, status, str(new_id()))

    @router.post("/c/{token}")
    async def confirm(request: Request, token: str) -> Response:
        async with request.form(max_files=0, max_fields=FIELDS) as form:
            key = str(form.get("_key", ""))[:64] or str(new_id())
        status, body = await _ask(request, "POST", token, key)
        if 200 <= status < 300:
            return answer(request, "done", body, 200, key)
        if status in STATES:
            return answer(request, STATES[status], body, status, key)
        # whether it arrived is not known: the same key may be sent again
        return answer(request, "again", body, status, key)

    async def _ask(request: Request, method: str, token: str, key: str = "") -> tuple[int, Mapping[str, Any]]:
        try:
            url = f"{upstreams.url('agreements')}/v1/confirmations/{segment(token)}"
        except NotFound:
            return 404, {}
        headers = {"accept-language": str(language_of(request.scope))} | ({"idempotency-key": key} if key else {})
        try:
            response = await upstreams.client.request(method, url, headers=headers, timeout=TIMEOUT)
            body = response.json()
        except (httpx.HTTPError, ValueError):
            return 503, {}
        return response.status_code, body if isinstance(body, Mapping) else {}

    def answer(request: Request, state: str, body: Mapping[str, Any], status: int, key: str) -> Response:
        words = Words(catalogue, language_of(request.scope))
        problem = str(body.get("detail", "")) if state == "gone" else ""
        shown = pages.page(
            request,
            "work/confirm.html",
            status=status,
            state=state,
            pairs=_pairs(words, body) if state in ("open", "done") else [],
            problem=problem,
            key=key,
        )
        shown.headers["referrer-policy"] = "no-referrer"
        return shown

    return router


def _pairs(words: Words, body: Mapping[str, Any]) -> list[tuple[str, Value]]:
    """What is signed, in words; what is inside the answer's `agreement` counts as its own."""
    inner = body.get("agreement")
    told = {**(inner if isinstance(inner, Mapping) else {}), **body}
    return [
        (words.label("confirmations", name), Value(_text(words, name, told[name]))) for name in SHOWN if told.get(name)
    ]


def _text(words: Words, name: str, value: Any) -> str:
    if name == "form":
        return words.code("Form", str(value))
    if name == "category":
        return words.code("PartyCategory", str(value))
    try:
        if name in DAYS:
            return i18n.day(date.fromisoformat(str(value)), words.lang)
        if name == "expires_at":
            return i18n.moment(datetime.fromisoformat(str(value)).astimezone(TASHKENT), words.lang)
    except ValueError:
        return str(value)
    return str(value)
