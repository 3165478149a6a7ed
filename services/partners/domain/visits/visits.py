"""A visit's life: planned, prepared when the checklist allows it, held, its negotiation recorded – or cancelled."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.partners.domain.inputs import Day, Note, Opportunities, not_in_future, refuse
from services.partners.domain.institutions import Command
from services.partners.domain.visits import standing
from services.partners.domain.visits.actions import ActionInput
from services.partners.domain.visits.calendars import LONGEST_MEETING, Moment
from services.partners.domain.visits.dossiers import PartnerCommand
from shared.clock import local_day
from shared.contracts import visits as told
from shared.contracts.events import EventType
from shared.contracts.fields import Id, Name, Ref
from shared.contracts.visits import (
    Cause,
    Check,
    CheckAnswer,
    Outcome,
    Protocol,
    ProtocolStep,
    Rank,
    StepTaken,
    VisitPlace,
    VisitState,
    Waiver,
)
from shared.contracts.visits import VisitStatus as Status
from shared.contracts.vocabulary import EnterpriseSize
from shared.errors import BrokenRule, DomainError, FieldError, InvalidInput

Result = tuple[EventType, VisitState]
LATE_ENTRY = timedelta(days=365)
"""So long a visit may be entered afterwards, from paper."""
PUNCTUAL = timedelta(minutes=15)
"""V3: a start no farther from the planned one was kept to."""


class Step(StrEnum):
    """What can happen to a planned visit."""

    RESCHEDULE = "reschedule"
    AGREE = "agree"
    CHECK = "checklist"
    PREPARE = "prepare"
    HOLD = "hold"
    RECORD = "protocol"
    CANCEL = "cancel"
    REASSIGN = "reassign"  # references follow a merged enterprise


LIFECYCLE: Mapping[tuple[Status, Step], Status] = {
    (Status.PLANNED, Step.RESCHEDULE): Status.PLANNED,
    (Status.PLANNED, Step.AGREE): Status.PLANNED,
    (Status.PLANNED, Step.CHECK): Status.PLANNED,
    (Status.PLANNED, Step.PREPARE): Status.PREPARED,
    (Status.PLANNED, Step.CANCEL): Status.CANCELLED,
    # Another time has to be agreed again: what was prepared for the old one is planned anew.
    (Status.PREPARED, Step.RESCHEDULE): Status.PLANNED,
    (Status.PREPARED, Step.HOLD): Status.HELD,
    (Status.PREPARED, Step.CANCEL): Status.CANCELLED,
    (Status.HELD, Step.RECORD): Status.HELD,
    **{(status, Step.REASSIGN): status for status in Status},
}


class NotPrepared(DomainError):
    """Items of the checklist stand unanswered."""

    code = "not-prepared"


class PlanVisit(PartnerCommand):
    """Plan a visit: who goes to whom, where, when, what for."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "institution_id": "0199c8a4-3b1e-7c55-9d1f-2f6f0c8f1a11",
                    "category": "enterprise",
                    "enterprise_id": "0199c8a4-7a20-7d31-8c11-0d5b1d3f9e22",
                    "opportunities": ["O4", "O6"],
                    "place": "at_partner",
                    "envoy_ref": "T-0003",
                    "envoy_rank": "deputy_head",
                    "host_rank": "deputy_head",
                    "planned_start": "2026-09-14T10:00:00+05:00",
                    "planned_end": "2026-09-14T11:30:00+05:00",
                    "agenda": "Amaliyot joylari, usta-murabbiylar",
                }
            ]
        }
    )

    partnership_id: Id | None = Field(default=None, description="the partnership it serves, where there is one")
    opportunities: Opportunities = Field(description="what it is for: O1–O7")
    place: VisitPlace = Field(description="where it is held; V6 is asked only at the institution")
    envoy_ref: Ref = Field(description="the institution's own number of who goes")
    envoy_rank: Rank = Field(description="standing of who goes (V4)")
    host_ref: Ref | None = Field(default=None, description="opaque reference of who receives")
    host_rank: Rank = Field(description="standing of who receives (V4)")
    planned_start: Moment
    planned_end: Moment
    follows: Id | None = Field(default=None, description="the held visit to the same partner that this one continues")
    agenda: Note | None = Field(default=None, description="seen by both sides")
    envoy_name: Name | None = Field(default=None, description="seen by both sides, told by no event")
    host_name: Name | None = Field(default=None, description="seen by both sides, told by no event")
    notes: Note | None = Field(default=None, description="the institution's own; the enterprise does not see them")

    @model_validator(mode="after")
    def _times(self) -> "PlanVisit":
        _in_order(self.planned_start, self.planned_end, "planned_end")
        return self


