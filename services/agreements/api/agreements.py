"""HTTP routes of agreements: one line a command; what may be done by whom stands in one table.

Every command that changes an agreement, activity or employment demands its version (If-Match).
"""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field
from sqlmodel import col

from services.agreements.commands import activities, agreements, employments
from services.agreements.domain import activities as activity_domain
from services.agreements.domain import agreements as agreement_domain
from services.agreements.domain import employments as employment_domain
from services.agreements.domain import schedules as schedule_domain
from services.agreements.queries import agreements as queries
from services.agreements.tables.agreements import ActivityRow, AgreementRow, EmploymentRow, own_paths
from shared.contracts.agreements import (
    ActivityState,
    ActivityStatus,
    AgreementState,
    AgreementStatus,
    EmploymentState,
    EmploymentStatus,
)
from shared.contracts.vocabulary import Form
from shared.errors import NotFound
from shared.persistence.pages import one_state
from shared.scope import EDUCATION, SYSTEM, TERRITORIAL, Role
from shared.web.edge import Edge, json_response, page_response
from shared.web.registers import Creation, Filter, Reference, Register, add_register

READERS = EDUCATION | {Role.ENTERPRISE, Role.SERVICE}
PERMISSIONS: dict[str, frozenset[Role]] = {
    "agreement.read": READERS,
    "agreement.versions": READERS,
    "agreement.draft": EDUCATION,
    "agreement.sign": frozenset({Role.INSTITUTION, Role.ENTERPRISE}),
    "agreement.change": EDUCATION,
    "agreement.notice": EDUCATION | {Role.ENTERPRISE},
    "activity.record": EDUCATION,
    # Records of single persons: offices above see counts (monitoring), and write none, for commands answer with them.
    "employment.read": READERS - TERRITORIAL,
    "employment.report": frozenset({Role.INSTITUTION}),
    "employment.confirm": frozenset({Role.ENTERPRISE}),
    "employment.end": frozenset({Role.INSTITUTION, Role.ENTERPRISE}),
}


class AgreementFilter(Filter):
    """What the list of agreements is narrowed by."""

    status: AgreementStatus | None = None
    form: Form | None = None
    institution_id: Reference = None
    enterprise_id: Reference = None


class ActivityFilter(Filter):
    """What the list of activities is narrowed by; `since` and `until` look at the day."""

    status: ActivityStatus | None = None
    form: Form | None = None
    institution_id: Reference = None
    agreement_id: Reference = None
    since: date | None = None
    until: date | None = None


class EmploymentFilter(Filter):
    """What the list of employments is narrowed by."""

    status: EmploymentStatus | None = None
    institution_id: Reference = None
    enterprise_id: Reference = None
    graduate_ref: Reference = None


AGREEMENTS = Register(
    name="agreements",
    what="agreement",
    row=AgreementRow,
    state=AgreementState,
    read="agreement.read",
    own_paths=own_paths,
    filters=AgreementFilter,
    conditions={"enterprise_id": lambda id_: col(AgreementRow.enterprise_ids).contains([id_])},
    create=Creation("agreement.draft", agreement_domain.DraftAgreement, agreements.draft_agreement),
)
EMPLOYMENTS = Register(
    name="employments",
    what="employment",
    row=EmploymentRow,
    state=EmploymentState,
    read="employment.read",
    own_paths=own_paths,
    filters=EmploymentFilter,
    create=Creation("employment.report", employment_domain.ReportEmployment, employments.report_employment),
)
ACTIVITIES = Register(
    name="activities",
    what="activity",
    row=ActivityRow,
    state=ActivityState,
    read="agreement.read",
    own_paths=own_paths,
    filters=ActivityFilter,
    conditions={
        "form": lambda form: col(ActivityRow.state)["form"].as_string() == form,
        "since": lambda day: col(ActivityRow.state)["held_on"].as_string() >= day.isoformat(),
        "until": lambda day: col(ActivityRow.state)["held_on"].as_string() <= day.isoformat(),
    },
    create=Creation("activity.record", activity_domain.RecordActivityUnder, activities.record_activity_under),
)
REGISTERS = (AGREEMENTS, EMPLOYMENTS, ACTIVITIES)

