"""HTTP routes of interviews: answers that an interviewer wrote down, one at once or many from a day without network."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, SkipValidation, ValidationError

from services.surveys.api.parts import Parts
from services.surveys.commands import interviews
from services.surveys.commands.responses import Outcome
from services.surveys.domain.interviews import MOST_INTERVIEWS, EnterInterview
from shared.errors import HamkorError, InvalidInput, field_error
from shared.scope import Role
from shared.web.edge import Edge

PERMISSIONS: dict[str, frozenset[Role]] = {"interview.enter": frozenset({Role.INSTITUTION})}

router = APIRouter(prefix="/v1")

Given = Annotated[EnterInterview, SkipValidation]


class EnterInterviews(BaseModel):
    """Interviews of one campaign, each under the id that the device gave it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    interviews: Annotated[list[Given], Field(min_length=1, max_length=MOST_INTERVIEWS)]


class InterviewReport(BaseModel):
    """What became of one interview: 201 taken, 200 taken before, otherwise its problem and the answers as sent."""

    index: int = Field(description="the interview's place in the request, from 0")
    client_id: str | None = None
    status: int
    problem: dict[str, Any] | None = None
    answers: dict[str, Any] | None = Field(default=None, description="of a refused interview: as they were sent")


class InterviewsReport(BaseModel):
    """The report of a request."""

    done: int
    failed: int
    items: list[InterviewReport]


@router.post(
    "/campaigns/{id_}/interviews",
    tags=["interviews"],
    status_code=200,
    response_model=InterviewsReport,
    responses={207: {"model": InterviewsReport, "description": "Some interviews were refused; the others are kept"}},
    summary="Enter interviews",
)
async def enter_interviews(edge: Edge, parts: Parts, id_: str, body: EnterInterviews) -> Response:
    """Answers written down by an interviewer, on the campaign's own instrument; marked as such in results and events.

    An interview counts once in its campaign however often its `client_id` is sent, in whatever company: a device that
    was without network sends all it has until each is reported as taken. A refused interview comes back with all its
    answers, the questions that need another look named; mended, it is sent again under the same id. Interviews are
    taken while the campaign is open, and for its `interview_days` after its end where they were made before it; what
    comes later is refused with the day until which it could.
    """
    edge.allow("interview.enter")
    edge.idempotency_key()
    sound: dict[int, EnterInterview] = {}
    results: dict[int, interviews.Result] = {}
    for number, given in enumerate(body.interviews):
        try:
            sound[number] = EnterInterview.model_validate(given)
        except ValidationError as problem:
            results[number] = InvalidInput(*(field_error(error) for error in problem.errors()[:20]))
    async with edge.database.unit_of_work(edge.principal) as uow:
        taken = await interviews.enter(uow, parts.vault, parts.library, id_, list(sound.values()))
    results |= dict(zip(sound, taken, strict=True))
    if Outcome.TAKEN in taken:
        parts.wake_flusher()
    problems = edge.request.app.state.problems
    items = []
    for number, given in enumerate(body.interviews):
        result = results[number]
        sent: Any = given  # as it came: it may be anything
        raw = sent if isinstance(sent, dict) else {}
        item: dict[str, Any] = {"index": number, "client_id": raw.get("client_id")}
        if isinstance(result, HamkorError):
            item |= {
                "status": result.status,
                "problem": problems.told(edge.request, result),
                "answers": raw.get("answers"),
            }
        else:
            item["status"] = 201 if result is Outcome.TAKEN else 200
        items.append(item)
    failed = sum(item["status"] >= 400 for item in items)
    report = {"done": len(items) - failed, "failed": failed, "items": items}
    content = json.dumps(report, ensure_ascii=False).encode()
    return Response(content, 207 if failed else 200, {"Cache-Control": "no-store"}, media_type="application/json")
