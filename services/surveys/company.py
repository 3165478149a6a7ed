"""Tells which invitations were taken up – of a campaign, when k or more can be told at once."""

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

from services.surveys.commands import invitations
from services.surveys.discreet import told_discreetly
from services.surveys.vault import Vault
from shared.persistence.unit_of_work import Database
from shared.scope import SYSTEM
from shared.telemetry.progress import Progress

log = structlog.get_logger(__name__)

LOOK_S: Final = 2.0


@dataclass
class Company:
    """The job that tells redemptions, in company of `step`. Several processes may run it."""

    database: Database
    vault: Vault
    progress: Progress
    step: int

    async def run(self) -> None:
        """Work until cancelled; failures are repeated."""
        while True:
            self.progress.beat("company")
            try:
                await self.look()
            except Exception as problem:
                log.warning("company.failed", **told_discreetly(problem))
            await asyncio.sleep(LOOK_S)

    async def look(self) -> int:
        """Tell what can be told; returns of how many invitations."""
        async with self.database.reading(SYSTEM) as session:
            ready = await invitations.with_untold(session, self.step)
        told = 0
        for campaign in ready:
            async with self.database.unit_of_work() as uow:
                told += await invitations.tell_redeemed(uow, self.vault, campaign, self.step)
        return told
