"""Planning, opening and closing campaigns, and issuing their codes."""

from typing import Any

from sqlalchemy import func, insert, select, update
from sqlmodel import col

from services.surveys.domain.campaigns import (
    Campaign,
    CampaignAct,
    CampaignStatus,
    InstitutionClosed,
    IssueCodes,
    PlanCampaign,
    check_period,
    stepped,
    told_of,
)
from services.surveys.instruments import InstrumentLibrary
from services.surveys.tables import (
    CampaignRow,
    CodeBatchRow,
    InstitutionRow,
    InvitationRow,
    access_code,
    received_in,
)
from services.surveys.vault import Vault
from shared.clock import local_day
from shared.contracts.events import EventType, Recorded
from shared.contracts.surveys import (
    CAMPAIGN_CLOSED,
    CAMPAIGN_OPENED,
    CAMPAIGN_PLANNED,
    CampaignCounts,
    InvitationStatus,
)
from shared.contracts.vocabulary import RespondentGroup
from shared.errors import FieldError, InvalidInput, NotFound, VersionMismatch
from shared.ids import new_id
from shared.persistence.unit_of_work import UnitOfWork


async def plan(uow: UnitOfWork, library: InstrumentLibrary, command: PlanCampaign, interview_days: int = 0) -> Campaign:
    """Plan a campaign with the newest version of an instrument at an institution the caller sees.

    `interview_days` are those of a campaign that names none.
    """
    try:
        instrument = await library.ensure(uow.session, command.instrument, scope=uow.principal.scope)
    except NotFound:
        known = ", ".join(each.code for each in library.latest)
        raise InvalidInput(FieldError("instrument", "instrument-unknown", {"known": known})) from None
    check_period(command.period, local_day(uow.now))
    institution = await _institution(uow, command.institution)
    if not institution.active:
        raise InstitutionClosed(institution=institution.id)
    campaign = Campaign(
        id=new_id(),
        version=1,
        instrument=instrument.code,
        instrument_version=instrument.version,
        institution_id=institution.id,
        period=command.period,
        title=command.title,
        group=instrument.group,
        scheduled=command.scheduled,
        interview_days=interview_days if command.interview_days is None else command.interview_days,
    )
    await add(uow, campaign, institution.org_path)
    return campaign


async def add(uow: UnitOfWork, campaign: Campaign, org_path: str) -> CampaignRow:
    """Store a new campaign and tell it; one that is open already is told as planned and opened."""
    row = CampaignRow.of(campaign, org_path)
    if campaign.status is CampaignStatus.OPEN:
        planned = campaign.model_copy(update={"version": campaign.version - 1, "status": CampaignStatus.DRAFT})
        _tell(uow, CAMPAIGN_PLANNED, planned, CampaignCounts())
        _tell(uow, CAMPAIGN_OPENED, campaign, CampaignCounts())
    else:
        _tell(uow, CAMPAIGN_PLANNED, campaign, CampaignCounts())
    uow.session.add(row)
    await uow.session.flush()
    return row


async def open_(uow: UnitOfWork, id_: str, step: int) -> Campaign:
    """Let a campaign take answers; what is told of it counts responses in steps of `step`."""
    row = await _campaign(uow, id_)
    institution = await _institution(uow, row.institution_id)
    row.take(row.campaign().opened(local_day(uow.now), institution_active=institution.active))
    _tell(uow, CAMPAIGN_OPENED, row.campaign(), await _counts(uow, row.id, step))
    return row.campaign()


async def close(uow: UnitOfWork, id_: str, step: int) -> Campaign:
    """End a campaign; answers that are staged are moved on at once, pending invitations lapse."""
    row = await _campaign(uow, id_)
    await end(uow, row, step)
    return row.campaign()


async def end(uow: UnitOfWork, row: CampaignRow, step: int) -> EventType:
    """Close the campaign in this locked row and tell it."""
    row.take(row.campaign().closed(local_day(uow.now)))
    # What is pending lapses at the scheduler's next look, without a reminder before.
    await uow.session.execute(
        update(InvitationRow)
        .where(col(InvitationRow.campaign_id) == row.id, col(InvitationRow.status) == InvitationStatus.PENDING.value)
        .values(lapses_on=local_day(uow.now), remind_on=None)
        .execution_options(synchronize_session=False)
    )
    _tell(uow, CAMPAIGN_CLOSED, row.campaign(), await _counts(uow, row.id, step))
    return CAMPAIGN_CLOSED


async def close_all(uow: UnitOfWork, institution_id: str, step: int) -> None:
    """End what an institution asks: it has closed."""
    query = (
        select(CampaignRow)
        .where(
            col(CampaignRow.institution_id) == institution_id,
            col(CampaignRow.status) != CampaignStatus.CLOSED.value,
        )
        .order_by(col(CampaignRow.id))
        .with_for_update()
    )
    for row in (await uow.session.execute(query)).scalars().all():
        await end(uow, row, step)


