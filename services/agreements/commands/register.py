"""What partners tells of institutions and enterprises, kept here; rows and references follow moves and merges.

A merge that was a mistake is undone here as there: what it moved comes back, what was made since stays where it is.
"""

from collections.abc import Iterable
from typing import TypeVar

import msgspec
from sqlalchemy import select, text
from sqlmodel import col

from services.agreements.commands import agreements, boards, documents, employments, practice
from services.agreements.domain import agreements as agreement_domain
from services.agreements.domain import employments as employment_domain
from services.agreements.tables.agreements import AgreementRow, EmploymentRow
from services.agreements.tables.base import Base
from services.agreements.tables.practice import PRACTICE
from shared.contracts.agreements import EmploymentState, EmploymentStatus
from shared.contracts.partners import EnterpriseStatus, InstitutionStatus
from shared.persistence.following import Follow, Following, rows_of
from shared.persistence.unit_of_work import UnitOfWork


class Institution(msgspec.Struct, frozen=True):
    """What is read of partners' InstitutionState."""

    id: str
    version: int
    code: str
    status: InstitutionStatus
    path: str
    name: str | None = None


class Enterprise(msgspec.Struct, frozen=True):
    """What is read of partners' EnterpriseState."""

    id: str
    version: int
    status: EnterpriseStatus
    merged_into: str | None = None
    name: str | None = None


Told = TypeVar("Told", Institution, Enterprise)

_KEEP_INSTITUTIONS = text(
    "insert into institution_ref (id, version, path, code, status, name) select * from unnest(cast(:ids as text[]), "
    "cast(:versions as integer[]), cast(:paths as text[]), cast(:codes as text[]), cast(:statuses as text[]), "
    "cast(:names as text[])) on conflict (id) do update set version = excluded.version, path = excluded.path, "
    "code = excluded.code, status = excluded.status, name = excluded.name "
    "where institution_ref.version < excluded.version"
)
_KEEP_ENTERPRISES = text(
    "insert into enterprise_ref (id, version, status, merged_into, name) select * from unnest(cast(:ids as text[]), "
    "cast(:versions as integer[]), cast(:statuses as text[]), cast(:merged as text[]), cast(:names as text[])) "
    "on conflict (id) do update set version = excluded.version, status = excluded.status, "
    "merged_into = excluded.merged_into, name = excluded.name where enterprise_ref.version < excluded.version"
)
# Agreements first: an activity is written under its agreement's lock, so that none slips in between with the old path.
_FOLLOW_MOVES = tuple(
    text(
        f"update {table} set org_path = known.path from institution_ref known where known.id = any(:ids) "  # noqa: S608 - constants
        f"and {table}.institution_id = known.id and {table}.org_path <> known.path"
    )
    for table in (
        "agreement",
        "activity",
        "employment",
        "instruction",
        "work_plan",
        "sample",
        "document",
        "board",
        "normative_document",
        *PRACTICE,
    )
)


async def take(uow: UnitOfWork, institutions: Iterable[Institution], enterprises: Iterable[Enterprise]) -> None:
    """Keep what is newer than what is known; rows follow institutions that moved, references enterprises that merged.

    All that is known is locked first, institutions before enterprises, as commands do, so that nobody waits in a ring.
    """
    told = _newest(enterprises)
    merged = [row for row in told.values() if row.merged_into is not None]
    before = await _merged_before(uow, told)
    # The one that lives on may be told later than the merge into it, from another shard: known from now on as well.
    for row in merged:
        told.setdefault(str(row.merged_into), Enterprise(str(row.merged_into), 0, EnterpriseStatus.ACTIVE))
    ids = await _keep_institutions(uow, _newest(institutions))
    await _keep_enterprises(uow, told)
    if ids:
        for statement in _FOLLOW_MOVES:
            await uow.session.execute(statement, {"ids": ids})
    references = following()
    for id_ in sorted(id_ for id_, into in before.items() if told[id_].merged_into != into):
        await references.unmerge(uow, id_)
    for row in merged:
        # Merges are told from different shards, in any order: the end of the chain counts, not the next link.
        await references.merge(uow, row.id)


def following() -> Following:
    """How references of agreements follow merged enterprises."""
    return Following(FOLLOWERS, rows_of(Base), living_end)


