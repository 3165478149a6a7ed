"""R10: the yearly work plan with cooperation measures: adopted, amended, carried out – or overdue – and closed."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from services.agreements.domain.final_stage import Details, EvidenceInput, Line, Text, refuse
from services.agreements.domain.inputs import Command, Day, Opportunities, check_day
from shared.contracts.events import EventType
from shared.contracts.fields import AcademicYear, Id, Ref
from shared.contracts.final_stage import (
    WORK_PLAN_ADOPTED,
    WORK_PLAN_AMENDED,
    WORK_PLAN_CLOSED,
    WORK_PLAN_MEASURE_DONE,
    WORK_PLAN_MEASURE_OVERDUE,
    WORK_PLAN_MEASURE_REOPENED,
    Measure,
    MeasureStatus,
    WorkPlanState,
    WorkPlanStatus,
)
from shared.contracts.vocabulary import Form
from shared.errors import FieldError, InvalidInput

Outcome = tuple[EventType, WorkPlanState]
ONE_DAY = timedelta(days=1)
MAX_MEASURES = 300


class Step(StrEnum):
    """What can happen to a measure of a plan that is not closed."""

    CHANGE = "change"
    DO = "done"
    REOPEN = "reopen"
    CANCEL = "cancel"
    OVERDUE = "overdue"  # by the calendar


MEASURES: dict[tuple[MeasureStatus, Step], MeasureStatus] = {
    (MeasureStatus.PLANNED, Step.CHANGE): MeasureStatus.PLANNED,
    (MeasureStatus.PLANNED, Step.DO): MeasureStatus.DONE,
    (MeasureStatus.PLANNED, Step.CANCEL): MeasureStatus.CANCELLED,
    (MeasureStatus.PLANNED, Step.OVERDUE): MeasureStatus.OVERDUE,
    #
    (MeasureStatus.OVERDUE, Step.CHANGE): MeasureStatus.PLANNED,
    (MeasureStatus.OVERDUE, Step.DO): MeasureStatus.DONE,
    (MeasureStatus.OVERDUE, Step.CANCEL): MeasureStatus.CANCELLED,
    # Recorded in error: it is to be done again, and may be overdue at once.
    (MeasureStatus.DONE, Step.REOPEN): MeasureStatus.PLANNED,
}
"""The life of a measure."""

PLANS: dict[tuple[WorkPlanStatus, str], WorkPlanStatus] = {
    (WorkPlanStatus.ADOPTED, "amend"): WorkPlanStatus.ADOPTED,
    (WorkPlanStatus.ADOPTED, "done"): WorkPlanStatus.ADOPTED,
    (WorkPlanStatus.ADOPTED, "reopen"): WorkPlanStatus.ADOPTED,
    (WorkPlanStatus.ADOPTED, "close"): WorkPlanStatus.CLOSED,
}
"""The life of a plan."""


class MeasureText(Details):
    """What a measure is."""

    measure_id: str
    title: str
    expected: str = ""


class WorkPlanDetails(Details):
    """What the measures are."""

    texts: tuple[MeasureText, ...] = ()


class WorkPlanShown(WorkPlanState, WorkPlanDetails):
    """A plan with what its measures are."""


class MeasureInput(Command):
    """A cooperation measure."""

    title: Line = Field(description="what will be done")
    expected: Text = Field(default="", description="what is expected of it")
    due_on: Day = Field(description="last day in time, within the academic year")
    responsible_ref: Ref = Field(description="opaque reference of the responsible person")
    opportunities: Opportunities = Field(description="opportunities it serves (O1–O7)")
    form: Form | None = Field(default=None, description="form of agreement it belongs to, if one")


class MeasureChange(Command):
    """Another day, responsible, or text of a measure; what is left out stays."""

    measure_id: Ref = Field(description="which measure")
    due_on: Day | None = Field(default=None, description="new last day in time")
    responsible_ref: Ref | None = Field(default=None, description="new responsible")
    title: Line | None = Field(default=None, description="new text")


EXAMPLE: JsonDict = {
    "title": "Korxona mutaxassislari bilan ochiq dars",
    "due_on": "2026-11-20",
    "responsible_ref": "T-117",
    "opportunities": ["O2"],
    "form": "AF8",
}


class AdoptWorkPlan(Command):
    """Adopt the plan of an academic year, before it begins or during it; an institution has one a year."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "institution_id": "01980000-0000-7000-8000-00000000000a",
                    "academic_year": "2026-27",
                    "adopted_on": "2026-08-28",
                    "measures": [EXAMPLE],
                }
            ]
        }
    )

    institution_id: Id = Field(description="whose plan it is")
    academic_year: AcademicYear = Field(description="September to August")
    adopted_on: Day = Field(description="day of the pedagogical council's decision")
    measures: Annotated[tuple[MeasureInput, ...], Field(min_length=1, max_length=MAX_MEASURES)] = Field(
        description="the measures, numbered m1, m2 … in this order"
    )


