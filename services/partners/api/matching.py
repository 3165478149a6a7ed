"""HTTP routes of matching: who suits whom, with the reasons for each rank."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from services.partners.domain.matching import WEIGHTS, Consideration, Reason
from services.partners.queries import matching as queries
from services.partners.tables.registers import EnterpriseRow, InstitutionRow
from shared.contracts.vocabulary import EnterpriseSize, InstitutionKind
from shared.errors import NotFound
from shared.persistence.pages import one_state
from shared.scope import EDUCATION, TERRITORIAL, Role, path_of
from shared.web.edge import Edge, RequestEdge, page_response
from shared.web.registers import Register

PERMISSIONS: dict[str, frozenset[Role]] = {
    "institution.match": EDUCATION,
    "enterprise.match": TERRITORIAL | {Role.ENTERPRISE},
}
REGISTERS: tuple[Register, ...] = ()

router = APIRouter(prefix="/v1")
Best = Annotated[int, Query(ge=1, le=100, description="how many of the best")]


class ShownReason(BaseModel):
    """One reason: `points` = `weight` × `value` goes into the score."""

    consideration: Consideration
    code: str
    value: float = Field(description="from 0 to 1")
    weight: float
    points: float
    text: str = Field(description="in the caller's language")


class MatchedEnterprise(BaseModel):
    """What is shown of an enterprise."""

    id: str
    stir: str
    name: str
    size: EnterpriseSize
    isic_section: str
    district: str


class MatchedInstitution(BaseModel):
    """What is shown of an institution."""

    id: str
    code: str
    name: str
    kind: InstitutionKind
    district: str


class EnterpriseMatch(BaseModel):
    """A partner for an institution."""

    rank: int
    score: float
    enterprise: MatchedEnterprise
    reasons: list[ShownReason]


class InstitutionMatch(BaseModel):
    """An institution for an enterprise."""

    rank: int
    score: float
    institution: MatchedInstitution
    reasons: list[ShownReason]


class EnterpriseMatches(BaseModel):
    """The best, best first; there is no next page."""

    items: list[EnterpriseMatch]
    next: None = None


class InstitutionMatches(BaseModel):
    """The best, best first; there is no next page."""

    items: list[InstitutionMatch]
    next: None = None


@router.get("/institutions/{id_}/matches", tags=["matching"], response_model=EnterpriseMatches)
async def match_institution(edge: Edge, id_: str, limit: Best = 20) -> Response:
    """Acceptable partners of an institution, ranked by programmes, needs and offers, distance, history and size."""
    async with edge.reading("institution.match") as session:
        institution = await one_state(session, InstitutionRow, id_, edge.principal.scope)
        if institution is None:
            raise NotFound(what="institution", id=id_[:100])
        matches = await queries.enterprises_for(session, institution, limit)
    return _answer(edge, "enterprise", matches)


@router.get("/enterprises/{id_}/matches", tags=["matching"], response_model=InstitutionMatches)
async def match_enterprise(edge: Edge, id_: str, limit: Best = 20) -> Response:
    """The same from an enterprise's side: its own, or an office's of its territory."""
    scope = edge.principal.scope
    async with edge.reading("enterprise.match") as session:
        enterprise = await one_state(session, EnterpriseRow, id_, scope)
        if enterprise is None or not scope.sees(path_of(enterprise["district"]), [enterprise["id"]]):
            raise NotFound(what="enterprise", id=id_[:100])
        matches = await queries.institutions_for(session, scope, enterprise, limit)
    return _answer(edge, "institution", matches)


def _answer(edge: RequestEdge, what: str, matches: list[queries.Match]) -> Response:
    items = [
        {
            "rank": rank,
            "score": match.score,
            what: match.shown,
            "reasons": [_said(edge, reason) for reason in match.reasons],
        }
        for rank, match in enumerate(matches, start=1)
    ]
    return page_response(items, None)


def _said(edge: RequestEdge, reason: Reason) -> dict[str, str | float]:
    catalogue = edge.request.app.state.catalogue
    return {
        "consideration": reason.of.value,
        "code": reason.code,
        "value": round(reason.value, 4),
        "weight": WEIGHTS[reason.of],
        "points": reason.points,
        "text": catalogue.text(f"match.{reason.code}", edge.lang, **reason.params),
    }
