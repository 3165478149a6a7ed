"""AF5: joint commercial projects. I3: extra-budgetary income by month and purpose, in tiyin."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from services.agreements.domain.inputs import Command, Day, check_day
from services.agreements.domain.practice.common import Life, enterprise_of, everywhere, identity, in_order, rests_on
from services.agreements.domain.practice.specialists import Month
from shared.contracts import practice as told
from shared.contracts.agreements import AgreementState
from shared.contracts.events import EventType
from shared.contracts.fields import Id
from shared.contracts.practice import IncomeItem, IncomePurpose, IncomeState, ProjectKind, ProjectState
from shared.contracts.practice import ProjectStatus as Status
from shared.contracts.vocabulary import Form, PartyCategory
from shared.errors import FieldError, InvalidInput, WrongState

Project = tuple[EventType, ProjectState]
Income = tuple[EventType, IncomeState]
Tiyin = Annotated[int, Field(gt=0, le=10**15, description="amount in tiyin (1/100 soʻm)")]


class Step(StrEnum):
    """What can happen to a project."""

    END = "end"
    CANCEL = "cancel"
    REASSIGN = "reassign"  # references follow a merged enterprise


LIFE: Life[ProjectState] = Life(
    {
        (Status.RUNNING, Step.END): Status.ENDED,
        (Status.RUNNING, Step.CANCEL): Status.CANCELLED,
        (Status.ENDED, Step.CANCEL): Status.CANCELLED,
        **everywhere(Status, Step.REASSIGN),
    },
    {
        Step.END: told.PROJECT_ENDED,
        Step.CANCEL: told.PROJECT_CANCELLED,
        Step.REASSIGN: told.PROJECT_REASSIGNED,
    },
    frozenset({Step.REASSIGN}),
)


class StartProject(Command):
    """A joint commercial project (O7) under an agreement of form AF5."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "agreement_id": "0199c8a4-5f21-7a10-b7d3-6a2f4e8c9d33",
                    "kind": "short_courses",
                    "starts_on": "2026-10-01",
                }
            ]
        }
    )

    agreement_id: Id
    enterprise_id: Id | None = Field(default=None, description="left out: the agreement's only enterprise, if any")
    kind: ProjectKind
    starts_on: Day
    ends_on: Day | None = None


class EndProject(Command):
    """The project's last day (default: today)."""

    ends_on: Day | None = None


class IncomeInput(Command):
    """An amount with its purpose, and the project it came from."""

    purpose: IncomePurpose
    amount_tiyin: Tiyin
    project_id: Id | None = None


class ReportIncome(Command):
    """Extra-budgetary income of a month; the same month again replaces it. No items says: none in this month."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "institution_id": "0199c8a4-3b1e-7c55-9d1f-2f6f0c8f1a11",
                    "month": "2026-10",
                    "items": [{"purpose": "paid_training", "amount_tiyin": 1250000000}],
                }
            ]
        }
    )

    institution_id: Id
    month: Month
    items: Annotated[tuple[IncomeInput, ...], Field(max_length=200)] = ()


def start(id_: str, agreement: AgreementState, command: StartProject) -> Project:
    """A new project; raises InvalidInput for another form or a day on which the agreement was not active."""
    rests_on(agreement, Form.AF5, "starts_on", command.starts_on)
    if command.ends_on is not None:
        in_order(command.starts_on, command.ends_on, "ends_on")
    enterprises = any(party.category is PartyCategory.ENTERPRISE for party in agreement.parties)
    wanted = command.enterprise_id is not None or enterprises
    return told.PROJECT_STARTED, ProjectState(
        id=id_,
        version=1,
        institution_id=agreement.institution_id,
        enterprise_id=enterprise_of(agreement, command.enterprise_id) if wanted else None,
        status=Status.RUNNING,
        **command.model_dump(exclude={"enterprise_id"}),
    )


def end(state: ProjectState, command: EndProject, today: date) -> Project:
    """Over; raises InvalidInput for a day before its beginning or in the future, WrongState."""
    LIFE.require(state, Step.END)
    day = command.ends_on or today
    check_day("ends_on", day, first=state.starts_on, today=today)
    return LIFE.take(state, Step.END, ends_on=day)


def cancel(state: ProjectState) -> Project:
    """Entered in error; raises WrongState."""
    return LIFE.take(state, Step.CANCEL)


def reassign(state: ProjectState, _: str, new: str) -> Project:
    """The project follows a merged enterprise."""
    return LIFE.take(state, Step.REASSIGN, enterprise_id=new)


def income_id(institution_id: str, month: str) -> str:
    """One report for each institution and month."""
    return identity("income", institution_id, month)


def report_income(state: IncomeState | None, command: ReportIncome, today: date) -> Income:
    """The month's income; raises InvalidInput for a month that has not begun."""
    if command.month > f"{today:%Y-%m}":
        raise InvalidInput(FieldError("month", "in_future", {"value": command.month}))
    items = tuple(IncomeItem.model_validate(each.model_dump()) for each in command.items)
    return told.INCOME_CORRECTED if state else told.INCOME_REPORTED, IncomeState(
        id=income_id(command.institution_id, command.month),
        version=state.version + 1 if state else 1,
        institution_id=command.institution_id,
        month=command.month,
        items=items,
        total_tiyin=sum(item.amount_tiyin for item in items),
    )


def withdraw_income(state: IncomeState) -> Income:
    """Reported in error: the month is null again; raises WrongState where it was withdrawn before."""
    if state.withdrawn:
        raise WrongState(state="withdrawn", step="withdraw", possible="report")
    changes: dict[str, Any] = {"withdrawn": True, "items": (), "total_tiyin": 0, "version": state.version + 1}
    return told.INCOME_WITHDRAWN, state.model_copy(update=changes)
