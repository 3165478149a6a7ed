"""The page of reminders: whom to speak to, group by group, with new slips to print and a note that it was done."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.portal.surveys.api import LISTED, Surveyor, segment
from services.portal.work.api import Answer
from shared.errors import NotFound

MOST_CHOSEN: Final = 200
WHO: Final = ("student", "graduate", "teacher", "enterprise")
STATES: Final = ("due", "not_handed", "waiting")
"""What is to do about somebody: a reminder is due, the slip still lies here, or nothing for now."""


def state_of(invitation: Mapping[str, Any]) -> str:
    """What is to do about an invitation that is pending."""
    if not invitation.get("handed_on"):
        return "not_handed"
    called, spoken = invitation.get("reminded_on"), invitation.get("spoken_on")
    return "due" if called and (not spoken or spoken < called) else "waiting"


def grouped(invitations: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Invitations by kind of respondent; what is due comes first, then by what runs out first."""
    found: list[tuple[str, list[dict[str, Any]]]] = []
    for who in WHO:
        own = [{**each, "todo": state_of(each)} for each in invitations if each["respondent"] == who]
        own.sort(key=lambda each: (STATES.index(each["todo"]), each["lapses_on"], each["respondent_ref"]))
        if own:
            found.append((who, own))
    return found


def add_reminders(
    router: APIRouter,
    surveyor: Callable[[Request], Awaitable[Surveyor]],
    page: Callable[..., Response],
    slips: Callable[[Request, Surveyor, str, Answer, str, Sequence[str]], Awaitable[Response]],
) -> None:
    """The page's routes."""

    async def coordinator(request: Request) -> Surveyor:
        who = await surveyor(request)
        if who.office:
            raise NotFound  # who is who, the institution alone knows
        return who

    async def list_page(request: Request, who: Surveyor, id_: str, problem: Any = None, status: int = 200) -> Response:
        found = await who.get(f"/v1/campaigns/{segment(id_)}")
        after = request.query_params.get("after", "")[:500]
        waiting, following = await who.items(
            "/v1/invitations", campaign_id=id_, status="pending", limit=LISTED, after=after
        )
        groups = grouped(waiting)
        # Of a part of the list they would be taken for those of all.
        every = not after and following is None
        counts = {state: sum(each["todo"] == state for _, own in groups for each in own) for state in STATES}
        return page(
            request,
            who,
            "reminders",
            status=status,
            campaign=found,
            groups=groups,
            counts=counts if every else {},
            after=after,
            following=following,
            problem=problem,
            done=request.query_params.get("done", ""),
        )

    @router.get("/surveys/campaigns/{id_}/reminders")
    async def reminders(request: Request, id_: str) -> Response:
        return await list_page(request, await coordinator(request), id_)

    @router.post("/surveys/campaigns/{id_}/reminders")
    async def act(request: Request, id_: str) -> Response:
        who = await coordinator(request)
        async with request.form(max_files=0, max_fields=MOST_CHOSEN + 10) as data:
            key, step = str(data.get("key", "")) or str(uuid4()), str(data.get("step", ""))
            chosen = list(dict.fromkeys(str(each) for each in data.getlist("invitation")))
        here = f"/surveys/campaigns/{segment(id_)}/reminders"
        if not chosen:
            return RedirectResponse(f"{here}?done=nobody", 303)
        if step in ("print", "csv"):
            answer = await who.send(f"/v1/campaigns/{segment(id_)}/invitations/hand-over", key, {"invitations": chosen})
            return await slips(request, who, id_, answer, step, ("respondent_ref", "code", "url"))
        refused: Answer | None = None
        for number, invitation in enumerate(chosen):
            answer = await who.send(f"/v1/invitations/{segment(invitation)}/remind", f"{key}-{number}")
            if not answer.done:
                refused = answer
        if refused is not None:
            return await list_page(request, who, id_, refused.body or {"title": ""}, max(refused.status, 400))
        return RedirectResponse(f"{here}?done=reminded", 303)
