"""HTTP routes of normative documents: everybody reads what holds for them, and adopts and repeals their own."""

from datetime import date

from fastapi import APIRouter, Response
from pydantic import Field
from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import col

from services.agreements.commands import normative
from services.agreements.domain import normative as domain
from services.agreements.domain.final_stage import Repeal
from services.agreements.tables.final_stage import NormativeDocumentRow
from shared.contracts.final_stage import AdoptionStatus, NormativeDocumentState, NormativeKind
from shared.scope import EDUCATION, Role
from shared.web.edge import Edge
from shared.web.registers import Creation, Filter, Reference, Register, add_register

PERMISSIONS: dict[str, frozenset[Role]] = {
    "normative_document.read": EDUCATION | {Role.ENTERPRISE, Role.SERVICE},
    "normative_document.adopt": EDUCATION,
}


class NormativeDocumentFilter(Filter):
    """What the list of normative documents is narrowed by."""

    institution_id: Reference = None
    territory: Reference = None
    kind: NormativeKind | None = None
    status: AdoptionStatus | None = None
    in_force_on: date | None = Field(default=None, description="in force on this day")


def _in_force_on(day: date) -> ColumnElement[bool]:
    since, until = (col(NormativeDocumentRow.state)[name].astext for name in ("in_force_from", "in_force_until"))
    return and_(since <= day.isoformat(), or_(until.is_(None), until > day.isoformat()))


NORMATIVE_DOCUMENTS = Register(
    name="normative-documents",
    what="normative_document",
    row=NormativeDocumentRow,
    state=NormativeDocumentState,
    shown=domain.NormativeShown,
    read="normative_document.read",
    filters=NormativeDocumentFilter,
    conditions={"in_force_on": _in_force_on},
    create=Creation("normative_document.adopt", domain.AdoptNormativeDocument, normative.adopt_normative_document),
)
REGISTERS = (NORMATIVE_DOCUMENTS,)

router = APIRouter(prefix="/v1")
for _register in REGISTERS:
    add_register(router, _register)


@router.post("/normative-documents/{id_}/repeal", tags=["normative-documents"], response_model=domain.NormativeShown)
async def repeal_normative_document(edge: Edge, id_: str, body: Repeal) -> Response:
    """A norm of one's own is no longer in force from a day on."""
    return await edge.command(
        "normative_document.adopt",
        lambda uow: normative.repeal_normative_document(uow, id_, body),
        versioned=True,
    )
