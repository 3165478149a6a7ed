"""What passing time does to surveys: waves and campaigns open and close, invitations are made, reminded and lapse."""

from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import col

from services.surveys.commands import campaigns, invitations, waves
from services.surveys.domain.campaigns import CampaignStatus
from services.surveys.instruments import InstrumentLibrary
from services.surveys.tables import CampaignRow, InvitationRow, OccasionRow, WaveRow
from shared.clock import local_day
from shared.contracts.events import EventType
from shared.contracts.surveys import InvitationStatus, WaveStatus
from shared.persistence.scheduler import Passage
from shared.persistence.unit_of_work import UnitOfWork


def _waves_due(now: datetime) -> ColumnElement[bool]:
    """The waves for which domain.waves.passed has something to say."""
    today = local_day(now)
    return or_(
        and_(col(WaveRow.status) == WaveStatus.PLANNED.value, col(WaveRow.first_day) <= today),
        and_(col(WaveRow.status) == WaveStatus.OPEN.value, col(WaveRow.last_day) < today),
    )


def _campaigns_due(now: datetime) -> ColumnElement[bool]:
    return and_(
        col(CampaignRow.scheduled),
        col(CampaignRow.status) == CampaignStatus.DRAFT.value,
        col(CampaignRow.first_day) <= local_day(now),
    )


def _occasions_due(now: datetime) -> ColumnElement[bool]:
    return and_(col(OccasionRow.status) == invitations.WAITING, col(OccasionRow.due_on) <= local_day(now))


def _invitations_due(now: datetime) -> ColumnElement[bool]:
    today = local_day(now)
    return and_(
        col(InvitationRow.status) == InvitationStatus.PENDING.value,
        or_(col(InvitationRow.lapses_on) <= today, col(InvitationRow.remind_on) <= today),
    )


def passages(library: InstrumentLibrary, step: int, interview_days: int = 0) -> tuple[Passage, ...]:
    """All of it; counts of answers that are told move in steps of `step`, waves' campaigns wait for interviews."""

    async def bring_campaigns(uow: UnitOfWork, id_: str) -> list[EventType]:
        return await waves.bring_campaigns(uow, id_, step, interview_days)

    async def count_quotas(uow: UnitOfWork, id_: str) -> list[EventType]:
        return await waves.count_quotas(uow, id_, step)

    async def open_scheduled(uow: UnitOfWork, id_: str) -> list[EventType]:
        told = await campaigns.open_scheduled(uow, id_, step)
        return [told] if told else []

    async def invite(uow: UnitOfWork, id_: str) -> list[EventType]:
        return await invitations.invite(uow, library, id_)

    async def remind_or_lapse(uow: UnitOfWork, id_: str) -> list[EventType]:
        return await invitations.pass_time(uow, id_, step)

    return (
        Passage(WaveRow, _waves_due, waves.pass_time),
        Passage(WaveRow, lambda _: col(WaveRow.campaigns_due).is_(True), bring_campaigns),
        Passage(WaveRow, lambda now: col(WaveRow.quotas_due) <= now, count_quotas),
        Passage(CampaignRow, _campaigns_due, open_scheduled),
        Passage(OccasionRow, _occasions_due, invite),
        Passage(InvitationRow, _invitations_due, remind_or_lapse),
    )
