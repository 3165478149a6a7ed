"""The tables of transitions, walked line by line – and every pair that has no line."""

from collections.abc import Callable
from datetime import date
from itertools import product

import pytest

from services.agreements.domain import activities, agreements, employments, lifecycle, schedules
from services.agreements.domain.lifecycle import LIFECYCLE, NOBODYS, Step
from shared.contracts.agreements import (
    AgreementState,
    AgreementStatus,
    EmploymentState,
    EmploymentStatus,
    PendingAmendment,
    Renewal,
)
from shared.contracts.vocabulary import Opportunity
from shared.errors import WrongState
from tests.unit.agreements.builders import (
    ENTERPRISE,
    KEEPER,
    OTHER,
    TODAY,
    a_draft,
    an_active,
    an_employment,
    brought_to,
    on_paper,
    signed,
)

LATER = date(2027, 7, 1)
TERM = schedules.TermInput(
    term="t1", starts_on=date(2026, 11, 1), ends_on=date(2026, 12, 20), profession="7212", seats=10
)
SCHEDULE = schedules.SetSchedule(terms=(TERM,))


def scheduled(state: AgreementState) -> AgreementState:
    return schedules.set_schedule(state, SCHEDULE)[1]


def half_signed(state: AgreementState) -> AgreementState:
    return agreements.sign(state, on_paper("p1", date(2026, 9, 20)), KEEPER, TODAY)[1]


IN: dict[AgreementStatus, AgreementState] = {
    AgreementStatus.DRAFT: scheduled(a_draft()),
    AgreementStatus.SIGNED: signed(scheduled(a_draft()), date(2026, 9, 20), date(2026, 10, 1)),
    AgreementStatus.ACTIVE: scheduled(an_active()),
    AgreementStatus.SUSPENDED: agreements.suspend(
        scheduled(an_active()), agreements.SuspendAgreement(suspended_on=date(2026, 11, 2)), TODAY
    )[1],
    AgreementStatus.ENDED: agreements.end(scheduled(an_active()), agreements.EndAgreement(), TODAY)[1],
    AgreementStatus.EXPIRED: brought_to(scheduled(an_active()), LATER),
    AgreementStatus.CANCELLED: agreements.cancel(scheduled(a_draft()))[1],
}
"""An agreement in every state, each with a schedule."""

PROPOSED = PendingAmendment(agreed_on=TODAY, effective_on=TODAY, opportunities=(Opportunity.O1,), awaits=("p1", "p2"))

HOW: dict[Step, Callable[[AgreementState], AgreementState]] = {
    Step.SIGN: half_signed,
    Step.COMPLETE: lambda state: agreements.sign(half_signed(state), on_paper("p2", date(2026, 10, 1)), KEEPER, TODAY)[
        1
    ],
    Step.ACTIVATE: lambda state: by_the_calendar(state, TODAY),
    Step.SCHEDULE: lambda state: schedules.set_schedule(state.model_copy(update={"schedule": ()}), SCHEDULE)[1],
    Step.REPORT: lambda state: schedules.report_term(state, "t1", schedules.ReportTerm(filled=3))[1],
    Step.RECORD_ACTIVITY: lambda state: recorded(state),
    Step.AMEND: lambda state: agreements.amend(
        state, agreements.AmendAgreement(opportunities=(Opportunity.O1,), scan_ref="scan"), TODAY
    )[1],
    Step.AGREE_AMENDMENT: lambda state: agreements.amend(
        state, agreements.AmendAgreement(opportunities=(Opportunity.O1,), every_party=True), TODAY
    )[1],
    Step.CONFIRM_AMENDMENT: lambda state: agreements.confirm_amendment(
        state.model_copy(update={"pending": PROPOSED}), on_paper("p1", TODAY), KEEPER, TODAY
    )[1],
    Step.GIVE_NOTICE: lambda state: agreements.give_notice(renewable(state), TODAY)[1],
    Step.RENEW: lambda state: by_the_calendar(renewable(state), LATER),
    Step.SUSPEND: lambda state: agreements.suspend(state, agreements.SuspendAgreement(), TODAY)[1],
    Step.RESUME: lambda state: agreements.resume(state, agreements.ResumeAgreement(), TODAY)[1],
    Step.END: lambda state: agreements.end(state, agreements.EndAgreement(), TODAY)[1],
    Step.EXPIRE: lambda state: by_the_calendar(state, LATER),
    Step.CANCEL: lambda state: agreements.cancel(state)[1],
    Step.REASSIGN: lambda state: agreements.reassign(state, ENTERPRISE, OTHER)[1],
}


