"""Graduates' own word on their status: kept with consent, deleted without, linked to reported employments."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from sqlalchemy import insert, select, update
from sqlmodel import col

from services.surveys.commands.institutions import living_end
from services.surveys.domain import graduates as domain
from services.surveys.domain.campaigns import InstitutionClosed
from services.surveys.domain.invitations import due_on
from services.surveys.tables import EmploymentRow, EnterpriseRow, GraduateStatusRow, InstitutionRow, consent
from shared.clock import local_day
from shared.contracts.agreements import EmploymentStatus
from shared.contracts.events import Recorded
from shared.contracts.partners import EnterpriseStatus
from shared.contracts.surveys import GraduateStatusState
from shared.errors import NotFound
from shared.ids import new_id
from shared.persistence.unit_of_work import UnitOfWork


async def tell(uow: UnitOfWork, command: domain.TellStatus) -> GraduateStatusState:
    """Keep what a graduate says, with the consent; told again it is corrected.

    An employer is found by its STIR; one that the register doesn't know is left out, and nothing is lost of the rest.
    """
    domain.check(command, due_on(command.graduated_on, command.months), local_day(uow.now))
    institution = await _institution(uow, command.institution_id)
    query = select(col(GraduateStatusRow.id)).where(
        col(GraduateStatusRow.institution_id) == institution.id,
        col(GraduateStatusRow.graduate_ref) == command.graduate_ref,
        col(GraduateStatusRow.months) == command.months,
    )
    known = (await uow.session.execute(query)).scalar_one_or_none()
    before = await _load(uow, known) if known else None
    employer = await _enterprise_of(uow, command.employer_stir) if command.employer_stir else None
    event_type, state = domain.tell(new_id(), before, command, employer, local_day(uow.now))
    # The consent is recorded first: nothing is kept of somebody whose consent is not there.
    given: dict[str, Any] = {**command.consent.model_dump(), "means": command.consent.means.value}
    if before:
        await uow.session.execute(update(consent).where(consent.c.id == state.id).values(given))
    else:
        place = {"id": state.id, "org_path": institution.org_path, "institution_id": institution.id}
        await uow.session.execute(insert(consent).values({**place, **given}))
    state = domain.linked(state, await _employment_of(uow, state))
    await uow.record(GraduateStatusRow, event_type, state, key=institution.id, org_path=institution.org_path)
    return state


async def withdraw(uow: UnitOfWork, id_: str) -> GraduateStatusState:
    """The graduate takes the consent back: what was told is deleted here, and whoever heard it is told so."""
    event_type, gone = domain.withdraw(await _load(uow, id_))
    row = await uow.session.get_one(GraduateStatusRow, id_)
    await uow.session.delete(row)
    await uow.session.execute(update(consent).where(consent.c.id == id_).values(withdrawn_on=local_day(uow.now)))
    await uow.session.flush()
    uow.recorded.append(Recorded(event_type, gone.institution_id, gone))
    return gone


async def take_back(uow: UnitOfWork, institution_id: str, graduate_ref: str) -> int:
    """The graduate takes back every consent given at this institution; returns how many statuses are deleted."""
    query = select(col(GraduateStatusRow.id)).where(
        col(GraduateStatusRow.institution_id) == institution_id, col(GraduateStatusRow.graduate_ref) == graduate_ref
    )
    ids = list((await uow.session.execute(query.order_by(col(GraduateStatusRow.id)))).scalars())
    for id_ in ids:
        await withdraw(uow, id_)
    return len(ids)


async def relink(uow: UnitOfWork, graduates: Iterable[tuple[str, str]]) -> None:
    """Employments of these graduates (institution, reference) came, changed or went: their words confirm anew."""
    for institution_id, ref in sorted(set(graduates)):
        query = select(col(GraduateStatusRow.id)).where(
            col(GraduateStatusRow.institution_id) == institution_id, col(GraduateStatusRow.graduate_ref) == ref
        )
        for id_ in (await uow.session.execute(query.order_by(col(GraduateStatusRow.id)))).scalars().all():
            state = await _load(uow, id_)
            outcome = domain.relinked(state, await _employment_of(uow, state))
            if outcome is not None:
                await _record(uow, outcome)


async def follow_merge(uow: UnitOfWork, old: str, new: str) -> None:
    """Statuses that name a merged employer name the living one."""
    query = select(col(GraduateStatusRow.id)).where(col(GraduateStatusRow.enterprise_id) == old)
    for id_ in (await uow.session.execute(query.order_by(col(GraduateStatusRow.id)).with_for_update())).scalars().all():
        await _record(uow, domain.reassign(await _load(uow, id_), new))


async def _record(uow: UnitOfWork, outcome: domain.Outcome) -> None:
    event_type, state = outcome
    row = await uow.session.get_one(GraduateStatusRow, state.id)
    await uow.record(GraduateStatusRow, event_type, state, key=state.institution_id, org_path=row.org_path)


async def _load(uow: UnitOfWork, id_: str) -> GraduateStatusState:
    return await uow.load(GraduateStatusRow, GraduateStatusState, id_, what="graduate_status")


async def _institution(uow: UnitOfWork, id_: str) -> InstitutionRow:
    query = select(InstitutionRow).where(col(InstitutionRow.id) == id_, InstitutionRow.visible(uow.principal.scope))
    row: InstitutionRow | None = (await uow.session.execute(query)).scalar_one_or_none()
    if row is None:
        raise NotFound(what="institution", id=id_)
    if not row.active:
        raise InstitutionClosed(institution=id_)
    return row


async def _enterprise_of(uow: UnitOfWork, stir: str) -> str | None:
    """The living enterprise with this STIR, None where the register has none."""
    query = (
        select(EnterpriseRow)
        .where(col(EnterpriseRow.stir) == stir)
        .order_by(col(EnterpriseRow.status) != EnterpriseStatus.ACTIVE.value, col(EnterpriseRow.id))
        .limit(1)
    )
    row: EnterpriseRow | None = (await uow.session.execute(query)).scalar_one_or_none()
    return await living_end(uow, row.id) if row else None


async def _employment_of(uow: UnitOfWork, state: GraduateStatusState) -> tuple[str, date] | None:
    """The employment at the named employer that the institution reported of this graduate, the newest if several."""
    if state.enterprise_id is None or state.status not in domain.AT_WORK:
        return None
    query = (
        select(EmploymentRow)
        .where(
            col(EmploymentRow.institution_id) == state.institution_id,
            col(EmploymentRow.graduate_ref) == state.graduate_ref,
            col(EmploymentRow.status) != EmploymentStatus.CANCELLED.value,
        )
        .order_by(col(EmploymentRow.started_on).desc(), col(EmploymentRow.id).desc())
    )
    for row in (await uow.session.execute(query)).scalars():
        if await living_end(uow, row.enterprise_id) == state.enterprise_id:
            return row.id, row.started_on
    return None
