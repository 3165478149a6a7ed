"""HTTP routes of questionnaires."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Path, Query, Response

from services.surveys.api.parts import After, Limit, Parts
from services.surveys.commands import instruments
from services.surveys.domain.publication import InstrumentStatus, OwnInstrument
from services.surveys.queries import instruments as queries
from shared.scope import EDUCATION, Role
from shared.web.edge import Edge, json_response, page_response

PERMISSIONS: dict[str, frozenset[Role]] = {
    "instrument.read": EDUCATION | {Role.ENTERPRISE, Role.OPERATOR, Role.SERVICE},
    "instrument.draft": EDUCATION,
    "instrument.publish": EDUCATION,
    "instrument.retire": EDUCATION,
}

router = APIRouter(prefix="/v1")

MOST_VERSIONS: Final = 9999
Version = Annotated[int, Path(ge=1, le=MOST_VERSIONS, description="the questionnaire's own number")]
AskedVersion = Annotated[int | None, Query(ge=1, le=MOST_VERSIONS, description="the newest unless named")]

EXAMPLE: Final[dict[str, Any]] = {
    "code": "PRACTICE",
    "version": 1,
    "group": "S3",
    "title": {"uz": "Amaliyot haqida", "ru": "О практике", "en": "About the practice"},
    "intro": {"uz": "Javoblar ismsiz.", "ru": "Ответы анонимны.", "en": "Answers are anonymous."},
    "sections": [
        {
            "code": "work",
            "title": {"uz": "Ish", "ru": "Работа", "en": "Work"},
            "questions": [
                {
                    "code": "hours",
                    "kind": "number",
                    "min": 1,
                    "max": 60,
                    "required": True,
                    "text": {"uz": "Haftada necha soat?", "ru": "Сколько часов в неделю?", "en": "Hours a week?"},
                },
                {
                    "code": "tired",
                    "kind": "single",
                    "relevant": "${hours} > 36",
                    "text": {"uz": "Bu koʻpmi?", "ru": "Это много?", "en": "Is that too much?"},
                    "options": [
                        {"code": "yes", "text": {"uz": "Ha", "ru": "Да", "en": "Yes"}},
                        {"code": "no", "text": {"uz": "Yoʻq", "ru": "Нет", "en": "No"}},
                    ],
                },
            ],
        }
    ],
}
Document = Annotated[
    dict[str, Any],
    Body(
        description="The whole questionnaire as reading one gives it; kinds of questions: single, multiple, likert, "
        "pair, matrix, number, decimal, date, text, profession (ISCO-08 unit group), stir. A draft may lack languages.",
        openapi_examples={"a short one": {"value": EXAMPLE}},
    ),
]


@router.get("/instruments", tags=["instruments"])
async def list_instruments(
    edge: Edge,
    parts: Parts,
    status: InstrumentStatus = InstrumentStatus.PUBLISHED,
    identified: Annotated[
        bool, Query(description="those asked by name and with consent instead, which no campaign may ask")
    ] = False,
    after: After = None,
    limit: Limit = 50,
) -> Response:
    """The newest published version of each questionnaire the caller may ask: the standard ones, their own, and those of
    the offices above; or drafts and retired ones."""
    async with edge.reading("instrument.read") as session:
        return page_response(
            *await queries.instruments(
                session,
                edge.principal.scope,
                parts.library,
                status=status,
                identified=identified,
                after=after,
                limit=limit,
            )
        )


@router.get("/instruments/{code}", tags=["instruments"])
async def get_instrument(edge: Edge, parts: Parts, code: str, version: AskedVersion = None) -> Response:
    """A whole questionnaire with its texts in all languages; the newest published version unless one is named.

    The ETag is of its state (`edition`), for commands that change a draft.
    """
    async with edge.reading("instrument.read") as session:
        found = await queries.instrument(session, edge.principal.scope, parts.library, code, version)
    answer = json_response(found)
    answer.headers["ETag"] = f'"{found["edition"]}"'
    return answer


@router.post("/instruments", tags=["instruments"], status_code=201, response_model=OwnInstrument)
async def draft_instrument(edge: Edge, parts: Parts, body: Document) -> Response:
    """Draft a questionnaire of one's own. Its code gets the owner's prefix: M-, R1708-, D1708201-, or an institution's.

    Every fault of the document is named at once by its place, as `sections[work].questions[hours].max`.
    """
    return await edge.command("instrument.draft", lambda uow: instruments.draft(uow, parts.library, body), status=201)


@router.post("/instruments/validate", tags=["instruments"])
async def validate_instrument(
    edge: Edge,
    parts: Parts,
    body: Document,
    complete: Annotated[bool, Query(description="as strictly as publishing does: every language")] = False,
) -> Response:
    """Say what is wrong with a document, and keep nothing; 422 names the faults, else its summary is answered."""
    edge.allow("instrument.draft")
    return json_response(instruments.judged(body, parts.library, complete=complete))


@router.put("/instruments/{code}/versions/{version}", tags=["instruments"], response_model=OwnInstrument)
async def edit_instrument(edge: Edge, parts: Parts, code: str, version: Version, body: Document) -> Response:
    """Put another document in the place of a draft's."""
    return await edge.command(
        "instrument.draft", lambda uow: instruments.edit(uow, parts.library, code, version, body), versioned=True
    )


@router.delete("/instruments/{code}/versions/{version}", tags=["instruments"])
async def discard_instrument(edge: Edge, code: str, version: Version) -> Response:
    """Throw a draft away."""
    return await edge.command("instrument.draft", lambda uow: instruments.discard(uow, code, version), versioned=True)


@router.post("/instruments/{code}/versions/{version}/publish", tags=["instruments"], response_model=OwnInstrument)
async def publish_instrument(edge: Edge, parts: Parts, code: str, version: Version) -> Response:
    """Publish a draft for good; 422 names the texts and languages it still lacks."""
    return await edge.command(
        "instrument.publish", lambda uow: instruments.publish(uow, parts.library, code, version), versioned=True
    )


@router.post("/instruments/{code}/versions/{version}/retire", tags=["instruments"], response_model=OwnInstrument)
async def retire_instrument(edge: Edge, code: str, version: Version) -> Response:
    """Let nobody ask a published version anew; campaigns that ask it go on."""
    return await edge.command("instrument.retire", lambda uow: instruments.retire(uow, code, version), versioned=True)


@router.post("/instruments/{code}/versions", tags=["instruments"], status_code=201, response_model=OwnInstrument)
async def draft_next_version(edge: Edge, parts: Parts, code: str) -> Response:
    """Draft the next version of an own questionnaire, with the texts of the newest."""
    return await edge.command(
        "instrument.draft", lambda uow: instruments.new_version(uow, parts.library, code), status=201
    )