class RescheduleVisit(Command):
    """Another time; the partner has to agree to it again."""

    planned_start: Moment
    planned_end: Moment

    @model_validator(mode="after")
    def _times(self) -> "RescheduleVisit":
        _in_order(self.planned_start, self.planned_end, "planned_end")
        return self


class AgreeVisit(Command):
    """V3: the partner has agreed to the time (default: today)."""

    agreed_on: Day | None = Field(default=None, description="the day on which the partner agreed")


class AnswerCheck(Command):
    """An item of the checklist is done (default: today), or waived for a reason that is kept."""

    answered_on: Day | None = Field(default=None, description="the day on which it was done")
    waived: Waiver | None = Field(default=None, description="why it is left out; needs `reason` too")
    reason: Note | None = Field(default=None, description="why it is waived, in words", examples=["Doimiy hamkor"])

    @model_validator(mode="after")
    def _why(self) -> "AnswerCheck":
        if self.waived is not None and not self.reason:
            raise BrokenRule("waiver_reason", "reason")
        return self


class HoldVisit(Command):
    """When it really took place."""

    actual_start: Moment
    actual_end: Moment

    @model_validator(mode="after")
    def _times(self) -> "HoldVisit":
        _in_order(self.actual_start, self.actual_end, "actual_end")
        return self


class RecordProtocol(Command):
    """The negotiation: steps taken (N1–N6), what came of it, the problems met, who does what by when."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "steps": ["N1", "N2", "N3", "N4", "N5", "N6"],
                    "results": [{"step": "N3", "result": "achieved"}, {"step": "N4", "result": "partly"}],
                    "outcome": "agreement_in_principle",
                    "causes": ["none"],
                    "actions": [
                        {
                            "side": "institution",
                            "owner_ref": "T-0003",
                            "due_on": "2026-10-01",
                            "what": "Shartnoma loyihasi",
                        }
                    ],
                }
            ]
        }
    )

    steps: Annotated[
        tuple[ProtocolStep, ...], Field(min_length=1, max_length=6, description="the steps that were taken, N1–N6")
    ]
    results: Annotated[
        tuple[StepTaken, ...], Field(max_length=6, description="how far the steps taken came, where it was noted")
    ] = ()
    outcome: Outcome = Field(description="what came of it")
    causes: Annotated[
        tuple[Cause, ...], Field(min_length=1, max_length=9, description="problems met, A1–A4, B1–B3; or `none` alone")
    ]
    actions: Annotated[tuple[ActionInput, ...], Field(max_length=20, description="who does what by when")] = ()
    step_notes: Annotated[dict[ProtocolStep, Note], Field(max_length=6, description="notes, kept private")] = Field(
        default_factory=dict
    )

    @model_validator(mode="after")
    def _sound(self) -> "RecordProtocol":
        if len(set(self.steps)) < len(self.steps) or len(set(self.causes)) < len(self.causes):
            raise ValueError("stands_twice")
        noted = [each.step for each in self.results]
        if len(set(noted)) < len(noted):
            raise ValueError("stands_twice")
        if not {*noted, *self.step_notes} <= {*self.steps}:
            raise BrokenRule("step_not_taken", "steps")
        if Cause.NONE in self.causes and len(self.causes) > 1:
            raise BrokenRule("none_and_other", "causes")
        return self


class CancelVisit(Command):
    """It won't take place; the problems that prevented it are counted."""

    causes: Annotated[
        tuple[Cause, ...], Field(min_length=1, max_length=8, description="what prevented it", examples=[["B2"]])
    ]