class AmendWorkPlan(Command):
    """Add, change or cancel measures; what is done stays as it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"add": [EXAMPLE], "change": [{"measure_id": "m1", "due_on": "2026-12-20"}], "cancel": ["m2"]}]
        }
    )

    amended_on: Day | None = Field(default=None, description="day of the decision (default: today)")
    add: Annotated[tuple[MeasureInput, ...], Field(max_length=MAX_MEASURES)] = Field(
        default=(), description="new measures"
    )
    change: Annotated[tuple[MeasureChange, ...], Field(max_length=MAX_MEASURES)] = Field(
        default=(), description="changed measures"
    )
    cancel: Annotated[tuple[Ref, ...], Field(max_length=MAX_MEASURES)] = Field(
        default=(), description="ids of measures given up"
    )

    @model_validator(mode="after")
    def _something(self) -> "AmendWorkPlan":
        if not (self.add or self.change or self.cancel):
            raise ValueError("no_measure_amended")
        return self


class CarryOutMeasure(Command):
    """A measure is done, shown by evidence."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"done_on": "2026-11-18", "evidence": [{"kind": "file", "ref": "protocol-2026-18"}]}]
        }
    )

    done_on: Day | None = Field(default=None, description="when (default: today)")
    evidence: Annotated[tuple[EvidenceInput, ...], Field(min_length=1, max_length=20)] = Field(
        description="what shows it"
    )


class CloseWorkPlan(Command):
    """The year's work is summed up; nothing changes afterwards."""

    closed_on: Day | None = Field(default=None, description="when (default: today)")


def year_of(academic_year: str) -> tuple[date, date]:
    """First day of an academic year and first day after it: "2026-27" -> 1 September 2026, 1 September 2027."""
    first = int(academic_year[:4])
    return date(first, 9, 1), date(first + 1, 9, 1)


def adopt(id_: str, command: AdoptWorkPlan, today: date) -> Outcome:
    """A new plan; raises InvalidInput with every fault of its days."""
    since, until = year_of(command.academic_year)
    check_day("adopted_on", command.adopted_on, first=date.min, today=today)
    if command.adopted_on >= until:
        raise InvalidInput(FieldError("adopted_on", "later_than", {"limit": (until - ONE_DAY).isoformat()}))
    return WORK_PLAN_ADOPTED, WorkPlanState(
        id=id_,
        version=1,
        institution_id=command.institution_id,
        academic_year=command.academic_year,
        status=WorkPlanStatus.ADOPTED,
        adopted_on=command.adopted_on,
        since=max(since, command.adopted_on),
        until=until,
        measures=_numbered(command.measures, 0, command.academic_year, "measures"),
    )


def amend(state: WorkPlanState, command: AmendWorkPlan, today: date) -> Outcome:
    """The plan with its measures changed; raises InvalidInput, WrongState where a measure is done or given up."""
    _require(state, "amend")
    amended_on = command.amended_on or today
    check_day("amended_on", amended_on, first=state.adopted_on, today=today)
    measures = {measure.measure_id: measure for measure in state.measures}
    for index, change in enumerate(command.change):
        measure = _found(measures, change.measure_id, f"change.{index}.measure_id")
        due_on = change.due_on or measure.due_on
        if faults := list(_due_faults(f"change.{index}.due_on", due_on, state.academic_year)):
            raise InvalidInput(*faults)
        measures[measure.measure_id] = _stepped(
            measure,
            Step.CHANGE,
            due_on=due_on,
            responsible_ref=change.responsible_ref or measure.responsible_ref,
            overdue_since=None,
        )
    for index, measure_id in enumerate(command.cancel):
        measure = _found(measures, measure_id, f"cancel.{index}")
        measures[measure_id] = _stepped(measure, Step.CANCEL, overdue_since=None)
    if len(measures) + len(command.add) > MAX_MEASURES:
        raise InvalidInput(FieldError("add", "too_long", {"max_length": MAX_MEASURES - len(measures)}))
    added = _numbered(command.add, len(measures), state.academic_year, "add")
    return WORK_PLAN_AMENDED, _next(
        state, measures=(*measures.values(), *added), amendment=state.amendment + 1, amended_on=amended_on
    )


def carry_out(state: WorkPlanState, measure_id: str, command: CarryOutMeasure, today: date) -> Outcome:
    """A measure done, in time or late; raises InvalidInput, WrongState where it is done or given up."""
    _require(state, "done")
    done_on = command.done_on or today
    check_day("done_on", done_on, first=state.adopted_on, today=today)
    measure = _found({each.measure_id: each for each in state.measures}, measure_id, "measure_id")
    evidence = tuple(dict.fromkeys(each.told() for each in command.evidence))
    done = _stepped(measure, Step.DO, done_on=done_on, evidence=evidence, overdue_since=None)
    return WORK_PLAN_MEASURE_DONE, _next(state, measures=_with(state, done))


