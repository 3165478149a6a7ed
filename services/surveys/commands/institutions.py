"""What partners tell about institutions and enterprises, and agreements about employments, taken over."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from services.surveys.commands import instruments
from services.surveys.tables import CampaignRow, EmploymentRow, EnterpriseRow, InstitutionRow
from shared.contracts.agreements import EmploymentState
from shared.contracts.partners import EnterpriseState, InstitutionState, InstitutionStatus
from shared.persistence.unit_of_work import UnitOfWork
from shared.scope import units_of

_FOLLOW = tuple(
    text(
        f"update {table} set org_path = known.org_path from institution known where known.id = any(:ids) "  # noqa: S608 - constants
        f"and {table}.institution_id = known.id and {table}.org_path <> known.org_path"
    )
    for table in ("invitation", "graduate_status", "consent")
)


async def take_over(uow: UnitOfWork, institutions: Mapping[str, InstitutionState]) -> None:
    """Bring institutions to the given states unless newer ones are known; what is theirs follows one that moved."""
    if not institutions:
        return
    rows = [
        {
            "id": state.id,
            "version": state.version,
            "org_path": _path(state),
            "code": state.code,
            "name": state.name,
            "active": state.status is InstitutionStatus.ACTIVE,
            "kind": state.kind.value,
        }
        for _, state in sorted(institutions.items())
    ]
    await _keep(uow, InstitutionRow, rows)
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
    for statement in _FOLLOW:
        await uow.session.execute(statement, {"ids": sorted(institutions)})
    await instruments.follow(uow, institutions)


def _path(institution: InstitutionState) -> str:
    """Where an institution's surveys lie: in its district, also where another goes on with its work.

    What few answered is shown together with what lies beside it, and an institution's answers to nobody else.
    """
    return "/" + "/".join((*units_of(institution.path), institution.id)) + "/"


async def keep_enterprises(uow: UnitOfWork, enterprises: Mapping[str, EnterpriseState]) -> dict[str, str | None]:
    """Keep enterprises; returns into whom those that are told anew were merged as far as was known before."""
    rows = [
        {
            "id": state.id,
            "version": state.version,
            "stir": state.stir,
            "status": state.status.value,
            "merged_into": state.merged_into,
        }
        for _, state in sorted(enterprises.items())
    ]
    ids = sorted(enterprises)
    query = (
        select(EnterpriseRow).where(col(EnterpriseRow.id).in_(ids)).order_by(col(EnterpriseRow.id)).with_for_update()
    )
    known = (await uow.session.execute(query)).scalars()
    before = {row.id: row.merged_into for row in known if row.version < enterprises[row.id].version}
    await _keep(uow, EnterpriseRow, rows)
    return before


async def keep_employments(uow: UnitOfWork, employments: Mapping[str, EmploymentState]) -> None:
    """Keep employments: a graduate's own word may confirm one."""
    rows = [
        {
            "id": state.id,
            "version": state.version,
            "institution_id": state.institution_id,
            "graduate_ref": state.graduate_ref,
            "enterprise_id": state.enterprise_id,
            "started_on": state.started_on,
            "status": state.status.value,
        }
        for _, state in sorted(employments.items())
    ]
    await _keep(uow, EmploymentRow, rows)


async def _keep(
    uow: UnitOfWork, table: type[InstitutionRow | EnterpriseRow | EmploymentRow], rows: list[dict[str, Any]]
) -> None:
    if not rows:
        return
    statement = insert(table).values(rows)
    await uow.session.execute(
        statement.on_conflict_do_update(
            index_elements=["id"],
            set_={name: statement.excluded[name] for name in rows[0] if name != "id"},
            where=col(table.version) < statement.excluded["version"],
        )
    )


async def living_end(uow: UnitOfWork, enterprise_id: str) -> str:
    """The end of the chain of merges that begins at `enterprise_id`; itself where nothing is known of it."""
    chain = await uow.session.execute(
        text(
            "with recursive chain(id, merged_into) as ("
            "select id, merged_into from enterprise_ref where id = :id union "
            "select next.id, next.merged_into from enterprise_ref next join chain on next.id = chain.merged_into) "
            "select id, merged_into from chain"
        ),
        {"id": enterprise_id},
    )
    links = {row.id: row.merged_into for row in chain}
    ends = [into or id_ for id_, into in links.items() if into is None or into not in links]
    return str(min(ends, default=enterprise_id))
