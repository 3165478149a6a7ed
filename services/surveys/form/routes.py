"""The public form's routes: the only ones without a sign-in, and without any trace of who uses them.

GET and POST `/s/{code}` open the form with an access code, `/s/t/{campaign}` with a token from the device,
`/s/i/{secret}` turns an invitation into such a token, `/s/g/{secret}` takes a graduate's status by name, with consent,
`/s/x/{name}` holds the pages' scripts and lists.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from services.surveys.commands import responses
from services.surveys.commands.invitations import CampaignFull
from services.surveys.commands.responses import Outcome
from services.surveys.discreet import told_discreetly
from services.surveys.domain.answers import check
from services.surveys.domain.campaigns import Campaign, CampaignOver
from services.surveys.domain.codes import AccessCode, read_code, shown
from services.surveys.domain.instruments import Instrument
from services.surveys.domain.invitations import InvitationUsed, UnknownInvitation
from services.surveys.domain.tokens import BadBlinded, Token, message_of
from services.surveys.form import professions
from services.surveys.form.intake import Intake
from services.surveys.form.pages import HEADERS, Kept, Page, Pages, packed
from services.surveys.form.requests import PREFIX, SHOW_IN, fields_of, lang_of, see
from services.surveys.form.scripts import AN_HOUR, FOREVER, SCRIPTS
from services.surveys.form.status import ENDED, StatusForm, tells_status
from services.surveys.instruments import InstrumentLibrary
from services.surveys.vault import Vault
from shared.clock import local_day
from shared.errors import WrongState
from shared.i18n import Lang
from shared.persistence.engine import is_transient
from shared.web.guesses import WrongGuesses
from shared.web.middleware import BodyTooLarge, LimitBody, Observe

log = structlog.get_logger(__name__)

MAX_BODY_BYTES: Final = 1_000_000
MAX_ID: Final = 64
MAX_BLINDED: Final = 1024
NO_CODE: Final = AccessCode("")
"""Opens nothing."""
UNKNOWN: Final = "…"
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
        return see(f"{PREFIX}{shown(code)}?lang={lang.value}")

    async def show(self, request: Request) -> Response:
        """The form behind a code."""
        if "done" in request.query_params:
            return self.pages.message(lang_of(request), "thanks", 200)
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

    async def invite(self, request: Request) -> Response:
        """The page that turns an invitation into a token on the device, and says what to do where it can't."""
        lang = lang_of(request)
        code = read_code(request.path_params["secret"])
        found = await self.intake.invited(code) if code else None
        if found is None:
            refused = code is not None and not self.wrong_codes.count()
            return self.pages.message(lang, "too_many" if refused else "wrong", 429 if refused else 404)
        (invited, key), today = found, local_day(self.intake.database.clock())
        campaign = invited.campaign
        if campaign.is_over(today):
            return self.pages.message(lang, "over", 410)
        if invited.invitation.status in ENDED:
            return self.pages.message(lang, "invitation_ended", 410)
        if campaign.full_since is not None:
            return self.pages.message(lang, "full", 410)
        instrument = self.library.get(campaign.instrument, campaign.instrument_version)
        status = f"{PREFIX}g/{shown(code)}?lang={lang.value}" if code and tells_status(invited.invitation) else None
        return self.pages.invitation(lang, campaign, invited.institution_name, instrument, key, status=status)

    async def redeem(self, request: Request) -> Response:
        """The blind signature for the blinded message, both in hexadecimal; refusals are said in plain words."""
        lang = lang_of(request)
        code = read_code(request.path_params["secret"]) or NO_CODE
        try:
            sent = bytes.fromhex((await request.body())[: 2 * MAX_BLINDED].decode("ascii", "replace"))
            return Response((await self.intake.redeem(code, sent)).hex(), 200, HEADERS, media_type="text/plain")
        except (BadBlinded, BodyTooLarge, ValueError):
            kind, status = "token_missing", 422
        except UnknownInvitation:
            kind, status = "wrong", 404 if self.wrong_codes.count() else 429
        except InvitationUsed:
            kind, status = "invitation_used", 409
        except CampaignOver:
            kind, status = "over", 410
        except CampaignFull:
            kind, status = "full", 410
        except WrongState:
            kind, status = "invitation_ended", 410
        return Response(self.pages.text(f"{kind}.text", lang), status, HEADERS, media_type="text/plain; charset=utf-8")

    async def static(self, request: Request) -> Response:
        """A script, or the list of professions."""
        name = request.path_params["name"]
        if name == "professions.json":
            body, kind = professions.as_json(lang_of(request)), "application/json"
            return packed(Response(body, 200, AN_HOUR, media_type=kind), request)
        if name not in SCRIPTS:
            return Response(status_code=404)
        kind = "text/javascript; charset=utf-8"
        return packed(Response(SCRIPTS[name].body, 200, FOREVER, media_type=kind), request)

    async def _show(self, request: Request, found: Entrance | Page) -> Response:
        if isinstance(found, Page):
            return found
        if found.campaign.full_since is not None and found.mark is not None:
            # Said at the door; whoever is answering already, or has taken up an invitation, is heard.
            return self.pages.message(lang_of(request), "full", 410)
        page = self.pages.blank(
            lang_of(request), found.campaign, found.institution_name, found.instrument, token=found.mark is None
        )
        return packed(page, request)

    async def _take(self, request: Request, entrance: Callable[[Request], Awaitable[Entrance | Page]]) -> Response:
        """Answers: kept if nothing is wrong with them, else shown again with what to mend.

        The thank-you page comes after the commit only, by a redirect, so that reloading it sends nothing twice.
        """
        lang = lang_of(request)
        raw = await fields_of(request)
        if raw is None:
            return self.pages.message(lang, "too_large", 413)
        found = await entrance(request)
        if isinstance(found, Page):
            return found
        sent, offered = professions.read(found.instrument, raw, lang)
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
        return see(f"{PREFIX}{found.place}?lang={lang.value}&done=1")

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
        return packed(page, request)

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
        found = self._entrance(lang, door.campaign, door.institution_name, shown(code), self.vault.mark(code))
        # Where nobody is heard any more, whoever gave the codes to people learns nothing of who used theirs.
        if door.spent and isinstance(found, Entrance) and door.campaign.full_since is None:
            return self.pages.message(lang, "already", 200)
        return found

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


