"""Whom commands name: institutions and enterprises as partners' events made them known here."""

from sqlalchemy import select
from sqlmodel import col

from services.agreements.tables.agreements import EnterpriseRef, InstitutionRef
from shared.contracts.partners import EnterpriseStatus, InstitutionStatus
from shared.errors import FieldError, InvalidInput, NotFound
from shared.persistence.unit_of_work import UnitOfWork


class UnknownInstitution(NotFound):
    """Foreign, not there, or registered a moment ago and not yet told here: the three look alike."""

    code = "institution-not-found"


async def require_institution(uow: UnitOfWork, institution_id: str) -> InstitutionRef:
    """An institution at work within the caller's scope, locked against a move until the end.

    Raises UnknownInstitution, or InvalidInput where it is closed.
    """
    query = (
        select(InstitutionRef)
        .where(col(InstitutionRef.id) == institution_id, uow.principal.scope.condition(col(InstitutionRef.path)))
        .with_for_update(read=True)
    )
    institution = (await uow.session.execute(query)).scalar_one_or_none()
    if institution is None:
        raise UnknownInstitution(what="institution", id=institution_id)
    if institution.status == InstitutionStatus.CLOSED:
        raise InvalidInput(FieldError("institution_id", "institution_closed", {"value": institution_id}))
    return institution


async def living_enterprise(uow: UnitOfWork, enterprise_id: str, field: str, *, at_work: bool = False) -> str:
    """The id that `enterprise_id` stands for today, locked against a merge until the end.

    Raises InvalidInput naming `field` where there is none or, with `at_work`, where it is closed.
    """
    current = enterprise_id
    passed: set[str] = set()
    while current not in passed:
        passed.add(current)
        query = select(EnterpriseRef).where(col(EnterpriseRef.id) == current).with_for_update(read=True)
        enterprise: EnterpriseRef | None = (await uow.session.execute(query)).scalar_one_or_none()
        if enterprise is None:
            break
        if enterprise.merged_into is None:
            if at_work and enterprise.status == EnterpriseStatus.CLOSED:
                raise InvalidInput(FieldError(field, "enterprise_closed", {"value": enterprise_id}))
            return enterprise.id
        current = enterprise.merged_into
    raise InvalidInput(FieldError(field, "unknown_enterprise", {"value": enterprise_id}))