class VisitDetails(BaseModel):
    """What no event tells: agenda, names, notes, reasons of waivers, notes of the negotiation."""

    model_config = ConfigDict(frozen=True)

    agenda: Note | None = None
    envoy_name: Name | None = None
    host_name: Name | None = None
    notes: Note | None = None
    waiver_reasons: dict[Check, str] = Field(default_factory=dict)
    step_notes: dict[ProtocolStep, str] = Field(default_factory=dict)


def _in_order(starts: datetime, ends: datetime, field: str) -> None:
    if not starts < ends <= starts + LONGEST_MEETING:
        raise BrokenRule("times_out_of_order", field)


def plan(id_: str, command: PlanVisit, size: EnterpriseSize | None, now: datetime) -> Result:
    """A new plan; raises InvalidInput for a time that has passed, or an envoy who is never sent to such a host (V4)."""
    _ahead(command.planned_start, now)
    if standing.never(command.envoy_rank, command.host_rank, size):
        raise InvalidInput(_unfit("envoy_rank", command.envoy_rank, command.host_rank, size))
    fields = command.model_dump(exclude={"agenda", "envoy_name", "host_name", "notes"})
    return told.VISIT_PLANNED, VisitState(id=id_, version=1, status=Status.PLANNED, **fields)


def reschedule(state: VisitState, command: RescheduleVisit, now: datetime) -> Result:
    """The new time, to be agreed again; raises InvalidInput for a time that has passed, WrongState."""
    _require(state, Step.RESCHEDULE)
    _ahead(command.planned_start, now)
    return _take(state, Step.RESCHEDULE, told.VISIT_RESCHEDULED, **command.model_dump(), agreed_on=None)


def agree(state: VisitState, command: AgreeVisit, today: date) -> Result:
    """V3: agreed in advance; raises InvalidInput for a day in the future or after the meeting, WrongState."""
    _require(state, Step.AGREE)
    day = command.agreed_on or today
    not_in_future("agreed_on", day, today)
    meeting = local_day(state.planned_start)
    if day > meeting:
        raise InvalidInput(FieldError("agreed_on", "not_in_advance", {"limit": meeting.isoformat()}))
    return _take(state, Step.AGREE, told.VISIT_AGREED, agreed_on=day)


def answer(state: VisitState, check: Check, command: AnswerCheck, today: date) -> Result:
    """An item answered; the same item again replaces the answer. V2–V4 answer themselves unless they are waived."""
    _require(state, Step.CHECK)
    if check in COMPUTED and command.waived is None:
        raise InvalidInput(FieldError("check", "answers_itself", {"value": check.value}))
    day = command.answered_on or today
    not_in_future("answered_on", day, today)
    others = tuple(each for each in state.checklist if each.check is not check)
    answered = CheckAnswer(check=check, answered_on=day, waived=command.waived)
    checklist = tuple(sorted((*others, answered), key=lambda each: each.check))
    return _take(state, Step.CHECK, told.VISIT_CHECKED, checklist=checklist)


COMPUTED = frozenset({Check.V2, Check.V3, Check.V4})
"""Items that follow from the dossier, the appointment and the ranks; they can only be waived by hand."""


def missing(state: VisitState, size: EnterpriseSize | None, *, dossier_complete: bool) -> Iterator[Check]:
    """The items that keep a visit from being prepared, in order."""
    answered = {each.check for each in state.checklist}
    if standing.never(state.envoy_rank, state.host_rank, size):
        answered.discard(Check.V4)  # the enterprise has grown since the visit was planned: no waiver excuses that
    done = {
        Check.V2: dossier_complete,
        Check.V3: state.agreed_on is not None,
        Check.V4: standing.fits(state.envoy_rank, state.host_rank, size),
        Check.V6: state.place is not VisitPlace.AT_INSTITUTION,
    }
    for check in Check:
        if check not in answered and not done.get(check, False):
            yield check


