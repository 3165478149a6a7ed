"""Use cases of the national enterprise register."""

from collections.abc import Collection

from sqlalchemy import select, text
from sqlmodel import col

from services.partners.commands.territory import require_territory
from services.partners.domain import enterprises as domain
from services.partners.domain import partnerships
from services.partners.domain.names import words_of
from services.partners.tables.base import Base
from services.partners.tables.registers import EnterpriseRow, PartnershipRow
from shared.clock import local_day
from shared.contracts.events import EventType
from shared.contracts.partners import (
    ENTERPRISE_REGISTERED,
    ENTERPRISE_UPDATED,
    EnterpriseState,
    EnterpriseStatus,
    PartnershipStage,
    PartnershipState,
)
from shared.errors import AlreadyExists, FieldError, Forbidden, InvalidInput, NotFound
from shared.ids import new_id
from shared.persistence.following import Follow, Following, rows_of
from shared.persistence.unit_of_work import UnitOfWork
from shared.scope import path_of

FOLLOWERS: list[Follow] = []
"""How references follow a merged enterprise, a function a kind of aggregate: `follow(uow, old, new)` records every
aggregate that names `old` as `<aggregate>.reassigned`, naming `new`. Other rooms append theirs where they define it.
Unmerging needs nothing of them: what they changed is noted, and given back."""

_ONE_AT_A_TIME = text("select pg_advisory_xact_lock(hashtextextended('enterprise merges', 0))")
# Without a unique index: two that enter the same new word don't wait for each other; standing twice is harmless.
_KEEP_WORDS = text(
    "insert into enterprise_word select word from unnest(cast(:words as text[])) word "
    "where not exists (select from enterprise_word known where known.word = word.word)"
)
_LIVING_END = text(
    "with recursive chain(id, merged_into) as ("
    "select id, state ->> 'merged_into' from enterprise where id = :id union "
    "select next.id, next.state ->> 'merged_into' from enterprise next join chain on next.id = chain.merged_into) "
    "select id from chain where merged_into is null"
)


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
    """End a duplicate; references follow to the one that lives on, other services follow the event."""
    # One after the other: chains and merges in opposite directions then cannot wait for each other in a ring.
    await uow.session.execute(_ONE_AT_A_TIME)
    state = await _load(uow, enterprise_id)
    uow.expected_version = None  # If-Match named the version of this entry alone
    try:
        into = await _load(uow, command.into)
    except NotFound:
        raise InvalidInput(FieldError("into", "unknown_enterprise", {"value": command.into})) from None
    merged = await _record(uow, *domain.merge(state, into))
    await following().merge(uow, enterprise_id)
    return merged


async def unmerge_enterprise(uow: UnitOfWork, enterprise_id: str) -> EnterpriseState:
    """It was no duplicate: it gets back exactly the references that the merge moved, none of those made since."""
    await uow.session.execute(_ONE_AT_A_TIME)
    state = await _load(uow, enterprise_id)
    uow.expected_version = None
    unmerged = await _record(uow, *domain.unmerge(state))
    await following().unmerge(uow, enterprise_id)
    return unmerged


async def close_enterprise(uow: UnitOfWork, enterprise_id: str) -> EnterpriseState:
    """The enterprise is gone; whatever names it goes on naming it."""
    state = await _load(uow, enterprise_id)
    _may_change(uow, state)
    return await _record(uow, *domain.close(state))


async def reopen_enterprise(uow: UnitOfWork, enterprise_id: str) -> EnterpriseState:
    """It was closed by mistake."""
    state = await _load(uow, enterprise_id)
    _may_change(uow, state)
    return await _record(uow, *domain.reopen(state))


async def living_enterprise(uow: UnitOfWork, enterprise_id: str, field: str, *, at_work: bool = False) -> str:
    """The id that `enterprise_id` stands for today, locked against a merge until the end: merges are followed.

    Raises InvalidInput naming `field` where there is none or, with `at_work`, where it is closed.
    """
    current = await _living_end(uow, enterprise_id)
    while True:
        row = await uow.session.get(EnterpriseRow, current, with_for_update={"read": True}, populate_existing=True)
        if row is None:
            raise InvalidInput(FieldError(field, "unknown_enterprise", {"value": enterprise_id}))
        merged_into = row.state["merged_into"]
        if merged_into is None:
            if at_work and row.status == EnterpriseStatus.CLOSED:
                raise InvalidInput(FieldError(field, "enterprise_closed", {"value": enterprise_id}))
            return current
        current = merged_into


def following() -> Following:
    """How references of partners follow merged enterprises."""
    return Following(FOLLOWERS, rows_of(Base), _living_end)


async def _living_end(uow: UnitOfWork, enterprise_id: str) -> str:
    """The end of the chain of merges that begins at `enterprise_id`."""
    chain = await uow.session.execute(_LIVING_END, {"id": enterprise_id})
    return str(chain.scalar_one_or_none() or enterprise_id)


async def reassign_partnerships(uow: UnitOfWork, old: str, new: str) -> None:
    """Partnerships that are not over follow; where an institution partners both entries, one remains."""
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
            ended = partnerships.UpdatePartnership(stage=PartnershipStage.ENDED)
            outcome = partnerships.update(state, ended, local_day(uow.now))
        else:
            outcome = partnerships.reassign(state, new)
        await uow.record(PartnershipRow, *outcome, key=state.institution_id, org_path=row.org_path)


FOLLOWERS.append(reassign_partnerships)


def _may_change(uow: UnitOfWork, state: EnterpriseState) -> None:
    if not uow.principal.scope.sees(path_of(state.district), [state.id]):
        raise Forbidden(role=uow.principal.role.value)


async def _load(uow: UnitOfWork, enterprise_id: str) -> EnterpriseState:
    return await uow.load(EnterpriseRow, EnterpriseState, enterprise_id, what="enterprise")


async def keep_words(uow: UnitOfWork, words: Collection[str]) -> None:
    """Words of names, so that they are found by others that are like them."""
    if words:
        await uow.session.execute(_KEEP_WORDS, {"words": sorted(words)})


async def _record(uow: UnitOfWork, event_type: EventType, state: EnterpriseState) -> EnterpriseState:
    if event_type in (ENTERPRISE_REGISTERED, ENTERPRISE_UPDATED):
        await keep_words(uow, words_of(state.name))
    return await uow.record(EnterpriseRow, event_type, state, key=state.id, org_path=path_of(state.district))
