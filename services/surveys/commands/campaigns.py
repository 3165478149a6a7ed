"""Planning, opening and closing campaigns, and issuing their codes."""

from typing import Any

from sqlalchemy import insert, select
from sqlmodel import col

from services.surveys.domain.campaigns import (
    Campaign,
    CampaignAct,
    CampaignStatus,
    InstitutionClosed,
    IssueCodes,
    PlanCampaign,
    check_period,
)
from services.surveys.instruments import InstrumentLibrary
from services.surveys.tables import CampaignRow, CodeBatchRow, InstitutionRow, access_code
from services.surveys.vault import Vault
from shared.clock import local_day
from shared.errors import FieldError, InvalidInput, NotFound, VersionMismatch
from shared.ids import new_id
from shared.persistence.unit_of_work import UnitOfWork


async def plan(uow: UnitOfWork, library: InstrumentLibrary, command: PlanCampaign) -> Campaign:
    """Plan a campaign with the newest version of an instrument at an institution the caller sees."""
    try:
        instrument = library.get(command.instrument)
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
    )
    uow.session.add(CampaignRow.of(campaign, institution.org_path))
    return campaign


async def open_(uow: UnitOfWork, id_: str) -> Campaign:
    """Let a campaign take answers."""
    row = await _campaign(uow, id_)
    institution = await _institution(uow, row.institution_id)
    row.take(row.campaign().opened(local_day(uow.now), institution_active=institution.active))
    return row.campaign()


async def close(uow: UnitOfWork, id_: str) -> Campaign:
    """End a campaign; answers that are staged are moved on at once."""
    row = await _campaign(uow, id_)
    row.take(row.campaign().after(CampaignAct.CLOSE))
    return row.campaign()


async def close_overdue(uow: UnitOfWork) -> int:
    """Close the campaigns whose period is over, a few hundred at a time; returns how many."""
    query = (
        select(CampaignRow)
        .where(col(CampaignRow.last_day) < local_day(uow.now), col(CampaignRow.status) != CampaignStatus.CLOSED.value)
        .limit(500)
        .with_for_update(skip_locked=True)
    )
    rows = (await uow.session.execute(query)).scalars().all()
    for row in rows:
        row.take(row.campaign().after(CampaignAct.CLOSE))
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
