"""Waves: planned, opened and closed by people or the calendar; their campaigns are made and closed in batches."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import and_, exists, select, update
from sqlmodel import col

from services.surveys.commands import campaigns
from services.surveys.domain import waves as domain
from services.surveys.domain.campaigns import Campaign, CampaignStatus, Period, stepped
from services.surveys.instruments import InstrumentLibrary
from services.surveys.tables import CampaignRow, InstitutionRow, WaveRow, received_in
from shared.clock import local_day
from shared.contracts.events import EventType
from shared.contracts.surveys import WaveState, WaveStatus
from shared.errors import FieldError, Forbidden, InvalidInput, NotFound
from shared.ids import new_id
from shared.persistence.unit_of_work import UnitOfWork
from shared.scope import path_of

BATCH: Final = 200
"""Campaigns made or closed in one transaction: progress is seen, and nobody waits long for the streams' heads."""
COUNT_EVERY: Final = timedelta(seconds=10)
"""How often hard quotas are counted."""


class OutsideTerritory(Forbidden):
    """A wave asks within its planner's own part of the territory."""

    code = "wave-outside-territory"


async def plan(uow: UnitOfWork, library: InstrumentLibrary, command: domain.PlanWave, step: int) -> WaveState:
    """Plan a wave with the newest version of an instrument, within the caller's territory.

    Raises InvalidInput for a hard quota below `step`, in which answers are counted.
    """
    _check_quotas(command.quotas, step)
    try:
        instrument = await library.ensure(uow.session, command.instrument, scope=uow.principal.scope)
    except NotFound:
        known = ", ".join(each.code for each in library.latest)
        raise InvalidInput(FieldError("instrument", "instrument-unknown", {"known": known})) from None
    outcome, details = domain.plan(new_id(), command, instrument.version, instrument.group, local_day(uow.now))
    org_path = path_of(command.territory)
    if not uow.principal.scope.sees(org_path):
        raise OutsideTerritory(territory=command.territory)
    await uow.record(WaveRow, outcome[0], outcome[1], key=outcome[1].id, org_path=org_path, details=details)
    return outcome[1]


async def amend(uow: UnitOfWork, id_: str, command: domain.AmendWave, step: int) -> WaveState:
    """Change a wave that is not open yet; `step` as in `plan`."""
    _check_quotas(command.quotas or (), step)
    wave = await _load(uow, id_)
    row = await uow.session.get_one(WaveRow, id_)
    outcome, details = domain.amend(wave, domain.WaveDetails.model_validate(row.details), command, local_day(uow.now))
    await uow.record(WaveRow, outcome[0], outcome[1], key=id_, org_path=row.org_path, details=details)
    return outcome[1]


def _check_quotas(quotas: Sequence[domain.QuotaWanted], step: int) -> None:
    faults = [
        FieldError(f"quotas.{number}.responses", "quota-below-step", {"step": step})
        for number, quota in enumerate(quotas)
        if quota.hard and quota.responses < step
    ]
    if faults:
        raise InvalidInput(*faults)


async def move(uow: UnitOfWork, id_: str, step: domain.Step) -> WaveState:
    """Open, close or cancel a wave; its campaigns follow in batches."""
    wave = await _load(uow, id_)
    await _record(uow, domain.move(wave, step, local_day(uow.now)))
    return WaveState.model_validate((await uow.session.get_one(WaveRow, id_)).state)


async def pass_time(uow: UnitOfWork, id_: str) -> list[EventType]:
    """Bring a wave to today."""
    told = []
    for outcome in domain.passed(await _load(uow, id_), local_day(uow.now)):
        await _record(uow, outcome)
        told.append(outcome[0])
    return told


async def bring_campaigns(uow: UnitOfWork, id_: str, step: int, interview_days: int = 0) -> list[EventType]:
    """Make, or after the wave's end close, the next batch of its campaigns; returns what was told.

    `interview_days`: so long after their end interviews made before may come in.
    """
    row = await uow.session.get_one(WaveRow, id_)
    wave = WaveState.model_validate(row.state)
    if wave.status is WaveStatus.OPEN:
        told = [
            event_type
            for institution in await _without(uow, row, wave)
            for event_type in await _begin(uow, wave, institution, interview_days)
        ]
        done = len(told) < BATCH
    else:
        told = [await campaigns.end(uow, campaign, step) for campaign in await _left(uow, id_)]
        done = len(told) < BATCH
    row.campaigns_due = not done
    return told


