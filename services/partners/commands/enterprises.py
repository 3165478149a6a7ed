"""Use cases of the national enterprise register."""

from sqlalchemy import select
from sqlmodel import col

from services.partners.commands.territory import require_territory
from services.partners.domain import enterprises as domain
from services.partners.domain import partnerships
from services.partners.tables.registers import EnterpriseRow, PartnershipRow
from shared.contracts.events import EventType
from shared.contracts.partners import EnterpriseState, PartnershipStage, PartnershipState
from shared.errors import AlreadyExists, FieldError, Forbidden, InvalidInput, NotFound
from shared.ids import new_id
from shared.persistence.unit_of_work import UnitOfWork
from shared.scope import path_of


async def register_enterprise(uow: UnitOfWork, command: domain.RegisterEnterprise) -> EnterpriseState:
    """Enter an enterprise; raises AlreadyExists with the id of the entry that has this STIR."""
    await require_territory(uow, command.district, "district")
    taken = await uow.session.execute(select(col(EnterpriseRow.id)).where(col(EnterpriseRow.stir) == command.stir))
    if (existing := taken.scalar_one_or_none()) is not None:
        raise AlreadyExists(what="enterprise", key=command.stir, id=existing)
    return await _record(uow, *domain.register(new_id(), command))


async def update_enterprise(uow: UnitOfWork, enterprise_id: str, command: domain.UpdateEnterprise) -> EnterpriseState:
    """Change an entry within the caller's territory, or one's own."""
    state = await _load(uow, enterprise_id)
    _may_change(uow, state)
    if command.district is not None:
        await require_territory(uow, command.district, "district")
    return await _record(uow, *domain.update(state, command))


async def merge_enterprise(uow: UnitOfWork, enterprise_id: str, command: domain.MergeEnterprise) -> EnterpriseState:
    """End a duplicate; partnerships follow to the one that lives on, other services follow the event."""
    # Locked in the order of ids, so that two merges in opposite directions cannot wait for each other.
    states: dict[str, EnterpriseState] = {}
    for id_ in sorted({enterprise_id, command.into}):
        try:
            states[id_] = await _load(uow, id_)
        except NotFound:
            if id_ == enterprise_id:
                raise
            raise InvalidInput(FieldError("into", "unknown_enterprise", {"value": id_})) from None
    merged = await _record(uow, *domain.merge(states[enterprise_id], states[command.into]))
    await _reassign_partnerships(uow, enterprise_id, command.into)
    return merged


async def close_enterprise(uow: UnitOfWork, enterprise_id: str) -> EnterpriseState:
    """The enterprise is gone."""
    state = await _load(uow, enterprise_id)
    _may_change(uow, state)
    return await _record(uow, *domain.close(state))


async def living_enterprise(uow: UnitOfWork, enterprise_id: str, field: str) -> str:
    """The id that `enterprise_id` stands for today: merges are followed. Raises InvalidInput where there is none."""
    current = enterprise_id
    while True:
        row = await uow.session.get(EnterpriseRow, current)
        if row is None:
            raise InvalidInput(FieldError(field, "unknown_enterprise", {"value": enterprise_id}))
        merged_into = row.state["merged_into"]
        if merged_into is None:
            return current
        current = merged_into


async def _reassign_partnerships(uow: UnitOfWork, old: str, new: str) -> None:
    rows = await uow.session.execute(
        select(PartnershipRow)
        .where(col(PartnershipRow.enterprise_id).in_([old, new]), col(PartnershipRow.stage) != "ended")
        .order_by(col(PartnershipRow.id))
        .with_for_update()
    )
    found = list(rows.scalars())
    kept = {row.institution_id for row in found if row.enterprise_id == new}
    for row in found:
        if row.enterprise_id != old:
            continue
        state = await uow.load(PartnershipRow, PartnershipState, row.id, what="partnership")
        if row.institution_id in kept:
            # The institution partners both entries: one partnership remains, the duplicate ends.
            outcome = partnerships.update(state, partnerships.UpdatePartnership(stage=PartnershipStage.ENDED))
        else:
            outcome = partnerships.reassign(state, new)
        await uow.record(PartnershipRow, *outcome, key=state.institution_id, org_path=row.org_path)


def _may_change(uow: UnitOfWork, state: EnterpriseState) -> None:
    if not uow.principal.scope.sees(path_of(state.district), [state.id]):
        raise Forbidden(role=uow.principal.role.value)


async def _load(uow: UnitOfWork, enterprise_id: str) -> EnterpriseState:
    return await uow.load(EnterpriseRow, EnterpriseState, enterprise_id, what="enterprise")


async def _record(uow: UnitOfWork, event_type: EventType, state: EnterpriseState) -> EnterpriseState:
    return await uow.record(EnterpriseRow, event_type, state, key=state.id, org_path=path_of(state.district))
