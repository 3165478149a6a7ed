"""HTTP routes of results."""

from fastapi import APIRouter, Response

from services.surveys.api.parts import Parts
from services.surveys.queries import intake, results
from shared.scope import EDUCATION, SYSTEM, Role
from shared.web.edge import Edge, json_response

PERMISSIONS: dict[str, frozenset[Role]] = {
    "results.read": EDUCATION | {Role.SERVICE},
    "answers.count": frozenset({Role.OPERATOR, Role.SERVICE}),
}

router = APIRouter(prefix="/v1")
internal = APIRouter(prefix="/internal", tags=["internal"], include_in_schema=False)


@router.get("/campaigns/{id_}/results", tags=["results"])
async def get_results(edge: Edge, parts: Parts, id_: str) -> Response:
    """Index, dimensions and competences with count, mean and spread, released in steps of k responses."""
    async with edge.reading("results.read") as session:
        return json_response(
            await results.campaign_results(
                session, edge.principal.scope, parts.library, id_, parts.privacy_k, edge.lang
            )
        )


@internal.get("/answers")
async def count_answers(edge: Edge) -> Response:
    """How many answers are staged and how many have become responses: together, all that were acknowledged."""
    edge.allow("answers.count")
    async with edge.database.reading(SYSTEM) as session:
        return json_response(await intake.answers(session))
