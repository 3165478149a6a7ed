"""The form's way to the database: what is asked at one moment shares a transaction, and each gets its own word."""

from collections.abc import Callable, Sequence

from services.surveys.commands import responses, tokens
from services.surveys.commands.responses import Outcome, Submission
from services.surveys.domain.campaigns import Campaign
from services.surveys.domain.codes import AccessCode
from services.surveys.domain.tokens import PublicKey
from services.surveys.form.together import Together
from services.surveys.queries import intake
from services.surveys.queries.intake import Door
from services.surveys.vault import Vault
from shared.persistence.unit_of_work import Database
from shared.scope import SYSTEM


class Intake:
    """What stands behind codes, and the taking of answers; `staged` is told when some were taken.

    A look sees everything that was committed before it was asked for: nothing is remembered.
    """

    def __init__(self, database: Database, vault: Vault, staged: Callable[[], None]) -> None:
        self.database = database
        self._vault = vault
        self._staged = staged
        self._doors: Together[AccessCode, Door | None] = Together(self._look)
        self._takes: Together[Submission, Outcome] = Together(self._take)

    async def door(self, code: AccessCode) -> Door | None:
        """What a code opens, or None if it was never issued."""
        return await self._doors.ask(code)

    async def place(self, campaign: str) -> tuple[Campaign, str] | None:
        """A campaign and its institution's name, for those who bring a token; None if there is none."""
        async with self.database.reading(SYSTEM) as session:
            return (await intake.places(session, {campaign})).get(campaign)

    async def public_key(self, campaign: str) -> PublicKey | None:
        """The key that a campaign's tokens are verified with; None before the first was signed."""
        async with self.database.reading(SYSTEM) as session:
            return await tokens.public_key(session, campaign)

    async def take(self, submission: Submission) -> Outcome:
        """Spend and stage; returns after the commit. On a transient error it is not known whether it counted."""
        return await self._takes.ask(submission)

    async def _look(self, codes: Sequence[AccessCode]) -> list[Door | None]:
        async with self.database.reading(SYSTEM) as session:
            return await intake.doors(session, self._vault, codes)

    async def _take(self, submissions: Sequence[Submission]) -> list[Outcome]:
        async with self.database.unit_of_work() as uow:
            outcomes = await responses.record_answers(uow, self._vault, submissions)
        if Outcome.TAKEN in outcomes:
            self._staged()
        return outcomes
