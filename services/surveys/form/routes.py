"""GET and POST /s/{code}: the only routes without a sign-in, and without any trace of who uses them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, quote

import structlog
from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from services.surveys.commands import responses
from services.surveys.commands.responses import Outcome
from services.surveys.discreet import told_discreetly
from services.surveys.domain.answers import Sent, check
from services.surveys.domain.codes import AccessCode, read_code, shown
from services.surveys.form.intake import Intake
from services.surveys.form.pages import HEADERS, Pages
from services.surveys.instruments import InstrumentLibrary
from services.surveys.queries.intake import Door
from services.surveys.vault import Vault
from shared.clock import local_day
from shared.i18n import Lang, negotiate
from shared.persistence.engine import is_transient
from shared.web.guesses import WrongGuesses
from shared.web.middleware import BodyTooLarge

log = structlog.get_logger(__name__)

PREFIX: Final = "/s/"
MAX_FORM_BYTES: Final = 64_000
MAX_FIELDS: Final = 500
SHOW_IN: Final = "show_in"
"""The field of the language switch: shows the form again, with all answers, in another language."""


@dataclass(frozen=True)
class PublicForm:
    """What the form's routes need."""

    vault: Vault
    library: InstrumentLibrary
    pages: Pages
    wrong_codes: WrongGuesses
    intake: Intake

    async def enter(self, request: Request) -> Response:
        """The page that asks for a code, and leads on when one is typed into it."""
        typed = request.query_params.get("code", "").strip()
        if not typed:
            return self.pages.message(_lang(request), "enter", 200, ask_code=True)
        lang = _lang(request)
        code = read_code(typed)
        if code is None:
            return self.pages.message(lang, "wrong", 404, ask_code=True)
        return _see(f"{PREFIX}{shown(code)}?lang={lang.value}")

    async def show(self, request: Request, typed: str) -> Response:
        """The form behind a code."""
        lang = _lang(request)
        code, door, refusal = await self._door(lang, typed, done="done" in request.query_params)
        if refusal is not None or door is None or code is None:
            return refusal or self.pages.message(lang, "wrong", 404, ask_code=True)
        if door.campaign.full_since is not None:
            # Said at the door; whoever is answering already is heard.
            return self.pages.message(lang, "full", 410)
        instrument = self.library.get(door.campaign.instrument, door.campaign.instrument_version)
        return self.pages.form(lang, door.campaign, door.institution_name, instrument)

    async def take(self, request: Request, typed: str) -> Response:
        """Answers behind a code: kept if nothing is wrong with them, else shown again with what to mend.

        The thank-you page comes after the commit only, by a redirect, so that reloading it sends nothing twice.
        """
        lang = _lang(request)
        sent = await _sent(request)
        if sent is None:
            return self.pages.message(lang, "too_large", 413)
        code, door, refusal = await self._door(lang, typed, done=False)
        if refusal is not None or door is None or code is None:
            return refusal or self.pages.message(lang, "wrong", 404, ask_code=True)
        instrument = self.library.get(door.campaign.instrument, door.campaign.instrument_version)
        if SHOW_IN in sent:
            other = Lang(sent[SHOW_IN][0]) if sent[SHOW_IN][0] in set(Lang) else lang
            return self.pages.form(other, door.campaign, door.institution_name, instrument, sent=sent)
        checked = check(instrument, sent)
        if checked.faults:
            return self.pages.form(
                lang, door.campaign, door.institution_name, instrument, sent=sent, faults=checked.faults, status=422
            )
        today = local_day(self.intake.database.clock())
        mark = self.vault.mark(code)
        try:
            outcome = await self.intake.take(
                responses.submission(self.vault, door.campaign.id, mark, checked.answers, today)
            )
        except Exception as problem:
            if not is_transient(problem):
                raise
            # Whether it was stored is not known; sending again tells, and counts once.
            return self.pages.form(
                lang,
                door.campaign,
                door.institution_name,
                instrument,
                sent=sent,
                notice=self.pages.text("again", lang),
                status=503,
            )
        if outcome is Outcome.ALREADY:
            return self.pages.message(lang, "already", 200)
        if outcome is Outcome.CLOSED:
            return self.pages.message(lang, "over", 410)
        return _see(f"{PREFIX}{shown(code)}?lang={lang.value}&done=1")

    async def _door(
        self, lang: Lang, typed: str, *, done: bool
    ) -> tuple[AccessCode | None, Door | None, Response | None]:
        """What the code opens, or the page that says why it opens nothing."""
        code = read_code(typed)
        if code is None:
            return None, None, self.pages.message(lang, "wrong", 404, ask_code=True)
        door = await self.intake.door(code)
        if door is None:
            if not self.wrong_codes.count():
                return None, None, self.pages.message(lang, "too_many", 429)
            return None, None, self.pages.message(lang, "wrong", 404, ask_code=True)
        if door.spent:
            return None, None, self.pages.message(lang, "thanks" if done else "already", 200)
        today = local_day(self.intake.database.clock())
        if not door.campaign.accepts_answers(today):
            kind = "over" if door.campaign.is_over(today) else "not_yet"
            return None, None, self.pages.message(lang, kind, 410 if kind == "over" else 403)
        return code, door, None


def form_router(form: PublicForm) -> APIRouter:
    """The routes. Their errors become pages, and never a log line with the code in it."""
    router = APIRouter(include_in_schema=False)

    @router.api_route(PREFIX, methods=["GET", "HEAD"])
    async def enter(request: Request) -> Response:
        return await guarded(request, lambda: form.enter(request))

    @router.api_route(PREFIX + "{code}", methods=["GET", "HEAD"])
    async def show(request: Request, code: str) -> Response:
        return await guarded(request, lambda: form.show(request, code))

    @router.post(PREFIX + "{code}")
    async def take(request: Request, code: str) -> Response:
        return await guarded(request, lambda: form.take(request, code))

    async def guarded(request: Request, handle: Callable[[], Awaitable[Response]]) -> Response:
        try:
            return await handle()
        except Exception as problem:
            lang = _lang(request)
            if is_transient(problem):
                return form.pages.message(lang, "unavailable", 503)
            log.error("form.crashed", **told_discreetly(problem))  # noqa: TRY400  # no traceback: it could quote
            return form.pages.message(lang, "crashed", 500)

    return router


def _lang(request: Request) -> Lang:
    asked = request.query_params.get("lang", "")
    return Lang(asked) if asked in set(Lang) else negotiate(request.headers.get("accept-language"))


def _see(address: str) -> Response:
    return RedirectResponse(quote(address, safe="/?=&-"), 303, HEADERS)


async def _sent(request: Request) -> Sent | None:
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
