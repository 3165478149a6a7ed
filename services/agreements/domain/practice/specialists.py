"""AF8, F4: an enterprise's specialist in teaching, with hours by month."""

from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from services.agreements.domain.inputs import Command, Day, check_day
from services.agreements.domain.practice.common import Life, enterprise_of, everywhere, in_order, rests_on
from services.agreements.domain.practice.placements import ConfirmByEnterprise
from shared.contracts import practice as told
from shared.contracts.agreements import AgreementState
from shared.contracts.events import EventType
from shared.contracts.fields import Id, Ref
from shared.contracts.practice import EngagementStatus as Status
from shared.contracts.practice import MonthHours, SpecialistState
from shared.contracts.vocabulary import Form
from shared.errors import FieldError, InvalidInput

Outcome = tuple[EventType, SpecialistState]
Month = Annotated[str, Field(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$", description="month, e.g. 2026-11")]


class Step(StrEnum):
    """What can happen to an engagement."""

    TEACH = "hours"
    CONFIRM = "confirm"
    END = "end"
    CANCEL = "cancel"
    REASSIGN = "reassign"  # references follow a merged enterprise


LIFE: Life[SpecialistState] = Life(
    {
        (Status.ENGAGED, Step.TEACH): Status.ENGAGED,
        (Status.ENGAGED, Step.CONFIRM): Status.ENGAGED,
        (Status.ENGAGED, Step.END): Status.ENDED,
        (Status.ENGAGED, Step.CANCEL): Status.CANCELLED,
        # Hours of the last month may be told afterwards.
        (Status.ENDED, Step.TEACH): Status.ENDED,
        (Status.ENDED, Step.CONFIRM): Status.ENDED,
        (Status.ENDED, Step.CANCEL): Status.CANCELLED,
        **everywhere(Status, Step.REASSIGN),
    },
    {
        Step.TEACH: told.SPECIALIST_TAUGHT,
        Step.CONFIRM: told.SPECIALIST_CONFIRMED,
        Step.END: told.SPECIALIST_ENDED,
        Step.CANCEL: told.SPECIALIST_CANCELLED,
        Step.REASSIGN: told.SPECIALIST_REASSIGNED,
    },
    frozenset({Step.REASSIGN}),
)


class EngageSpecialist(Command):
    """A specialist of an enterprise teaches a subject under an agreement of form AF8."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "agreement_id": "0199c8a4-5f21-7a10-b7d3-6a2f4e8c9d33",
                    "specialist_ref": "E-77",
                    "subject": "payvandlash-texnologiyasi",
                    "since": "2026-09-07",
                }
            ]
        }
    )

    agreement_id: Id
    enterprise_id: Id | None = None
    specialist_ref: Ref = Field(description="opaque number of the specialist; never a name")
    subject: Ref = Field(description="the institution's code of the subject")
    since: Day
    until: Day | None = None


class TellHours(Command):
    """Hours taught in a month; the same month again replaces, zero takes back."""

    month: Month
    hours: Annotated[int, Field(ge=0, le=300)]


class EndEngagement(Command):
    """The last day of teaching (default: today)."""

    until: Day | None = None


def engage(id_: str, agreement: AgreementState, command: EngageSpecialist) -> Outcome:
    """A new engagement; raises InvalidInput for another form or a day on which the agreement was not active."""
    rests_on(agreement, Form.AF8, "since", command.since)
    if command.until is not None:
        in_order(command.since, command.until, "until")
    fields = command.model_dump(exclude={"enterprise_id"})
    return told.SPECIALIST_ENGAGED, SpecialistState(
        id=id_,
        version=1,
        institution_id=agreement.institution_id,
        enterprise_id=enterprise_of(agreement, command.enterprise_id),
        status=Status.ENGAGED,
        **fields,
    )


def teach(state: SpecialistState, command: TellHours, today: date) -> Outcome:
    """Hours of a month of the engagement, to be confirmed anew; raises InvalidInput for any other month, WrongState."""
    LIFE.require(state, Step.TEACH)
    last = min(state.until or today, today)
    if not f"{state.since:%Y-%m}" <= command.month <= f"{last:%Y-%m}":
        limits: dict[str, str | int | float] = {"since": f"{state.since:%Y-%m}", "until": f"{last:%Y-%m}"}
        raise InvalidInput(FieldError("month", "outside_term", limits))
    others = [each for each in state.hours if each.month != command.month]
    told_hours = [MonthHours(month=command.month, hours=command.hours)] if command.hours else []
    hours = tuple(sorted([*others, *told_hours], key=lambda each: each.month))
    return LIFE.take(state, Step.TEACH, hours=hours, confirmed_on=None)


def confirm(state: SpecialistState, command: ConfirmByEnterprise, today: date) -> Outcome:
    """Confirmed by the enterprise; raises InvalidInput for a day in the future, WrongState."""
    LIFE.require(state, Step.CONFIRM)
    day = command.confirmed_on or today
    check_day("confirmed_on", day, first=state.since, today=today)
    return LIFE.take(state, Step.CONFIRM, confirmed_on=day)


def end(state: SpecialistState, command: EndEngagement, today: date) -> Outcome:
    """No longer teaching; raises InvalidInput for a day before the beginning or in the future, WrongState."""
    LIFE.require(state, Step.END)
    day = command.until or today
    check_day("until", day, first=state.since, today=today)
    return LIFE.take(state, Step.END, until=day)


def cancel(state: SpecialistState) -> Outcome:
    """Entered in error; raises WrongState."""
    return LIFE.take(state, Step.CANCEL)


def reassign(state: SpecialistState, _: str, new: str) -> Outcome:
    """The engagement follows a merged enterprise."""
    return LIFE.take(state, Step.REASSIGN, enterprise_id=new)