Handle = Callable[[Request], Awaitable[Response]]


class PublicDoor:
    """Leads the public form's addresses past the API's routes: who answers needs none of what those are asked.

    Errors become pages, and never a log line with the code in it. Every other address is `app`'s.
    """

    def __init__(self, app: ASGIApp, form: PublicForm, service: str) -> None:
        self._app = app
        self._form = form
        status = StatusForm(form.vault, form.library, form.pages, form.wrong_codes, form.intake.database)
        self._door = Observe(LimitBody(self._answer, MAX_BODY_BYTES), service, (PREFIX,))
        # By what stands first below PREFIX, and the name of what follows it.
        self._below: Mapping[str, tuple[str, Handle, Handle | None]] = {
            "x": ("name", form.static, None),
            "t": ("campaign", form.show_for_token, form.take_with_token),
            "i": ("secret", form.invite, form.redeem),
            "g": ("secret", status.show, status.take),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            await self._door(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        handle = self._route(scope)
        answer: Response
        if handle is None:
            answer = self._form.pages.message(lang_of(request), "wrong", 404, ask_code=True)
        else:
            answer = await self._guarded(request, handle)
        await answer(scope, receive, send)

    def _route(self, scope: Scope) -> Handle | None:
        first, slash, rest = scope["path"][len(PREFIX) :].partition("/")
        template, name, show, take = UNKNOWN, "", None, None
        if slash and first in self._below:
            name, show, take = self._below[first]
            template = f"{first}/{{{name}}}"
        elif not slash and first:
            template, name, show, take = "{code}", "code", self._form.show, self._form.take
        elif not slash:
            template, show = "", self._form.enter
        scope["route"] = Template(PREFIX + template)
        scope["path_params"] = {name: rest if slash else first}
        return {"GET": show, "HEAD": show, "POST": take}.get(scope["method"])

    async def _guarded(self, request: Request, handle: Handle) -> Response:
        try:
            return await handle(request)
        except Exception as problem:
            lang = lang_of(request)
            if is_transient(problem):
                return self._form.pages.message(lang, "unavailable", 503)
            log.error("form.crashed", **told_discreetly(problem))  # noqa: TRY400  # no traceback: it could quote
            return self._form.pages.message(lang, "crashed", 500)


@dataclass(frozen=True, slots=True)
class Template:
    """What a request's address looks like, for the metrics: never the address itself."""

    path: str