async def _keep_institutions(uow: UnitOfWork, newest: dict[str, Institution]) -> list[str]:
    rows = [newest[id_] for id_ in sorted(newest)]
    if rows:
        parameters = {
            "ids": [row.id for row in rows],
            "versions": [row.version for row in rows],
            "paths": [row.path for row in rows],
            "codes": [row.code for row in rows],
            "statuses": [row.status.value for row in rows],
            "names": [row.name for row in rows],
        }
        await uow.session.execute(_KEEP_INSTITUTIONS, parameters)
    return [row.id for row in rows]


async def _keep_enterprises(uow: UnitOfWork, newest: dict[str, Enterprise]) -> None:
    rows = [newest[id_] for id_ in sorted(newest)]
    if rows:
        parameters = {
            "ids": [row.id for row in rows],
            "versions": [row.version for row in rows],
            "statuses": [row.status.value for row in rows],
            "merged": [row.merged_into for row in rows],
            "names": [row.name for row in rows],
        }
        await uow.session.execute(_KEEP_ENTERPRISES, parameters)


async def _merged_before(uow: UnitOfWork, told: dict[str, Enterprise]) -> dict[str, str]:
    """Which of those of whom something newer is told are merged as far as is known here, and into whom."""
    rows = await uow.session.execute(
        text(
            "select known.id, known.merged_into from enterprise_ref known, "
            "unnest(cast(:ids as text[]), cast(:versions as integer[])) as told(id, version) "
            "where known.id = told.id and known.version < told.version and known.merged_into is not null "
            "order by known.id for update of known"
        ),
        {"ids": list(told), "versions": [row.version for row in told.values()]},
    )
    return {row.id: row.merged_into for row in rows}


async def living_end(uow: UnitOfWork, enterprise_id: str) -> str:
    """The end of the chain of merges that begins at `enterprise_id`."""
    chain = await uow.session.execute(
        text(
            "with recursive chain(id, merged_into) as ("
            "select id, merged_into from enterprise_ref where id = :id union "
            "select next.id, next.merged_into from enterprise_ref next join chain on next.id = chain.merged_into) "
            "select id from chain where merged_into is null"
        ),
        {"id": enterprise_id},
    )
    return str(chain.scalar_one_or_none() or enterprise_id)


async def _follow_in_agreements(uow: UnitOfWork, merged_id: str, living: str) -> None:
    query = select(col(AgreementRow.id)).where(col(AgreementRow.enterprise_ids).contains([merged_id]))
    for id_ in (await uow.session.execute(query.order_by(col(AgreementRow.id)).with_for_update())).scalars():
        state = await agreements.load_agreement(uow, id_)
        await agreements.record_outcome(uow, agreement_domain.reassign(state, merged_id, living))


async def _follow_in_employments(uow: UnitOfWork, merged_id: str, living: str) -> None:
    query = select(col(EmploymentRow.id)).where(col(EmploymentRow.enterprise_id).in_([merged_id, living]))
    ids = (await uow.session.execute(query.order_by(col(EmploymentRow.id)).with_for_update())).scalars()
    states = [await employments.load_employment(uow, id_) for id_ in ids]
    kept = {_person(state): state for state in states if state.enterprise_id == living and _is_open(state)}
    for state in states:
        if state.enterprise_id != merged_id:
            continue
        twin = kept.get(_person(state)) if _is_open(state) else None
        if twin is None:
            outcome = employment_domain.reassign(state, living)
        elif twin.status is EmploymentStatus.CONFIRMED or state.status is EmploymentStatus.REPORTED:
            outcome = employment_domain.cancel_duplicate(state, living)
        else:
            # The same job was reported at both entries, and the enterprise confirmed this report of it.
            await employments.record_outcome(uow, employment_domain.cancel_duplicate(twin, living))
            outcome = employment_domain.reassign(state, living)
        await employments.record_outcome(uow, outcome)


FOLLOWERS: list[Follow] = [
    _follow_in_agreements,
    _follow_in_employments,
    documents.follow_merge,
    boards.follow_merge,
    *practice.FOLLOWERS,
]
"""How references follow a merged enterprise, a function a kind of aggregate: `follow(uow, old, new)` records every
aggregate that names `old` as `<aggregate>.reassigned`, naming `new`. Unmerging needs nothing of them: what they changed
is noted, and given back."""


def _person(state: EmploymentState) -> tuple[str, str]:
    return state.institution_id, state.graduate_ref


def _is_open(state: EmploymentState) -> bool:
    return state.status in employment_domain.OPEN


def _newest(told: Iterable[Told]) -> dict[str, Told]:
    newest: dict[str, Told] = {}
    for row in told:
        if row.id not in newest or newest[row.id].version < row.version:
            newest[row.id] = row
    return newest