def reopen(state: WorkPlanState, measure_id: str) -> Outcome:
    """Recorded as done in error; raises InvalidInput, WrongState where it is not done."""
    _require(state, "reopen")
    measure = _found({each.measure_id: each for each in state.measures}, measure_id, "measure_id")
    open_again = _stepped(measure, Step.REOPEN, done_on=None, evidence=())
    return WORK_PLAN_MEASURE_REOPENED, _next(state, measures=_with(state, open_again))


def close(state: WorkPlanState, command: CloseWorkPlan, today: date) -> Outcome:
    """Summed up; raises InvalidInput for a day before it was adopted or in the future, WrongState."""
    _require(state, "close")
    closed_on = command.closed_on or today
    check_day("closed_on", closed_on, first=state.adopted_on, today=today)
    return WORK_PLAN_CLOSED, _next(state, status=WorkPlanStatus.CLOSED, closed_on=closed_on)


def passed(state: WorkPlanState, today: date) -> Iterator[Outcome]:
    """What passing time has done by `today`: each measure that is not done is overdue on the day after its last."""
    if state.status is not WorkPlanStatus.ADOPTED:
        return
    for measure in sorted(state.measures, key=lambda each: (each.due_on, each.measure_id)):
        if (measure.status, Step.OVERDUE) in MEASURES and measure.due_on < today:
            overdue = _stepped(measure, Step.OVERDUE, overdue_since=measure.due_on + ONE_DAY)
            state = _next(state, measures=_with(state, overdue))
            yield WORK_PLAN_MEASURE_OVERDUE, state


def next_due(state: WorkPlanState) -> date | None:
    """The day after which the calendar has something to say, or None."""
    if state.status is not WorkPlanStatus.ADOPTED:
        return None
    return min((each.due_on for each in state.measures if (each.status, Step.OVERDUE) in MEASURES), default=None)


def texts(
    state: WorkPlanState, added: Sequence[MeasureInput], before: WorkPlanDetails | None = None
) -> WorkPlanDetails:
    """The details with the texts of the last measures of the state, which are `added`."""
    new = state.measures[len(state.measures) - len(added) :]
    return WorkPlanDetails(
        texts=(
            *(before.texts if before else ()),
            *(
                MeasureText(measure_id=measure.measure_id, title=text.title, expected=text.expected)
                for measure, text in zip(new, added, strict=True)
            ),
        )
    )


def renamed(details: WorkPlanDetails, changes: Sequence[MeasureChange]) -> WorkPlanDetails:
    """The details with the new titles."""
    titles = {change.measure_id: change.title for change in changes if change.title is not None}
    return WorkPlanDetails(
        texts=tuple(
            text.model_copy(update={"title": titles.get(text.measure_id, text.title)}) for text in details.texts
        )
    )


def _numbered(inputs: Sequence[MeasureInput], already: int, year: str, field: str) -> tuple[Measure, ...]:
    faults = [
        fault
        for index, each in enumerate(inputs)
        for fault in _due_faults(f"{field}.{index}.due_on", each.due_on, year)
    ]
    if faults:
        raise InvalidInput(*faults)
    return tuple(
        Measure(
            measure_id=f"m{number}",
            due_on=each.due_on,
            responsible_ref=each.responsible_ref,
            opportunities=each.opportunities,
            form=each.form,
        )
        for number, each in enumerate(inputs, start=already + 1)
    )


def _due_faults(field: str, due_on: date, academic_year: str) -> Iterator[FieldError]:
    since, until = year_of(academic_year)
    if not since <= due_on < until:
        yield FieldError(field, "outside_year", {"since": since.isoformat(), "until": (until - ONE_DAY).isoformat()})


def _found(measures: dict[str, Measure], measure_id: str, field: str) -> Measure:
    measure = measures.get(measure_id)
    if measure is None:
        raise InvalidInput(FieldError(field, "unknown_measure", {"value": measure_id[:64]}))
    return measure


def _stepped(measure: Measure, step: Step, **changes: Any) -> Measure:
    status = MEASURES.get((measure.status, step))
    if status is None:
        offered = {key: value for key, value in MEASURES.items() if key[1] is not Step.OVERDUE}
        raise refuse(measure.status, step, offered)
    return measure.model_copy(update={**changes, "status": status})


def _with(state: WorkPlanState, changed: Measure) -> tuple[Measure, ...]:
    return tuple(changed if each.measure_id == changed.measure_id else each for each in state.measures)


def _require(state: WorkPlanState, step: str) -> None:
    if (state.status, step) not in PLANS:
        raise refuse(state.status, step, PLANS)


def _next(state: WorkPlanState, **changes: Any) -> WorkPlanState:
    return state.model_copy(update={**changes, "version": state.version + 1})
