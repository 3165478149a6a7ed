"""Use cases of the territory."""

from services.partners.domain import territory as domain
from services.partners.tables.registers import TerritoryRow
from shared.contracts.partners import TerritoryState
from shared.errors import FieldError, InvalidInput, NotFound
from shared.persistence.unit_of_work import UnitOfWork


async def record_territory(uow: UnitOfWork, soato: str, command: domain.RecordTerritory) -> TerritoryState:
    """Enter a unit or change its names; the same names again change nothing."""
    try:
        state: TerritoryState | None = await uow.load(TerritoryRow, TerritoryState, soato, what="territory")
    except NotFound:
        state = None
    outcome = domain.record(soato, state, command)
    if outcome is None:
        assert state is not None
        return state
    event_type, changed = outcome
    if changed.parent is not None:
        await require_territory(uow, changed.parent, "soato")
    return await uow.record(TerritoryRow, event_type, changed, key=soato, org_path=changed.path)


async def require_territory(uow: UnitOfWork, soato: str, field: str) -> TerritoryState:
    """The unit of the territory; raises InvalidInput naming `field` where there is none."""
    row = await uow.session.get(TerritoryRow, soato)
    if row is None:
        raise InvalidInput(FieldError(field, "unknown_territory", {"value": soato}))
    return TerritoryState.model_validate(row.state)