def renewable(state: AgreementState) -> AgreementState:
    return state.model_copy(update={"renewal": Renewal(months=12, notice_days=30)})


def by_the_calendar(state: AgreementState, today: date) -> AgreementState:
    """The first thing that passing time does; nothing is a refusal."""
    for _, passed in agreements.passed(state, today):
        return passed
    raise WrongState


def recorded(state: AgreementState) -> AgreementState:
    activity = activities.record(
        "x", state, activities.RecordActivity(held_on=date(2026, 11, 1), participants=1), TODAY
    )[1]
    assert activity.agreement_id == state.id
    return state


def test_every_state_and_step_is_walked() -> None:
    assert set(IN) == set(AgreementStatus)
    assert set(HOW) == set(Step)
    assert all(state.status is status for status, state in IN.items())


@pytest.mark.parametrize(("status", "step"), list(product(AgreementStatus, Step)))
def test_step_leads_where_the_table_says_or_is_refused(status: AgreementStatus, step: Step) -> None:
    state = IN[status]
    if (status, step) == (AgreementStatus.SIGNED, Step.EXPIRE):
        # By then the calendar has brought it into force first.
        assert HOW[step](state).status is AgreementStatus.ACTIVE
        return
    if step is Step.RENEW and (status, step) not in LIFECYCLE:
        # Only what is in force is renewed: a signed one comes into force first, a suspended one expires.
        after = [outcome[1] for outcome in agreements.passed(renewable(state), LATER)]
        assert status is AgreementStatus.SIGNED or not any(each.renewals for each in after)
        return
    if (status, step) not in LIFECYCLE:
        with pytest.raises(WrongState):
            HOW[step](state)
        return
    result = HOW[step](state)
    assert result.status is LIFECYCLE[status, step]
    steps = {Step.RECORD_ACTIVITY: 0, Step.COMPLETE: 2}.get(step, 1)
    assert result.version == state.version + steps


@pytest.mark.parametrize("status", AgreementStatus)
def test_refusal_names_what_a_person_can_do_instead(status: AgreementStatus) -> None:
    offered = lifecycle.possible(status)
    assert not set(offered) & NOBODYS
    assert set(offered) | NOBODYS >= {step for from_, step in LIFECYCLE if from_ is status}
    refused = next(step for step in Step if (status, step) not in LIFECYCLE)
    with pytest.raises(WrongState) as refusal:
        lifecycle.require(IN[status], refused)
    assert refusal.value.params["possible"] == (", ".join(offered) or "–")


def test_only_a_cancelled_ended_or_expired_agreement_is_over() -> None:
    changing = {from_ for (from_, _), to in LIFECYCLE.items() if from_ is not to}
    assert set(AgreementStatus) - changing == {
        AgreementStatus.CANCELLED,
        AgreementStatus.ENDED,
        AgreementStatus.EXPIRED,
    }


# employments

CONFIRMED = employments.confirm(an_employment(), employments.ConfirmEmployment(), TODAY)[1]
EMPLOYED: dict[EmploymentStatus, EmploymentState] = {
    EmploymentStatus.REPORTED: an_employment(),
    EmploymentStatus.CONFIRMED: CONFIRMED,
    EmploymentStatus.ENDED: employments.end(CONFIRMED, employments.EndEmployment(), TODAY)[1],
    EmploymentStatus.CANCELLED: employments.cancel(CONFIRMED)[1],
}
EMPLOYMENT_HOW: dict[employments.Step, Callable[[EmploymentState], employments.Outcome]] = {
    employments.Step.CORRECT: lambda state: employments.correct(
        state, employments.CorrectEmployment(profession="7213"), TODAY
    ),
    employments.Step.CONFIRM: lambda state: employments.confirm(state, employments.ConfirmEmployment(), TODAY),
    employments.Step.END: lambda state: employments.end(state, employments.EndEmployment(), TODAY),
    employments.Step.CANCEL: employments.cancel,
    employments.Step.REASSIGN: lambda state: employments.reassign(state, OTHER),
}


@pytest.mark.parametrize(("status", "step"), list(product(EmploymentStatus, employments.Step)))
def test_employment_step_leads_where_the_table_says_or_is_refused(
    status: EmploymentStatus, step: employments.Step
) -> None:
    state = EMPLOYED[status]
    if (status, step) not in employments.LIFECYCLE:
        with pytest.raises(WrongState):
            EMPLOYMENT_HOW[step](state)
        return
    event_type, result = EMPLOYMENT_HOW[step](state)
    assert result.status is employments.LIFECYCLE[status, step]
    assert result.version == state.version + 1
    assert event_type is employments.TOLD_AS[step]