router = APIRouter(prefix="/v1")
for _register in REGISTERS:
    add_register(router, _register)
Limit = Annotated[int, Query(ge=1, le=500, description="items a page")]
After = Annotated[str | None, Query(max_length=500, description="cursor of the page before")]


@router.post("/agreements/{id_}/sign", tags=["agreements"], response_model=AgreementState)
async def sign_agreement(edge: Edge, id_: str, body: agreement_domain.SignAgreement) -> Response:
    """Sign for one's own party; the institution also records the other parties' signatures on paper."""
    return await edge.command("agreement.sign", lambda uow: agreements.sign_agreement(uow, id_, body), versioned=True)


@router.post("/agreements/{id_}/amend", tags=["agreements"], response_model=AgreementState)
async def amend_agreement(edge: Edge, id_: str, body: agreement_domain.AmendAgreement) -> Response:
    """Change last day, opportunities or schedule of a signed agreement, by every party's word or on signed paper."""
    return await edge.command(
        "agreement.change", lambda uow: agreements.amend_agreement(uow, id_, body), versioned=True
    )


class Version(BaseModel):
    """An agreement as it stood after one change of what is agreed, and the day from which it did."""

    amendment: int = Field(description="how many amendments were in force")
    change: str = Field(description="what brought it: signed, amended, scheduled (its first schedule), renewed, …")
    since: date
    state: AgreementState


class Versions(BaseModel):
    """Versions in the order in which they took effect."""

    items: list[Version]


@router.get("/agreements/{id_}/versions", tags=["agreements"], response_model=Versions)
async def list_versions(edge: Edge, id_: str) -> Response:
    """Every version of an agreement: as signed, and as each amendment, first schedule and renewal made it."""
    async with edge.reading("agreement.versions") as session:
        if await one_state(session, AgreementRow, id_, edge.principal.scope) is None:
            raise NotFound(what="agreement", id=id_[:100])
    # The log is closed to all but the service; whoever sees the agreement may know how it came about.
    async with edge.database.reading(SYSTEM) as session:
        return json_response({"items": await queries.versions(session, id_)})


@router.post("/agreements/{id_}/confirm-amendment", tags=["agreements"], response_model=AgreementState)
async def confirm_amendment(edge: Edge, id_: str, body: agreement_domain.SignAgreement) -> Response:
    """Agree for one's own party to the amendment that awaits every party; the institution records paper for others."""
    return await edge.command(
        "agreement.sign", lambda uow: agreements.confirm_amendment(uow, id_, body), versioned=True
    )


@router.post("/agreements/{id_}/notice", tags=["agreements"], response_model=AgreementState)
async def give_notice(edge: Edge, id_: str) -> Response:
    """It will not be renewed by itself any more; each side may say so."""
    return await edge.command("agreement.notice", lambda uow: agreements.give_notice(uow, id_), versioned=True)


@router.post("/agreements/{id_}/suspend", tags=["agreements"], response_model=AgreementState)
async def suspend_agreement(edge: Edge, id_: str, body: agreement_domain.SuspendAgreement) -> Response:
    """Not active from a day on."""
    return await edge.command(
        "agreement.change", lambda uow: agreements.suspend_agreement(uow, id_, body), versioned=True
    )


@router.post("/agreements/{id_}/resume", tags=["agreements"], response_model=AgreementState)
async def resume_agreement(edge: Edge, id_: str, body: agreement_domain.ResumeAgreement) -> Response:
    """Active again from a day on."""
    return await edge.command(
        "agreement.change", lambda uow: agreements.resume_agreement(uow, id_, body), versioned=True
    )


@router.post("/agreements/{id_}/end", tags=["agreements"], response_model=AgreementState)
async def end_agreement(edge: Edge, id_: str, body: agreement_domain.EndAgreement) -> Response:
    """End before the last day agreed; `ended_on` is the first day no longer in force."""
    return await edge.command("agreement.change", lambda uow: agreements.end_agreement(uow, id_, body), versioned=True)


