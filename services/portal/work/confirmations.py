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
from services.portal.work.words import Words, named
from shared import i18n
from shared.clock import TASHKENT
from shared.errors import NotFound
from shared.i18n import Catalogue
from shared.ids import new_id

STATES = {404: "unknown", 410: "gone", 409: "gone", 422: "unknown", 429: "often"}
"""What the page says by the status of the service's answer; anything else is no answer."""
CHANGED = ":agreement-changed"
"""How the type of the problem ends that says: this is no longer what was shown."""
FIELDS = 10
RENEWAL = ("months", "notice_days")


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
            seen = str(form.get("version", ""))[:10]
        # No agreement has version 0: a page that doesn't say what it showed signs nothing.
        version = int(seen) if seen.isdecimal() else 0
        status, body = await _ask(request, "POST", token, key, {"agreed": True, "version": version})
        if 200 <= status < 300:
            return answer(request, "done", body, 200, key)
        if status == 409 and str(body.get("type", "")).endswith(CHANGED):
            found, now = await _ask(request, "GET", token)
            if found == 200:
                return answer(request, "changed", now, status, str(new_id()))
            return answer(request, STATES.get(found, "away"), now, found, key)
        if status in STATES:
            return answer(request, STATES[status], body, status, key)
        # whether it arrived is not known: the same key may be sent again
        return answer(request, "again", {"version": version}, status, key)

    async def _ask(
        request: Request, method: str, token: str, key: str = "", sent: Mapping[str, Any] | None = None
    ) -> tuple[int, Mapping[str, Any]]:
        try:
            url = f"{upstreams.url('agreements')}/v1/confirmations/{segment(token)}"
        except NotFound:
            return 404, {}
        headers = {"accept-language": str(language_of(request.scope))} | ({"idempotency-key": key} if key else {})
        try:
            response = await upstreams.client.request(method, url, headers=headers, timeout=TIMEOUT, json=sent)
            body = response.json()
        except (httpx.HTTPError, ValueError):
            return 503, {}
        return response.status_code, body if isinstance(body, Mapping) else {}

    def answer(request: Request, state: str, body: Mapping[str, Any], status: int, key: str) -> Response:
        words = Words(catalogue, language_of(request.scope))
        problem = " ".join(str(body.get(part, "")) for part in ("detail", "remedy")) if state == "gone" else ""
        shown = pages.page(
            request,
            "work/confirm.html",
            status=status,
            state=state,
            pairs=_pairs(words, body) if state in ("open", "changed", "done") else [],
            problem=problem,
            key=key,
            version=body.get("version", ""),
        )
        shown.headers["referrer-policy"] = "no-referrer"
        return shown

    return router


def _pairs(words: Words, body: Mapping[str, Any]) -> list[tuple[str, Value]]:
    """What is signed, in words: form, days, parties, schedule. Ids say nothing to people."""
    told = [
        ("form", Value(words.code("Form", str(body.get("form", ""))))),
        ("opportunities", Value(items=tuple(Value(words.code("Opportunity", each)) for each in _texts(body)))),
        ("valid_from", _day(words, body.get("valid_from"))),
        ("valid_until", _day(words, body.get("valid_until"))),
        ("renewal", _renewal(words, body)),
        ("parties", _parties(words, body)),
        ("schedule", _schedule(words, body)),
        # A link that was used is no longer of use, whenever it would have ended.
        ("expires_at", Value() if body.get("signed") else _moment(words, body.get("expires_at"))),
    ]
    return [(words.label("confirmations", name), value) for name, value in told if not value.empty]


def _texts(body: Mapping[str, Any]) -> list[str]:
    return [str(each) for each in body.get("opportunities") or ()]


def _parties(words: Words, body: Mapping[str, Any]) -> Value:
    """Who signs and who has signed; the reader's own side is marked."""
    rows = []
    for party in body.get("parties") or ():
        yours = party.get("party_id") == body.get("party_id")
        category = words.code("PartyCategory", str(party.get("category", "")))
        name = str((body.get("names") or {}).get(party.get("party_id")) or "")
        signature = party.get("signature") or {}
        rows.append(
            (
                Value(f"{category} – {words.text('confirm.you')}" if yours else category),
                Value(name),
                _day(words, signature.get("signed_on")),
            )
        )
    columns = tuple(words.label("", each) for each in ("category", "name", "signed_on"))
    return Value(columns=columns, rows=tuple(rows))


def _renewal(words: Words, body: Mapping[str, Any]) -> Value:
    """For how long it goes on by itself, and how early notice is given."""
    renewal = body.get("renewal") or {}
    told = [(words.label("agreements", name), Value(str(renewal[name]))) for name in RENEWAL if name in renewal]
    return Value(pairs=tuple(told))


def _schedule(words: Words, body: Mapping[str, Any]) -> Value:
    names = ("starts_on", "ends_on", "profession", "seats")
    rows = tuple(
        (
            _day(words, term.get("starts_on")),
            _day(words, term.get("ends_on")),
            Value(named("isco", str(term.get("profession", "")), words.lang)),
            Value(str(term.get("seats", ""))),
        )
        for term in body.get("schedule") or ()
    )
    return Value(columns=tuple(words.label("", name) for name in names), rows=rows)


def _day(words: Words, value: Any) -> Value:
    try:
        return Value(i18n.day(date.fromisoformat(str(value)), words.lang)) if value else Value()
    except ValueError:
        return Value(str(value))


def _moment(words: Words, value: Any) -> Value:
    try:
        return Value(i18n.moment(datetime.fromisoformat(str(value)).astimezone(TASHKENT), words.lang))
    except ValueError:
        return Value()
