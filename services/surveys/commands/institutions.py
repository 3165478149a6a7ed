"""What partners tell about institutions, taken over."""

from collections.abc import Mapping

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from services.surveys.tables import CampaignRow, InstitutionRow
from shared.contracts.partners import InstitutionState, InstitutionStatus
from shared.persistence.unit_of_work import UnitOfWork


async def take_over(uow: UnitOfWork, institutions: Mapping[str, InstitutionState]) -> None:
    """Bring institutions to the given states unless newer ones are known; campaigns follow one that moved."""
    if not institutions:
        return
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
    await uow.session.execute(
        update(CampaignRow)
        .where(
            col(CampaignRow.institution_id) == col(InstitutionRow.id),
            col(InstitutionRow.id).in_(institutions),
            col(CampaignRow.org_path) != col(InstitutionRow.org_path),
        )
        .values(org_path=col(InstitutionRow.org_path))
        .execution_options(synchronize_session=False)
    )
