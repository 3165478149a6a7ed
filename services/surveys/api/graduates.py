"""HTTP routes of what graduates say of their own status: with recorded consent, and never beside an opinion."""

from fastapi import APIRouter, Response

from services.surveys.commands import graduates
from services.surveys.domain.graduates import CONSENT_VERSION, TellStatus
from services.surveys.tables import GraduateStatusRow, own_paths
from shared.contracts.practice import OutcomeStatus
from shared.contracts.surveys import GraduateStatusState
from shared.i18n import Lang
from shared.scope import EDUCATION, Role
from shared.web.edge import Edge, json_response
from shared.web.registers import Creation, Filter, Reference, Register, add_register

PERMISSIONS: dict[str, frozenset[Role]] = {
    # Statuses of persons stay with the institution that knows them; those above see the indicators.
    "graduate_status.read": frozenset({Role.INSTITUTION, Role.SERVICE}),
    "graduate_status.tell": frozenset({Role.INSTITUTION}),
    "graduate_status.withdraw": frozenset({Role.INSTITUTION}),
    "consent_text.read": EDUCATION,
}

router = APIRouter(prefix="/v1")


class StatusFilter(Filter):
    """What statuses are narrowed by."""

    institution_id: Reference = None
    graduate_ref: Reference = None
    status: OutcomeStatus | None = None
    months: int | None = None


STATUSES = Register(
    name="graduate-statuses",
    what="graduate_status",
    row=GraduateStatusRow,
    state=GraduateStatusState,
    read="graduate_status.read",
    own_paths=own_paths,
    filters=StatusFilter,
    create=Creation("graduate_status.tell", TellStatus, graduates.tell),
)
add_register(router, STATUSES)


@router.post(
    "/graduate-statuses/{id_}/withdraw-consent",
    tags=["graduate-statuses"],
    response_model=GraduateStatusState,
    summary="The graduate takes the consent back",
)
async def withdraw_consent(edge: Edge, id_: str) -> Response:
    """Delete what the graduate told, and tell everybody who heard it; kept is only that there was consent, and when."""
    return await edge.command("graduate_status.withdraw", lambda uow: graduates.withdraw(uow, id_))


@router.get("/consent-text", tags=["graduate-statuses"], summary="The text of consent in force")
async def consent_text(edge: Edge) -> Response:
    """What is read out or shown before a graduate tells the own status: in all languages, with its version."""
    edge.allow("consent_text.read")
    catalogue = edge.request.app.state.catalogue
    texts = {lang.value: catalogue.text(f"consent.v{CONSENT_VERSION}", lang) for lang in Lang}
    return json_response({"version": CONSENT_VERSION, "texts": texts})
