"""R10: measures done, late, overdue, given up – walked through the table – and what of it is on time."""

from datetime import date
from itertools import product
from typing import Any

import pytest

from services.agreements.domain import work_plans
from services.agreements.domain.final_stage import EvidenceInput
from services.agreements.domain.work_plans import MEASURES, Step
from shared.contracts.final_stage import (
    WORK_PLAN_MEASURE_OVERDUE,
    EvidenceKind,
    Measure,
    MeasureStatus,
    WorkPlanState,
    WorkPlanStatus,
)
from shared.contracts.vocabulary import Opportunity
from shared.errors import InvalidInput, WrongState
from tests.unit.agreements.builders import INSTITUTION

ADOPTED = date(2026, 8, 28)
DUE = date(2026, 11, 20)
TODAY = date(2026, 11, 24)
EVIDENCE = (EvidenceInput(kind=EvidenceKind.FILE, ref="protocol-1"),)


def a_measure(due_on: date = DUE, title: str = "Ochiq dars") -> work_plans.MeasureInput:
    return work_plans.MeasureInput(title=title, due_on=due_on, responsible_ref="T-1", opportunities=(Opportunity.O2,))


def a_plan(*due: date, today: date = ADOPTED) -> WorkPlanState:
    command = work_plans.AdoptWorkPlan(
        institution_id=INSTITUTION,
        academic_year="2026-27",
        adopted_on=ADOPTED,
        measures=tuple(a_measure(each) for each in due or (DUE,)),
    )
    return work_plans.adopt("w", command, today)[1]


def brought_to(state: WorkPlanState, today: date) -> WorkPlanState:
    outcomes = list(work_plans.passed(state, today))
    assert all(event_type is WORK_PLAN_MEASURE_OVERDUE for event_type, _ in outcomes)
    return outcomes[-1][1] if outcomes else state


def done(state: WorkPlanState, measure_id: str = "m1", on: date | None = None) -> WorkPlanState:
    command = work_plans.CarryOutMeasure(done_on=on, evidence=EVIDENCE)
    return work_plans.carry_out(state, measure_id, command, TODAY)[1]


def amended(state: WorkPlanState, **changes: Any) -> WorkPlanState:
    return work_plans.amend(state, work_plans.AmendWorkPlan(**changes), TODAY)[1]


IN: dict[MeasureStatus, WorkPlanState] = {
    MeasureStatus.PLANNED: a_plan(),
    MeasureStatus.OVERDUE: brought_to(a_plan(), TODAY),
    MeasureStatus.DONE: done(a_plan()),
    MeasureStatus.CANCELLED: amended(a_plan(), cancel=("m1",)),
}


def take(state: WorkPlanState, step: Step) -> WorkPlanState:
    match step:
        case Step.CHANGE:
            return amended(state, change=(work_plans.MeasureChange(measure_id="m1", due_on=date(2027, 1, 10)),))
        case Step.DO:
            return done(state)
        case Step.REOPEN:
            return work_plans.reopen(state, "m1")[1]
        case Step.CANCEL:
            return amended(state, cancel=("m1",))
        case Step.OVERDUE:
            outcomes = list(work_plans.passed(state, TODAY))
            if not outcomes:
                raise WrongState(state=only(state).status, step=step)
            return outcomes[0][1]


def only(state: WorkPlanState) -> Measure:
    (measure,) = state.measures
    return measure


@pytest.mark.parametrize(("status", "step"), list(product(MeasureStatus, Step)))
def test_step_leads_where_the_table_says_or_is_refused(status: MeasureStatus, step: Step) -> None:
    state = IN[status]
    assert only(state).status is status
    if (status, step) not in MEASURES:
        with pytest.raises(WrongState) as refused:
            take(state, step)
        if step is not Step.OVERDUE:
            possible = [each for from_, each in MEASURES if from_ is status and each is not Step.OVERDUE]
            assert refused.value.params["possible"] == (", ".join(possible) or "–")
        return
    assert only(take(state, step)).status is MEASURES[status, step]


def test_measure_is_overdue_from_the_day_after_its_last() -> None:
    state = a_plan(DUE, date(2026, 10, 1))
    assert work_plans.next_due(state) == date(2026, 10, 1)
    assert list(work_plans.passed(state, date(2026, 10, 1))) == []
    outcomes = list(work_plans.passed(state, TODAY))
    assert [state.version for _, state in outcomes] == [2, 3]
    assert [measure.overdue_since for measure in outcomes[-1][1].measures] == [
        date(2026, 11, 21),
        date(2026, 10, 2),
    ]
    assert work_plans.next_due(outcomes[-1][1]) is None


def test_done_late_is_done_but_not_on_time() -> None:
    state = a_plan(DUE, DUE, DUE, DUE, date(2027, 3, 1))
    state = done(state, "m1", on=DUE)
    state = done(brought_to(state, TODAY), "m2", on=date(2026, 11, 23))
    state = amended(state, cancel=("m3",))
    in_time = [measure.done_on <= measure.due_on for measure in state.measures if measure.done_on is not None]
    assert in_time == [True, False]
    assert state.measures[1].overdue_since is None


def test_change_of_the_day_brings_an_overdue_measure_back() -> None:
    state = take(IN[MeasureStatus.OVERDUE], Step.CHANGE)
    assert (only(state).due_on, only(state).overdue_since) == (date(2027, 1, 10), None)
    assert list(work_plans.passed(state, TODAY)) == []
    assert (state.amendment, state.amended_on) == (1, TODAY)


def test_plan_holds_from_its_adoption_within_its_year() -> None:
    state = a_plan()
    assert (state.since, state.until) == (date(2026, 9, 1), date(2027, 9, 1))


@pytest.mark.parametrize("due_on", [date(2026, 8, 31), date(2027, 9, 1)])
def test_measure_outside_the_academic_year_is_refused(due_on: date) -> None:
    with pytest.raises(InvalidInput) as refused:
        a_plan(DUE, due_on)
    assert [(error.field, error.rule) for error in refused.value.errors] == [("measures.1.due_on", "outside_year")]


def test_unknown_measure_is_named() -> None:
    with pytest.raises(InvalidInput) as refused:
        amended(a_plan(), cancel=("m9",))
    assert [(error.field, error.rule) for error in refused.value.errors] == [("cancel.0", "unknown_measure")]


def test_closed_plan_changes_no_more_and_is_overdue_no_more() -> None:
    state = work_plans.close(a_plan(), work_plans.CloseWorkPlan(), TODAY)[1]
    assert (state.status, state.closed_on) == (WorkPlanStatus.CLOSED, TODAY)
    assert list(work_plans.passed(state, TODAY)) == []
    assert work_plans.next_due(state) is None
    for change in (lambda: done(state), lambda: amended(state, cancel=("m1",)), lambda: work_plans.reopen(state, "m1")):
        with pytest.raises(WrongState):
            change()


def test_texts_follow_added_and_renamed_measures() -> None:
    state = a_plan()
    texts = work_plans.texts(state, (a_measure(),))
    added = a_measure(title="Seminar")
    state = amended(state, add=(added,))
    texts = work_plans.texts(state, (added,), texts)
    texts = work_plans.renamed(texts, (work_plans.MeasureChange(measure_id="m1", title="Boshqa"),))
    assert [(text.measure_id, text.title) for text in texts.texts] == [("m1", "Boshqa"), ("m2", "Seminar")]