@router.post("/agreements/{id_}/cancel", tags=["agreements"], response_model=AgreementState)
async def cancel_agreement(edge: Edge, id_: str) -> Response:
    """Give up a draft."""
    return await edge.command("agreement.change", lambda uow: agreements.cancel_agreement(uow, id_), versioned=True)


@router.put("/agreements/{id_}/schedule", tags=["agreements"], response_model=AgreementState)
async def set_schedule(edge: Edge, id_: str, body: schedule_domain.SetSchedule) -> Response:
    """Set the whole schedule of an internship agreement (AF1), with seats filled and completed.

    A plan that was signed stays: it changes by an amendment.
    """
    return await edge.command("agreement.change", lambda uow: agreements.set_schedule(uow, id_, body), versioned=True)


@router.put("/agreements/{id_}/schedule/{term}", tags=["agreements"], response_model=AgreementState)
async def report_term(
    edge: Edge, id_: str, term: Annotated[str, Path(max_length=64)], body: schedule_domain.ReportTerm
) -> Response:
    """Report seats filled and completed of one term, also after the agreement's end."""
    return await edge.command(
        "agreement.change", lambda uow: agreements.report_term(uow, id_, term, body), versioned=True
    )


@router.post("/agreements/{id_}/activities", tags=["activities"], status_code=201, response_model=ActivityState)
async def record_activity(edge: Edge, id_: str, body: activity_domain.RecordActivity) -> Response:
    """Record what was done under an agreement on a day on which it was active."""
    return await edge.command("activity.record", lambda uow: activities.record_activity(uow, id_, body), status=201)


@router.get("/agreements/{id_}/activities", tags=["activities"])
async def list_agreement_activities(edge: Edge, id_: str, after: After = None, limit: Limit = 50) -> Response:
    """The activities under an agreement."""
    async with edge.reading("agreement.read") as session:
        if await one_state(session, AgreementRow, id_, edge.principal.scope) is None:
            raise NotFound(what="agreement", id=id_[:100])
        return page_response(
            *await queries.activities(session, edge.principal.scope, agreement_id=id_, after=after, limit=limit)
        )


@router.post("/activities/{id_}/cancel", tags=["activities"], response_model=ActivityState)
async def cancel_activity(edge: Edge, id_: str) -> Response:
    """It did not take place after all."""
    return await edge.command("activity.record", lambda uow: activities.cancel_activity(uow, id_), versioned=True)


@router.post("/employments/{id_}/correct", tags=["employments"], response_model=EmploymentState)
async def correct_employment(edge: Edge, id_: str, body: employment_domain.CorrectEmployment) -> Response:
    """Change what was reported wrongly; the enterprise confirms anew."""
    return await edge.command(
        "employment.report", lambda uow: employments.correct_employment(uow, id_, body), versioned=True
    )


@router.post("/employments/{id_}/confirm", tags=["employments"], response_model=EmploymentState)
async def confirm_employment(edge: Edge, id_: str, body: employment_domain.ConfirmEmployment) -> Response:
    """The enterprise confirms what the institution reported."""
    return await edge.command(
        "employment.confirm", lambda uow: employments.confirm_employment(uow, id_, body), versioned=True
    )


@router.post("/employments/{id_}/end", tags=["employments"], response_model=EmploymentState)
async def end_employment(edge: Edge, id_: str, body: employment_domain.EndEmployment) -> Response:
    """The employment is over."""
    return await edge.command("employment.end", lambda uow: employments.end_employment(uow, id_, body), versioned=True)


@router.post("/employments/{id_}/cancel", tags=["employments"], response_model=EmploymentState)
async def cancel_employment(edge: Edge, id_: str) -> Response:
    """Take back a report."""
    return await edge.command("employment.report", lambda uow: employments.cancel_employment(uow, id_), versioned=True)
