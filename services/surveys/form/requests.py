"""What the form's routes read of a request, and how they lead on."""

from typing import Final
from urllib.parse import parse_qs, quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.surveys.domain.answers import Sent
from services.surveys.form.pages import HEADERS
from shared.i18n import Lang, negotiate
from shared.web.middleware import BodyTooLarge

PREFIX: Final = "/s/"
SHOW_IN: Final = "show_in"
"""The field of the language switch: shows the form again, with all answers, in another language."""
MAX_FORM_BYTES: Final = 64_000
MAX_FIELDS: Final = 500


def lang_of(request: Request) -> Lang:
    """The language that the address asks for, else the browser."""
    asked = request.query_params.get("lang", "")
    return Lang(asked) if asked in set(Lang) else negotiate(request.headers.get("accept-language"))


def see(address: str) -> Response:
    return RedirectResponse(quote(address, safe="/?=&-"), 303, HEADERS)


async def fields_of(request: Request) -> Sent | None:
    """The form's fields, or None if there is more than any honest form sends."""
    try:
        body = await request.body()
    except BodyTooLarge:
        return None
    if len(body) > MAX_FORM_BYTES:
        return None
    try:
        return parse_qs(body.decode("utf-8", "replace").replace("\0", ""), max_num_fields=MAX_FIELDS)
    except ValueError:
        return None