async def count_quotas(uow: UnitOfWork, id_: str, step: int) -> list[EventType]:
    """Stop intake at the door of the campaigns whose stratum's hard quota is full; tells nothing.

    The door tells it, so what is counted is what is shown anyway: of each campaign the floor in steps of `step`.
    """
    row = await uow.session.get_one(WaveRow, id_)
    wave = WaveState.model_validate(row.state)
    of_wave = select(col(CampaignRow.id)).where(col(CampaignRow.wave_id) == id_)
    received = await received_in(uow.session, of_wave)
    places = (
        await uow.session.execute(
            select(
                col(CampaignRow.id), col(CampaignRow.org_path), col(InstitutionRow.kind), col(CampaignRow.full_since)
            )
            .join(InstitutionRow, col(InstitutionRow.id) == CampaignRow.institution_id)
            .where(col(CampaignRow.wave_id) == id_)
        )
    ).all()
    sums = [
        sum(
            stepped(received[campaign], step)
            for campaign, path, kind, _ in places
            if domain.concerns(quota, path, kind)
        )
        for quota in wave.quotas
    ]
    full = domain.is_full(wave.quotas, sums)
    stopped = [
        campaign
        for campaign, path, kind, since in places
        if since is None and any(domain.concerns(quota, path, kind) for quota in full)
    ]
    if stopped:
        await uow.session.execute(
            update(CampaignRow)
            .where(col(CampaignRow.id).in_(sorted(stopped)))
            .values(full_since=local_day(uow.now))
            .execution_options(synchronize_session=False)
        )
    counts_on = wave.status is WaveStatus.OPEN and any(quota.hard for quota in wave.quotas)
    row.quotas_due = uow.now + COUNT_EVERY if counts_on else None
    return []


async def notice_institutions(uow: UnitOfWork) -> None:
    """Institutions came, moved or closed: every open wave looks again at which of them lack their campaign.

    A wave that is at it waits, too: it has read the institutions already, and may be about to say that it is done.
    """
    waiting = select(col(WaveRow.id)).where(col(WaveRow.status) == WaveStatus.OPEN.value)
    ids = list((await uow.session.execute(waiting.order_by(col(WaveRow.id)).with_for_update())).scalars())
    if ids:
        await uow.session.execute(
            update(WaveRow)
            .where(col(WaveRow.id).in_(ids))
            .values(campaigns_due=True)
            .execution_options(synchronize_session=False)
        )


async def _begin(uow: UnitOfWork, wave: WaveState, institution: InstitutionRow, interview_days: int) -> list[EventType]:
    campaign = Campaign(
        id=new_id(),
        version=2,
        instrument=wave.instrument,
        instrument_version=wave.instrument_version,
        institution_id=institution.id,
        period=Period(first=wave.first_day, last=wave.last_day),
        status=CampaignStatus.OPEN,
        group=wave.group,
        wave_id=wave.id,
        interview_days=interview_days,
    )
    already = len(uow.recorded)
    await campaigns.add(uow, campaign, institution.org_path)
    return [each.type for each in uow.recorded[already:]]


async def _without(uow: UnitOfWork, row: WaveRow, wave: WaveState) -> Sequence[InstitutionRow]:
    """Institutions of the wave that have no campaign of it yet, as many as make a batch of events."""
    query = select(InstitutionRow).where(
        col(InstitutionRow.org_path).startswith(row.org_path, autoescape=True),
        col(InstitutionRow.active),
        ~exists().where(
            and_(col(CampaignRow.wave_id) == wave.id, col(CampaignRow.institution_id) == col(InstitutionRow.id))
        ),
    )
    if wave.kinds:
        query = query.where(col(InstitutionRow.kind).in_([kind.value for kind in wave.kinds]))
    query = query.order_by(col(InstitutionRow.id)).limit(BATCH // 2)
    return (await uow.session.execute(query)).scalars().all()


async def _left(uow: UnitOfWork, id_: str) -> Sequence[CampaignRow]:
    query = (
        select(CampaignRow)
        .where(col(CampaignRow.wave_id) == id_, col(CampaignRow.status) != CampaignStatus.CLOSED.value)
        .order_by(col(CampaignRow.id))
        .limit(BATCH)
        .with_for_update()
    )
    return (await uow.session.execute(query)).scalars().all()


async def _load(uow: UnitOfWork, id_: str) -> WaveState:
    return await uow.load(WaveRow, WaveState, id_, what="wave")


async def _record(uow: UnitOfWork, outcome: domain.Outcome) -> None:
    event_type, wave = outcome
    row = await uow.session.get_one(WaveRow, wave.id)
    await uow.record(WaveRow, event_type, wave, key=wave.id, org_path=row.org_path)
    row.campaigns_due = wave.status is not WaveStatus.PLANNED
    if wave.status is WaveStatus.OPEN and any(quota.hard for quota in wave.quotas):
        row.quotas_due = uow.now
