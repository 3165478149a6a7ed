"""The public form's routes: the only ones without a sign-in, and without any trace of who uses them.

GET and POST `/s/{code}` open the form with an access code, `/s/t/{campaign}` with a token from the device,
`/s/i/{secret}` turns an invitation into such a token, `/s/x/{name}` holds the pages' scripts and lists.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
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
from services.surveys.domain.campaigns import Campaign
from services.surveys.domain.codes import read_code, shown
from services.surveys.domain.instruments import Instrument
from services.surveys.domain.tokens import Token, message_of
from services.surveys.form import professions
from services.surveys.form.intake import Intake
from services.surveys.form.pages import HEADERS, Kept, Page, Pages
from services.surveys.form.scripts import FOREVER, SCRIPTS
from services.surveys.instruments import InstrumentLibrary
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
MAX_ID: Final = 64
SHOW_IN: Final = "show_in"
"""The field of the language switch: shows the form again, with all answers, in another language."""
TOKEN: Final = "token"
"""The field that carries the token; no question can be called so, its answer would be left out."""


@dataclass(frozen=True, slots=True)
class Entrance:
    """An open form and where it stands below PREFIX; `mark` is that of its code, None where a token is needed."""

    campaign: Campaign
    institution_name: str
    instrument: Instrument
    place: str
    mark: bytes | None


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
        lang = lang_of(request)
        if not typed:
            return self.pages.message(lang, "enter", 200, ask_code=True)
        code = read_code(typed)
        if code is None:
            return self.pages.message(lang, "wrong", 404, ask_code=True)
        return _see(f"{PREFIX}{shown(code)}?lang={lang.value}")

    async def show(self, request: Request) -> Response:
        """The form behind a code."""
        return await self._show(request, await self._by_code(request))

    async def show_for_token(self, request: Request) -> Response:
        """The form that a token opens; whether there is one, the device knows."""
        if "done" in request.query_params:
            return self.pages.message(lang_of(request), "thanks", 200)
        return await self._show(request, await self._by_campaign(request))

    async def take(self, request: Request) -> Response:
        """Answers behind a code."""
        return await self._take(request, self._by_code)

    async def take_with_token(self, request: Request) -> Response:
        """Answers that bring a token."""
        return await self._take(request, self._by_campaign)

    async def static(self, request: Request) -> Response:
        """A script, or the list of professions."""
        name = request.path_params["name"]
        if name == "professions.json":
            return Response(professions.as_json(), 200, FOREVER, media_type="application/json")
        if name not in SCRIPTS:
            return Response(status_code=404)
        script = SCRIPTS[name]
        if "gzip" in request.headers.get("accept-encoding", ""):
            packed = {**FOREVER, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
            return Response(script.packed, 200, packed, media_type="text/javascript; charset=utf-8")
        return Response(script.body, 200, FOREVER, media_type="text/javascript; charset=utf-8")

    async def _show(self, request: Request, found: Entrance | Page) -> Response:
        if isinstance(found, Page):
            return found
        page = self.pages.blank(
            lang_of(request), found.campaign, found.institution_name, found.instrument, token=found.mark is None
        )
        return page.packed(request.headers.get("accept-encoding", ""))

    async def _take(self, request: Request, entrance: Callable[[Request], Awaitable[Entrance | Page]]) -> Response:
        """Answers: kept if nothing is wrong with them, else shown again with what to mend.

        The thank-you page comes after the commit only, by a redirect, so that reloading it sends nothing twice.
        """
        lang = lang_of(request)
        raw = await _sent(request)
        if raw is None:
            return self.pages.message(lang, "too_large", 413)
        found = await entrance(request)
        if isinstance(found, Page):
            return found
        sent, offered = professions.read(found.instrument, raw)
        if SHOW_IN in sent:
            other = Lang(sent[SHOW_IN][0]) if sent[SHOW_IN][0] in set(Lang) else lang
            return self._again(request, other, found, Kept(sent))
        today = local_day(self.intake.database.clock())
        checked = check(found.instrument, sent, today)
        if checked.faults:
            return self._again(request, lang, found, Kept(sent, checked.faults, offered=offered), 422)
        try:
            mark = found.mark or await self._token_mark(found.campaign.id, sent)
            if mark is None:
                return self.pages.message(lang, "token_missing", 403)
            submission = responses.submission(self.vault, found.campaign.id, mark, checked.answers, today)
            outcome = await self.intake.take(submission)
        except Exception as problem:
            if not is_transient(problem):
                raise
            # Whether it was stored is not known; sending again tells, and counts once.
            return self._again(request, lang, found, Kept(sent, notice=self.pages.text("again", lang)), 503)
        if outcome is Outcome.ALREADY:
            return self.pages.message(lang, "already", 200)
        if outcome is Outcome.CLOSED:
            return self.pages.message(lang, "over", 410)
        return _see(f"{PREFIX}{found.place}?lang={lang.value}&done=1")

    def _again(self, request: Request, lang: Lang, found: Entrance, kept: Kept, status: int = 200) -> Response:
        page = self.pages.form(
            lang,
            found.campaign,
            found.institution_name,
            found.instrument,
            kept=kept,
            status=status,
            token=found.mark is None,
        )
        return page.packed(request.headers.get("accept-encoding", ""))

    async def _by_code(self, request: Request) -> Entrance | Page:
        """What a code opens, or the page that says why it opens nothing."""
        lang = lang_of(request)
        code = read_code(request.path_params["code"])
        if code is None:
            return self.pages.message(lang, "wrong", 404, ask_code=True)
        door = await self.intake.door(code)
        if door is None:
            if not self.wrong_codes.count():
                return self.pages.message(lang, "too_many", 429)
            return self.pages.message(lang, "wrong", 404, ask_code=True)
        if door.spent:
            return self.pages.message(lang, "thanks" if "done" in request.query_params else "already", 200)
        return self._entrance(lang, door.campaign, door.institution_name, shown(code), self.vault.mark(code))

    async def _by_campaign(self, request: Request) -> Entrance | Page:
        """A campaign's form for those who bring a token, or the page that says why there is none."""
        lang = lang_of(request)
        id_ = request.path_params["campaign"]
        place = await self.intake.place(id_) if len(id_) <= MAX_ID else None
        if place is None:
            return self.pages.message(lang, "wrong", 404, ask_code=True)
        return self._entrance(lang, *place, f"t/{id_}", None)

    def _entrance(
        self, lang: Lang, campaign: Campaign, institution_name: str, place: str, mark: bytes | None
    ) -> Entrance | Page:
        today = local_day(self.intake.database.clock())
        if not campaign.accepts_answers(today):
            over = campaign.is_over(today)
            return self.pages.message(lang, "over" if over else "not_yet", 410 if over else 403)
        instrument = self.library.get(campaign.instrument, campaign.instrument_version)
        return Entrance(campaign, institution_name, instrument, place, mark)

    async def _token_mark(self, campaign: str, sent: Mapping[str, Sequence[str]]) -> bytes | None:
        """The mark of the token that was sent, None unless it is one of this campaign's."""
        try:
            token = Token.read(bytes.fromhex(sent.get(TOKEN, [""])[0]))
        except ValueError:
            return None
        key = await self.intake.public_key(campaign) if token else None
        if token is None or key is None or not key.verify(message_of(token.prefix, campaign), token.signature):
            return None
        return self.vault.mark_of(campaign, "token", token.prefix)


def form_router(form: PublicForm) -> APIRouter:
    """The routes. Their errors become pages, and never a log line with the code in it."""
    router = APIRouter(include_in_schema=False)

    def route(path: str, methods: list[str], handle: Callable[[Request], Awaitable[Response]]) -> None:
        async def guarded(request: Request) -> Response:
            try:
                return await handle(request)
            except Exception as problem:
                lang = lang_of(request)
                if is_transient(problem):
                    return form.pages.message(lang, "unavailable", 503)
                log.error("form.crashed", **told_discreetly(problem))  # noqa: TRY400  # no traceback: it could quote
                return form.pages.message(lang, "crashed", 500)

        router.add_api_route(PREFIX + path, guarded, methods=methods)

    route("", ["GET", "HEAD"], form.enter)
    route("x/{name}", ["GET", "HEAD"], form.static)
    route("t/{campaign}", ["GET", "HEAD"], form.show_for_token)
    route("t/{campaign}", ["POST"], form.take_with_token)
    route("{code}", ["GET", "HEAD"], form.show)
    route("{code}", ["POST"], form.take)
    return router


def lang_of(request: Request) -> Lang:
    """The language that the address asks for, else the browser."""
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
