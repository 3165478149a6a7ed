"""Use cases of partnerships."""

from sqlalchemy import select
from sqlmodel import col

from services.partners.commands.enterprises import living_enterprise
from services.partners.domain import partnerships as domain
from services.partners.tables.registers import InstitutionRow, PartnershipRow
from shared.clock import local_day
from shared.contracts.partners import InstitutionState, PartnershipState
from shared.errors import AlreadyExists
from shared.ids import new_id
from shared.persistence.unit_of_work import UnitOfWork


async def record_partnership(uow: UnitOfWork, command: domain.RecordPartnership) -> PartnershipState:
    """Record a partner of an institution within the caller's scope; once per partner."""
    institution = await uow.load(InstitutionRow, InstitutionState, command.institution_id, what="institution")
    if command.enterprise_id is not None:
        living = await living_enterprise(uow, command.enterprise_id, "enterprise_id", at_work=True)
        command = command.model_copy(update={"enterprise_id": living})
    existing = await uow.session.execute(
        select(col(PartnershipRow.id)).where(
            col(PartnershipRow.institution_id) == institution.id,
            col(PartnershipRow.partner) == (command.enterprise_id or command.partner_ref),
            col(PartnershipRow.stage) != "ended",
        )
    )
    if (id_ := existing.scalar_one_or_none()) is not None:
        raise AlreadyExists(what="partnership", key=command.enterprise_id or command.partner_ref or "", id=id_)
    event_type, state = domain.record(new_id(), command)
    return await uow.record(PartnershipRow, event_type, state, key=institution.id, org_path=institution.path)


async def update_partnership(
    uow: UnitOfWork, partnership_id: str, command: domain.UpdatePartnership
) -> PartnershipState:
    """Change stage, forms or opportunities."""
    state = await uow.load(PartnershipRow, PartnershipState, partnership_id, what="partnership")
    event_type, changed = domain.update(state, command, local_day(uow.now))
    institution = await uow.load(InstitutionRow, InstitutionState, state.institution_id, what="institution")
    return await uow.record(PartnershipRow, event_type, changed, key=state.institution_id, org_path=institution.path)
