"""The form's way to the database: what is asked at one moment shares a transaction, and each gets its own word."""

from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.surveys.commands import invitations, responses, tokens
from services.surveys.commands.invitations import Invited
from services.surveys.commands.responses import Outcome, Submission
from services.surveys.domain.campaigns import Campaign
from services.surveys.domain.codes import AccessCode
from services.surveys.domain.tokens import PublicKey
from services.surveys.form.together import Together
from services.surveys.instruments import InstrumentLibrary
from services.surveys.queries import intake
from services.surveys.queries.intake import Door, Found
from services.surveys.vault import Vault
from shared.persistence.unit_of_work import Database
from shared.scope import SYSTEM

CAMPAIGNS: Final = 1000
"""Campaigns remembered."""

COMPANY_S: Final = 0.01
"""In a crowd a look and a taking wait so long for company: a transaction costs the same for one and for many."""


class Intake:
    """What stands behind codes, and the taking of answers; `staged` is told when some were taken.

    A look sees everything that was committed before it was asked for: what is remembered of campaigns is what belongs
    to the versions found.
    """

    def __init__(
        self, database: Database, vault: Vault, library: InstrumentLibrary, staged: Callable[[], None]
    ) -> None:
        self.database = database
        self._vault = vault
        self._library = library
        self._staged = staged
        self._campaigns: dict[str, tuple[tuple[int, int], Campaign, str]] = {}
        self._doors: Together[AccessCode, Door | None] = Together(self._look, company_s=COMPANY_S)
        self._takes: Together[Submission, Outcome] = Together(self._take, company_s=COMPANY_S)

    async def door(self, code: AccessCode) -> Door | None:
        """What a code opens, or None if it was never issued."""
        return await self._doors.ask(code)

    async def place(self, campaign: str) -> tuple[Campaign, str] | None:
        """A campaign and its institution's name, for those who bring a token; None if there is none."""
        async with self.database.reading(SYSTEM) as session:
            found = (await intake.places(session, {campaign})).get(campaign)
            if found is not None:
                await self._ready(session, found[0])
        return found

    async def public_key(self, campaign: str) -> PublicKey | None:
        """The key that a campaign's tokens are verified with; None before the first was signed."""
        async with self.database.reading(SYSTEM) as session:
            return await tokens.public_key(session, campaign)

    async def invited(self, code: AccessCode) -> tuple[Invited, PublicKey] | None:
        """What an invitation's secret opens, with the key of its campaign; None for one that was never given out."""
        async with self.database.unit_of_work() as uow:
            found = await invitations.invited(uow.session, self._vault, code)
            if found is None:
                return None
            await self._ready(uow.session, found.campaign)
            return found, await tokens.ensure_key(uow, self._vault, found.campaign.id)

    async def redeem(self, code: AccessCode, blinded: bytes) -> bytes:
        """The blind signature for an invitation; raises what `invitations.redeem` and `tokens.sign_blinded` do."""
        async with self.database.unit_of_work() as uow:

            async def require(campaign: Campaign) -> None:
                await tokens.require_blinded(uow, self._vault, campaign.id, blinded)

            async def sign(campaign: Campaign) -> bytes:
                return await tokens.sign_blinded(uow, self._vault, campaign.id, blinded)

            return await invitations.redeem(uow, self._vault, code, blinded, require, sign)

    async def take(self, submission: Submission) -> Outcome:
        """Spend and stage; returns after the commit. On a transient error it is not known whether it counted."""
        return await self._takes.ask(submission)

    async def _look(self, codes: Sequence[AccessCode]) -> list[Door | None]:
        async with self.database.reading(SYSTEM) as session:
            found = await intake.find_codes(session, self._vault, codes)
            known: dict[str, tuple[Campaign, str]] = {}
            for each in found:
                if each is not None and each.campaign_id not in known:
                    known[each.campaign_id] = await self._campaign(session, each)
        return [None if each is None else Door(*known[each.campaign_id], each.spent) for each in found]

    async def _campaign(self, session: AsyncSession, found: Found) -> tuple[Campaign, str]:
        """A campaign and its institution's name as of these versions, its instrument ready."""
        versions, campaign, name = self._campaigns.pop(found.campaign_id, (None, None, ""))
        if campaign is None or versions != found.versions:
            campaign, name = (await intake.places(session, {found.campaign_id}))[found.campaign_id]
        await self._ready(session, campaign)
        self._campaigns[found.campaign_id] = (found.versions, campaign, name)
        if len(self._campaigns) > CAMPAIGNS:
            del self._campaigns[next(iter(self._campaigns))]
        return campaign, name

    async def _ready(self, session: AsyncSession, campaign: Campaign) -> None:
        await self._library.ensure(session, campaign.instrument, campaign.instrument_version)

    async def _take(self, submissions: Sequence[Submission]) -> list[Outcome]:
        async with self.database.unit_of_work() as uow:
            outcomes = await responses.record_answers(uow, self._vault, submissions)
        if Outcome.TAKEN in outcomes:
            self._staged()
        return outcomes
