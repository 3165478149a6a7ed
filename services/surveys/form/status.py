"""The page on which a graduate tells the own status by name: consent first, and apart from every anonymous answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from services.surveys.commands import graduates, invitations
from services.surveys.commands.invitations import Invited
from services.surveys.domain.answers import Sent, check
from services.surveys.domain.campaigns import InstitutionClosed
from services.surveys.domain.codes import AccessCode, read_code, shown
from services.surveys.domain.graduates import AGREED, CONSENT_VERSION, QUESTIONNAIRE, Consent, Means, told_in
from services.surveys.domain.instruments import Instrument
from services.surveys.form import professions
from services.surveys.form.pages import Kept, Page, Pages, packed
from services.surveys.form.requests import PREFIX, SHOW_IN, fields_of, lang_of, see
from services.surveys.instruments import InstrumentLibrary
from services.surveys.vault import Vault
from shared.clock import local_day
from shared.contracts.surveys import InvitationState, InvitationStatus, RespondentKind
from shared.errors import InvalidInput
from shared.i18n import Lang
from shared.persistence.engine import is_transient
from shared.persistence.unit_of_work import Database
from shared.scope import SYSTEM
from shared.web.guesses import WrongGuesses

ENDED: Final = (InvitationStatus.LAPSED, InvitationStatus.WITHDRAWN)
TAKE_BACK: Final = "take_back"
"""The field of the button that takes the consent back."""
DONE: Final = {"told": "status_told", "gone": "status_gone"}
MONTHS: Final[Mapping[int, str]] = {6: "m6", 12: "m12"}


def tells_status(invitation: InvitationState) -> bool:
    """Whether whoever was invited is asked for a status of the own."""
    return invitation.respondent is RespondentKind.GRADUATE


@dataclass(frozen=True)
class StatusForm:
    """The page's routes, by the secret of a graduate's invitation; what was told before is never shown here."""

    vault: Vault
    library: InstrumentLibrary
    pages: Pages
    wrong_codes: WrongGuesses
    database: Database

    async def show(self, request: Request) -> Response:
        """The questionnaire, or what became of it."""
        lang = lang_of(request)
        done = DONE.get(request.query_params.get("done", ""))
        if done is not None:
            return self.pages.message(lang, done, 200)
        found = await self._invited(request)
        if isinstance(found, Page):
            return found
        months = MONTHS.get(found.invitation.months)
        return packed(self._page(lang, found, Kept({"months": [months]} if months else {})), request)

    async def take(self, request: Request) -> Response:
        """Keep what was told, if there is consent; without consent nothing is kept, whatever was sent."""
        lang = lang_of(request)
        raw = await fields_of(request)
        if raw is None:
            return self.pages.message(lang, "too_large", 413)
        found = await self._invited(request)
        if isinstance(found, Page):
            return found
        code = shown(read_code(request.path_params["secret"]) or AccessCode(""))
        if SHOW_IN in raw:
            other = Lang(raw[SHOW_IN][0]) if raw[SHOW_IN][0] in set(Lang) else lang
            return packed(self._page(other, found, Kept(raw)), request)
        try:
            if TAKE_BACK in raw:
                async with self.database.unit_of_work() as uow:
                    await graduates.take_back(uow, found.invitation.institution_id, found.invitation.respondent_ref)
                return see(f"{PREFIX}g/{code}?lang={lang.value}&done=gone")
            return await self._tell(request, lang, found, raw, code)
        except InstitutionClosed:
            return self.pages.message(lang, "invitation_ended", 410)
        except Exception as problem:
            if not is_transient(problem):
                raise
            # Whether it was stored is not known; told again it is the same.
            again = Kept(raw, notice=self.pages.text("again", lang))
            return packed(self._page(lang, found, again, 503), request)

    async def _tell(self, request: Request, lang: Lang, found: Invited, raw: Sent, code: str) -> Response:
        instrument, today = self._instrument(), local_day(self.database.clock())
        sent, offered = professions.read(instrument, raw, lang)
        checked = check(instrument, sent, today)
        if "consent" in checked.answers and checked.answers["consent"] != AGREED:
            return self.pages.message(lang, "status_declined", 200)
        kept = Kept(sent, checked.faults, offered=offered)
        if checked.faults:
            return packed(self._page(lang, found, kept, 422), request)
        consent = Consent(text_version=CONSENT_VERSION, lang=lang.value, means=Means.FORM, given_on=today)
        invitation = found.invitation
        try:
            command = told_in(checked.answers, invitation.institution_id, invitation.respondent_ref, consent)
            async with self.database.unit_of_work() as uow:
                await graduates.tell(uow, command)
        except InvalidInput as wrong:
            return packed(self._page(lang, found, Kept(sent, wrong.errors, offered=offered), 422), request)
        return see(f"{PREFIX}g/{code}?lang={lang.value}&done=told")

    def _page(self, lang: Lang, found: Invited, kept: Kept, status: int = 200) -> Page:
        consent = self.pages.consent(CONSENT_VERSION, lang)
        return self.pages.status_form(lang, found.institution_name, self._instrument(), consent, kept, status)

    def _instrument(self) -> Instrument:
        return self.library.get(QUESTIONNAIRE)

    async def _invited(self, request: Request) -> Invited | Page:
        """What the secret opens, or the page that says why it opens nothing."""
        lang = lang_of(request)
        code = read_code(request.path_params["secret"])
        found = None
        if code is not None:
            async with self.database.reading(SYSTEM) as session:
                found = await invitations.invited(session, self.vault, code)
        if found is None or not tells_status(found.invitation):
            refused = code is not None and not self.wrong_codes.count()
            return self.pages.message(lang, "too_many" if refused else "wrong", 429 if refused else 404)
        if found.invitation.status in ENDED:
            return self.pages.message(lang, "invitation_ended", 410)
        return found
