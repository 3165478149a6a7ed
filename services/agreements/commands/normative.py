"""Use cases of normative documents: everybody adopts, and repeals, their own only."""

from services.agreements.commands.references import require_institution
from services.agreements.domain import normative as domain
from services.agreements.domain.final_stage import Repeal
from services.agreements.tables.final_stage import NormativeDocumentRow
from shared.clock import local_day
from shared.contracts.final_stage import NormativeDocumentState
from shared.errors import FieldError, Forbidden, InvalidInput, NotFound
from shared.ids import new_id
from shared.persistence.unit_of_work import UnitOfWork
from shared.scope import Role, path_of


class NotYourNorm(Forbidden):
    """Whoever a norm holds for sees it; only its issuer changes it."""

    code = "not-your-norm"


async def adopt_normative_document(uow: UnitOfWork, command: domain.AdoptNormativeDocument) -> NormativeDocumentState:
    """Make a norm of one's own known; the one it replaces ends when it begins."""
    path = await _own_path(uow, command)
    if command.replaces is not None:
        await _end_replaced(uow, command)
    event_type, state = domain.adopt(new_id(), command, local_day(uow.now))
    details = domain.NormativeDetails(title=command.title, summary=command.summary, source=command.source)
    return await uow.record(NormativeDocumentRow, event_type, state, key=_issuer(state), org_path=path, details=details)


async def repeal_normative_document(uow: UnitOfWork, id_: str, command: Repeal) -> NormativeDocumentState:
    """A norm of one's own is no longer in force from a day on."""
    state = await _load(uow, id_)
    if not await _is_own(uow, state):
        raise NotYourNorm(issuer=_issuer(state))
    return await _record(uow, domain.repeal(state, command, local_day(uow.now)))


async def _own_path(uow: UnitOfWork, command: domain.AdoptNormativeDocument) -> str:
    """Where the caller's norms lie; raises NotYourNorm for another issuer."""
    issuer = command.territory or command.institution_id or ""
    if issuer != uow.principal.org:
        raise NotYourNorm(issuer=issuer)
    if uow.principal.role is Role.INSTITUTION:
        return (await require_institution(uow, issuer)).path
    return path_of(issuer)


async def _end_replaced(uow: UnitOfWork, command: domain.AdoptNormativeDocument) -> None:
    unknown = InvalidInput(FieldError("replaces", "unknown_norm", {"value": str(command.replaces)}))
    try:
        replaced = await _load(uow, str(command.replaces))
    except NotFound:
        raise unknown from None
    if not await _is_own(uow, replaced):
        raise unknown
    end = Repeal(repealed_from=command.in_force_from)
    await _record(uow, domain.repeal(replaced, end, command.in_force_from, "in_force_from"))


async def _load(uow: UnitOfWork, id_: str) -> NormativeDocumentState:
    return await uow.load(NormativeDocumentRow, NormativeDocumentState, id_, what="normative_document")


async def _record(uow: UnitOfWork, outcome: domain.Outcome) -> NormativeDocumentState:
    event_type, state = outcome
    row = await uow.session.get_one(NormativeDocumentRow, state.id)
    return await uow.record(NormativeDocumentRow, event_type, state, key=_issuer(state), org_path=row.org_path)


async def _is_own(uow: UnitOfWork, state: NormativeDocumentState) -> bool:
    """Whether the caller issued it, or is an institution that goes on with the work of the one that did."""
    if _issuer(state) == uow.principal.org:
        return True
    row = await uow.session.get_one(NormativeDocumentRow, state.id)
    return uow.principal.role is Role.INSTITUTION and uow.principal.scope.sees(row.org_path)


def _issuer(state: NormativeDocumentState) -> str:
    return state.territory or state.institution_id or ""