def prepare(state: VisitState, size: EnterpriseSize | None, *, dossier_complete: bool) -> Result:
    """Prepared; raises NotPrepared naming every open item, WrongState."""
    _require(state, Step.PREPARE)
    open_items = list(missing(state, size, dossier_complete=dossier_complete))
    if open_items:
        ranks = ", ".join(standing.fitting(state.host_rank, size)) if Check.V4 in open_items else "–"
        raise NotPrepared(missing=", ".join(open_items), ranks=ranks)
    return _take(state, Step.PREPARE, told.VISIT_PREPARED)


def hold(state: VisitState, command: HoldVisit, now: datetime) -> Result:
    """It took place; planned against actual time says whether it was kept to (V3). Raises InvalidInput, WrongState."""
    _require(state, Step.HOLD)
    if command.actual_end > now:
        raise InvalidInput(FieldError("actual_end", "in_future", {"value": command.actual_end.isoformat()}))
    punctual = abs(command.actual_start - state.planned_start) <= PUNCTUAL
    return _take(
        state,
        Step.HOLD,
        told.VISIT_HELD,
        actual_start=command.actual_start,
        actual_end=command.actual_end,
        held_on=local_day(command.actual_start),
        punctual=punctual,
    )


def record_protocol(state: VisitState, command: RecordProtocol, today: date) -> Result:
    """The negotiation of a visit that was held; recorded again it is replaced. Raises InvalidInput, WrongState."""
    _require(state, Step.RECORD)
    assert state.held_on is not None
    faults = [
        FieldError(f"actions.{index}.due_on", "earlier_than", {"limit": state.held_on.isoformat()})
        for index, each in enumerate(command.actions)
        if each.due_on < state.held_on
    ]
    if command.outcome is Outcome.TO_BE_CONTINUED and not command.actions and state.protocol is None:
        faults.append(FieldError("actions", "next_actions_needed"))
    if faults:
        raise InvalidInput(*faults)
    protocol = Protocol(
        steps=tuple(sorted(command.steps)),
        outcome=command.outcome,
        causes=command.causes,
        recorded_on=today,
        results=tuple(sorted(command.results, key=lambda each: each.step)),
    )
    return _take(state, Step.RECORD, told.VISIT_PROTOCOL_RECORDED, protocol=protocol)


def cancel(state: VisitState, command: CancelVisit, today: date) -> Result:
    """It won't take place; raises WrongState."""
    return _take(state, Step.CANCEL, told.VISIT_CANCELLED, cancelled_on=today, cancelled_for=command.causes)


def reassign(state: VisitState, enterprise_id: str) -> Result:
    """The visit follows a merged enterprise."""
    return _take(state, Step.REASSIGN, told.VISIT_REASSIGNED, enterprise_id=enterprise_id)


def _ahead(start: datetime, now: datetime) -> None:
    if start <= now - LATE_ENTRY:
        raise InvalidInput(FieldError("planned_start", "has_passed", {"value": start.isoformat()}))


def _unfit(field: str, envoy: Rank, host: Rank, size: EnterpriseSize | None) -> FieldError:
    params: dict[str, str | int | float] = {
        "envoy": envoy.value,
        "host": host.value,
        "fitting": ", ".join(standing.fitting(host, size)),
    }
    return FieldError(field, "envoy_never", params)


def _require(state: VisitState, step: Step) -> Status:
    status = LIFECYCLE.get((state.status, step))
    if status is None:
        possible = (each for from_, each in LIFECYCLE if from_ is state.status and each is not Step.REASSIGN)
        raise refuse(state.status.value, step.value, possible)
    return status


def _take(state: VisitState, step: Step, event_type: EventType, **changes: Any) -> Result:
    status = _require(state, step)
    return event_type, state.model_copy(update={**changes, "status": status, "version": state.version + 1})
