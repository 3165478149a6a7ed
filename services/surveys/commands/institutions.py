"""What partners tell about institutions, taken over."""

from collections.abc import Mapping

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from services.surveys.tables import CampaignRow, InstitutionRow
from shared.contracts.partners import InstitutionState, InstitutionStatus
from shared.persistence.unit_of_work import UnitOfWork


async def take_over(uow: UnitOfWork, institutions: Mapping[str, InstitutionState]) -> None:
    """Bring institutions to their newest states; campaigns follow an institution that moved."""
    if not institutions:
        return
    known = await uow.session.execute(
        select(col(InstitutionRow.id), col(InstitutionRow.org_path)).where(col(InstitutionRow.id).in_(institutions))
    )
    before = {row.id: row.org_path for row in known}
    rows = [
        {
            "id": state.id,
            "version": state.version,
            "org_path": state.path,
            "code": state.code,
            "name": state.name,
            "active": state.status is InstitutionStatus.ACTIVE,
        }
        for _, state in sorted(institutions.items())
    ]
    statement = insert(InstitutionRow).values(rows)
    await uow.session.execute(
        statement.on_conflict_do_update(
            index_elements=["id"],
            set_={name: statement.excluded[name] for name in ("version", "org_path", "code", "name", "active")},
            where=col(InstitutionRow.version) < statement.excluded["version"],
        )
    )
    for state in institutions.values():
        if before.get(state.id, state.path) != state.path:
            await uow.session.execute(
                update(CampaignRow).where(col(CampaignRow.institution_id) == state.id).values(org_path=state.path)
            )