async def open_scheduled(uow: UnitOfWork, id_: str, step: int) -> EventType | None:
    """Open a campaign that opens by itself; one of a closed institution stays shut, and is closed with its period."""
    row = await uow.session.get_one(CampaignRow, id_)
    institution = await uow.session.get_one(InstitutionRow, row.institution_id)
    row.scheduled = False
    if not institution.active or local_day(uow.now) > row.last_day:
        return None
    row.take(row.campaign().opened(local_day(uow.now), institution_active=True))
    _tell(uow, CAMPAIGN_OPENED, row.campaign(), await _counts(uow, row.id, step))
    return CAMPAIGN_OPENED


async def close_overdue(uow: UnitOfWork, step: int) -> int:
    """Close the campaigns whose period is over, a few hundred at a time; returns how many."""
    query = (
        select(CampaignRow)
        .where(col(CampaignRow.last_day) < local_day(uow.now), col(CampaignRow.status) != CampaignStatus.CLOSED.value)
        .limit(500)
        .with_for_update(skip_locked=True)
    )
    rows = (await uow.session.execute(query)).scalars().all()
    for row in rows:
        await end(uow, row, step)
    return len(rows)


async def issue_codes(uow: UnitOfWork, vault: Vault, id_: str, command: IssueCodes, key: str) -> dict[str, Any]:
    """Make codes for a campaign, store their fingerprints only, and tell the batch; `key` is the idempotency key."""
    row = await _campaign(uow, id_)
    campaign = row.campaign()
    campaign.after(CampaignAct.ISSUE_CODES)
    batch = CodeBatchRow(id=new_id(), campaign_id=campaign.id, count=command.count, issued_on=local_day(uow.now))
    uow.session.add(batch)
    await uow.session.flush()
    # By fingerprint: their order in the table is not the order on paper.
    fingerprints = sorted(vault.fingerprint(code) for code in vault.codes(batch.id, key, command.count))
    rows = [{"fingerprint": each, "campaign_id": campaign.id} for each in fingerprints]
    await uow.session.execute(insert(access_code), rows)
    return {"batch": batch.id, "campaign": campaign.id, "count": batch.count}


def _tell(uow: UnitOfWork, event_type: EventType, campaign: Campaign, counts: CampaignCounts) -> None:
    # A campaign from before waves has no group in its row: the standard instruments are called after theirs.
    group = campaign.group or RespondentGroup(campaign.instrument)
    uow.recorded.append(Recorded(event_type, campaign.institution_id, told_of(campaign, group, counts)))


async def _counts(uow: UnitOfWork, id_: str, step: int) -> CampaignCounts:
    answers = await received_in(uow.session, select(col(CampaignRow.id)).where(col(CampaignRow.id) == id_))
    codes = select(func.coalesce(func.sum(CodeBatchRow.count), 0)).where(col(CodeBatchRow.campaign_id) == id_)
    invited = (
        select(func.count())
        .select_from(InvitationRow)
        .where(col(InvitationRow.campaign_id) == id_, col(InvitationRow.status) != InvitationStatus.WITHDRAWN.value)
    )
    found = (await uow.session.execute(select(codes.scalar_subquery(), invited.scalar_subquery()))).one()
    return CampaignCounts(codes=found[0], invited=found[1], responses=stepped(sum(answers.values()), step))


async def find_visible(uow: UnitOfWork, id_: str) -> CampaignRow:
    """A campaign within the caller's scope, not locked; raises NotFound."""
    query = select(CampaignRow).where(col(CampaignRow.id) == id_, CampaignRow.visible(uow.principal.scope))
    row: CampaignRow | None = (await uow.session.execute(query)).scalar_one_or_none()
    if row is None:
        raise NotFound(what="campaign", id=id_[:100])
    return row


async def _campaign(uow: UnitOfWork, id_: str) -> CampaignRow:
    query = (
        select(CampaignRow)
        .where(col(CampaignRow.id) == id_, CampaignRow.visible(uow.principal.scope))
        .with_for_update()
    )
    row = (await uow.session.execute(query)).scalar_one_or_none()
    if row is None:
        raise NotFound(what="campaign", id=id_)
    if uow.expected_version is not None and row.version != uow.expected_version:
        raise VersionMismatch(expected=uow.expected_version, found=row.version)
    return row


async def _institution(uow: UnitOfWork, id_: str) -> InstitutionRow:
    query = select(InstitutionRow).where(col(InstitutionRow.id) == id_, InstitutionRow.visible(uow.principal.scope))
    row = (await uow.session.execute(query)).scalar_one_or_none()
    if row is None:
        raise NotFound(what="institution", id=id_)
    return row
