"""HTTP routes of questionnaires."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from services.surveys.api.parts import Parts
from services.surveys.domain.documents import document_of, summary_of
from shared.scope import EDUCATION, Role
from shared.web.edge import Edge, json_response, page_response

PERMISSIONS: dict[str, frozenset[Role]] = {
    "instrument.read": EDUCATION | {Role.ENTERPRISE, Role.OPERATOR, Role.SERVICE},
}

router = APIRouter(prefix="/v1")


@router.get("/instruments", tags=["instruments"])
async def list_instruments(edge: Edge, parts: Parts) -> Response:
    """The newest version of each questionnaire."""
    edge.allow("instrument.read")
    return page_response([summary_of(each) for each in parts.library.latest], None)


@router.get("/instruments/{code}", tags=["instruments"])
async def get_instrument(
    edge: Edge, parts: Parts, code: str, version: Annotated[int | None, Query(ge=1)] = None
) -> Response:
    """A whole questionnaire with its texts in all languages; the newest version unless named."""
    edge.allow("instrument.read")
    return json_response(document_of(parts.library.get(code, version)))
