"""The lives of what is done under each form, walked line by line and where there is no line – and their rules."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.agreements.domain import schedules
from services.agreements.domain.agreements import SuspendAgreement, suspend
from services.agreements.domain.practice import courses, outcomes, placements, projects, sessions, specialists
from services.agreements.domain.practice.common import Life
from services.agreements.domain.practice.placements import BreakOff, ConfirmByEnterprise, LogDay, Presence
from shared.contracts.agreements import AgreementState
from shared.contracts.practice import (
    BreakCause,
    CourseStatus,
    EngagementStatus,
    ExpertReviewStatus,
    HeldStatus,
    IncomePurpose,
    Mark,
    OutcomeMatch,
    OutcomeStatus,
    PlacementStatus,
    ProjectKind,
    ProjectStatus,
    ReviewedKind,
    TrainingKind,
    Verdict,
)
from shared.contracts.vocabulary import Form
from shared.errors import InvalidInput, WrongState
from tests.unit.agreements.builders import ENTERPRISE, INSTITUTION, OTHER, TODAY, an_active, an_employment

SINCE, LAST = date(2026, 10, 12), date(2026, 12, 18)
BREAK = BreakOff(cause=BreakCause.HEALTH)
CONFIRM = ConfirmByEnterprise()
Told = tuple[Any, Any]


def scheduled(form: Form = Form.AF1, seats: int = 2) -> AgreementState:
    """An active agreement of this form; an internship has a term that has begun."""
    if form is not Form.AF1:
        return an_active(form)
    term = schedules.TermInput(term="t1", starts_on=SINCE, ends_on=LAST, profession="7212", seats=seats)
    return schedules.set_schedule(an_active(), schedules.SetSchedule(terms=(term,)))[1]


AGREEMENTS = {form: scheduled(form) for form in Form}


def assess(state: Any, *, by_enterprise: bool) -> Told:
    return placements.assess(
        state, placements.AssessPlacement(mark=Mark.GOOD), by_enterprise=by_enterprise, today=TODAY
    )


def place(**changes: Any) -> Told:
    command = placements.PlaceStudent(agreement_id="a", term="t1", student_ref="s-1", **changes)
    return placements.place("p", AGREEMENTS[Form.AF1], command, 0)


def keep(state: Any, *days: LogDay) -> Told:
    days = days or (LogDay(day=SINCE, presence=Presence.PRESENT, hours=6),)
    return placements.log(state, placements.Logbook(), placements.KeepLogbook(days=days), TODAY)[0]


def engage(**changes: Any) -> Told:
    command = specialists.EngageSpecialist(
        agreement_id="a", specialist_ref="e-7", subject="welding", since=SINCE, **changes
    )
    return specialists.engage("s", AGREEMENTS[Form.AF8], command)


def an_internship(**changes: Any) -> Told:
    fields = {"agreement_id": "a", "teacher_ref": "t-1", "starts_on": SINCE, "ends_on": LAST, "hours": 72, **changes}
    return courses.start_internship("i", AGREEMENTS[Form.AF4], courses.StartStaffInternship.model_validate(fields))


def a_training(**changes: Any) -> Told:
    fields = {
        "agreement_id": "a",
        "trainee_ref": "b-1",
        "kind": TrainingKind.RETRAINING,
        "profession": "7212",
        "referred_by": "bandlik-1708",
        "starts_on": SINCE,
        "ends_on": LAST,
        "hours": 72,
        **changes,
    }
    return courses.start_training("t", AGREEMENTS[Form.AF6], courses.StartTraining.model_validate(fields))


def a_session(**changes: Any) -> Told:
    fields = {
        "institution_id": INSTITUTION,
        "agreement_id": "a",
        "profession": "7212",
        "held_on": SINCE,
        "students": 20,
        "passed": 18,
        "examiners": [{"enterprise_id": ENTERPRISE, "examiner_ref": "x-1"}],
        **changes,
    }
    command = sessions.RecordCertification.model_validate(fields)
    agreement = AGREEMENTS[Form.AF7] if command.agreement_id else None
    return sessions.record_certification("c", agreement, command, TODAY)


def a_project(**changes: Any) -> Told:
    fields = {"agreement_id": "a", "kind": ProjectKind.SHORT_COURSES, "starts_on": SINCE, **changes}
    return projects.start("j", AGREEMENTS[Form.AF5], projects.StartProject.model_validate(fields))


def a_review(**changes: Any) -> Told:
    fields = {
        "agreement_id": "a",
        "kind": ReviewedKind.PROGRAMME,
        "document_ref": "D-7",
        "requested_on": SINCE,
        **changes,
    }
    return sessions.request_review("r", AGREEMENTS[Form.AF3], sessions.RequestReview.model_validate(fields), TODAY)


@dataclass(frozen=True)
class Walk:
    """A kind: its life, how it begins, what brings it to each status, and how each step is taken."""

    life: Life[Any]
    statuses: type[StrEnum]
    first: Any
    steps: Mapping[StrEnum, Callable[[Any], Told]]

    def at(self, status: StrEnum) -> Any:
        """It in this status, by the steps of its own table."""
        seen, waiting = {self.first.status}, [self.first]
        while waiting:
            state = waiting.pop(0)
            if state.status is status:
                return state
            for from_, step in self.life.table:
                if from_ is state.status and (after := self.steps[step](state)[1]).status not in seen:
                    seen.add(after.status)
                    waiting.append(after)
        raise AssertionError(f"no step leads to {status}")


C, S, P = courses.Step, sessions.Step, placements.Step
WALKS = {
    "placement": Walk(
        placements.LIFE,
        PlacementStatus,
        place()[1],
        {
            P.CORRECT: lambda state: placements.correct(
                state, AGREEMENTS[Form.AF1], placements.CorrectPlacement(ends_on=date(2026, 12, 1))
            ),
            P.CONFIRM: lambda state: placements.confirm(state, CONFIRM, TODAY),
            P.LOG: keep,
            P.ASSESS: lambda state: assess(state, by_enterprise=False),
            P.COMPLETE: lambda state: assess(assess(state, by_enterprise=False)[1], by_enterprise=True),
            P.BREAK_OFF: lambda state: placements.break_off(state, BREAK, TODAY),
            P.CANCEL: placements.cancel,
            P.REASSIGN: lambda state: placements.reassign(state, ENTERPRISE, OTHER),
        },
    ),
    "specialist": Walk(
        specialists.LIFE,
        EngagementStatus,
        engage()[1],
        {
            specialists.Step.TEACH: lambda state: specialists.teach(
                state, specialists.TellHours(month="2026-10", hours=12), TODAY
            ),
            specialists.Step.CONFIRM: lambda state: specialists.confirm(state, CONFIRM, TODAY),
            specialists.Step.END: lambda state: specialists.end(state, specialists.EndEngagement(), TODAY),
            specialists.Step.CANCEL: specialists.cancel,
            specialists.Step.REASSIGN: lambda state: specialists.reassign(state, ENTERPRISE, OTHER),
        },
    ),
    "staff_internship": Walk(
        courses.INTERNSHIP,
        CourseStatus,
        an_internship()[1],
        {
            C.CONFIRM: lambda state: courses.confirm_internship(state, CONFIRM, TODAY),
            C.COMPLETE: lambda state: courses.complete_internship(state, courses.CompleteCourse(), TODAY),
            C.BREAK_OFF: lambda state: courses.break_off_internship(state, BREAK, TODAY),
            C.CANCEL: courses.cancel_internship,
            C.REASSIGN: lambda state: courses.reassign_internship(state, ENTERPRISE, OTHER),
        },
    ),
    "training": Walk(
        courses.TRAINING,
        CourseStatus,
        a_training()[1],
        {
            C.COMPLETE: lambda state: courses.complete_training(state, courses.CompleteCourse(), TODAY),
            C.BREAK_OFF: lambda state: courses.break_off_training(state, BREAK, TODAY),
            C.CANCEL: courses.cancel_training,
        },
    ),
    "certification": Walk(
        sessions.CERTIFICATION,
        HeldStatus,
        a_session()[1],
        {
            S.CORRECT: lambda state: sessions.correct_certification(state, sessions.CorrectCertification(passed=19)),
            S.CANCEL: sessions.cancel_certification,
            S.REASSIGN: lambda state: sessions.reassign_certification(state, ENTERPRISE, OTHER),
        },
    ),
    "expert_review": Walk(
        sessions.REVIEW,
        ExpertReviewStatus,
        a_review()[1],
        {
            S.REVIEW: lambda state: sessions.give_verdict(state, sessions.GiveVerdict(verdict=Verdict.APPROVED), TODAY),
            S.CANCEL: sessions.cancel_review,
            S.REASSIGN: lambda state: sessions.reassign_review(state, ENTERPRISE, OTHER),
        },
    ),
    "project": Walk(
        projects.LIFE,
        ProjectStatus,
        a_project()[1],
        {
            projects.Step.END: lambda state: projects.end(state, projects.EndProject(), TODAY),
            projects.Step.CANCEL: projects.cancel,
            projects.Step.REASSIGN: lambda state: projects.reassign(state, ENTERPRISE, OTHER),
        },
    ),
}
CASES = [
    pytest.param(walk, status, step, id=f"{name}-{status}-{step}")
    for name, walk in WALKS.items()
    for status, step in product(walk.statuses, walk.steps)
]


@pytest.mark.parametrize("walk", WALKS.values(), ids=WALKS)
def test_every_line_of_a_table_is_walked_and_told(walk: Walk) -> None:
    assert {step for _, step in walk.life.table} == set(walk.steps)
    assert set(walk.life.told_as) == set(walk.steps)
    assert {status for status, _ in walk.life.table} | set(walk.life.table.values()) == set(walk.statuses)


@pytest.mark.parametrize(("walk", "status", "step"), CASES)
def test_step_leads_where_the_table_says_or_names_what_is_possible(walk: Walk, status: StrEnum, step: StrEnum) -> None:
    state = walk.at(status)
    if (status, step) in walk.life.table:
        event_type, after = walk.steps[step](state)
        assert (event_type, after.status) == (walk.life.told_as[step], walk.life.table[status, step])
        assert after.version > state.version
        return
    with pytest.raises(WrongState) as refusal:
        walk.steps[step](state)
    offered = refusal.value.params["possible"]
    can = [each.value for from_, each in walk.life.table if from_ is status and each not in walk.life.nobodys]
    assert offered == (", ".join(can) or "–")


# Each rests on an agreement of its form that was active on the day.

BEGINNINGS: dict[str, tuple[Form, Callable[[AgreementState, date], Told]]] = {
    "placement": (
        Form.AF1,
        lambda agreement, day: placements.place(
            "p", agreement, placements.PlaceStudent(agreement_id="a", term="t1", student_ref="s", starts_on=day), 0
        ),
    ),
    "specialist": (
        Form.AF8,
        lambda agreement, day: specialists.engage(
            "s",
            agreement,
            specialists.EngageSpecialist(agreement_id="a", specialist_ref="e", subject="w", since=day),
        ),
    ),
    "staff_internship": (
        Form.AF4,
        lambda agreement, day: courses.start_internship(
            "i",
            agreement,
            courses.StartStaffInternship(agreement_id="a", teacher_ref="t", starts_on=day, ends_on=LAST, hours=1),
        ),
    ),
    "training": (
        Form.AF6,
        lambda agreement, day: courses.start_training(
            "t",
            agreement,
            courses.StartTraining(
                agreement_id="a",
                trainee_ref="b",
                kind=TrainingKind.TRAINING,
                profession="7212",
                referred_by="l",
                starts_on=day,
                ends_on=LAST,
                hours=1,
            ),
        ),
    ),
    "certification": (
        Form.AF7,
        lambda agreement, day: sessions.record_certification(
            "c",
            agreement,
            sessions.RecordCertification(
                institution_id=INSTITUTION, agreement_id="a", profession="7212", held_on=day, students=1, passed=1
            ),
            TODAY,
        ),
    ),
    "project": (
        Form.AF5,
        lambda agreement, day: projects.start(
            "j", agreement, projects.StartProject(agreement_id="a", kind=ProjectKind.PRODUCTION, starts_on=day)
        ),
    ),
    "expert_review": (
        Form.AF3,
        lambda agreement, day: sessions.request_review(
            "r",
            agreement,
            sessions.RequestReview(agreement_id="a", kind=ReviewedKind.CURRICULUM, document_ref="d", requested_on=day),
            TODAY,
        ),
    ),
}


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("name", BEGINNINGS)
def test_practice_belongs_to_an_agreement_of_its_form(name: str, form: Form) -> None:
    own, begin = BEGINNINGS[name]
    if form is own:
        assert begin(AGREEMENTS[form], SINCE)[1].version == 1
        return
    agreement = AGREEMENTS[form].model_copy(update={"schedule": AGREEMENTS[Form.AF1].schedule})
    with pytest.raises(InvalidInput) as refusal:
        begin(agreement, SINCE)
    assert [error.rule for error in refusal.value.errors] == ["other_form"]


@pytest.mark.parametrize("name", BEGINNINGS)
def test_practice_is_on_days_on_which_the_agreement_was_active(name: str) -> None:
    form, begin = BEGINNINGS[name]
    paused = suspend(AGREEMENTS[form], SuspendAgreement(suspended_on=date(2026, 10, 20)), TODAY)[1]
    assert begin(paused, date(2026, 10, 19))[1].institution_id == INSTITUTION
    with pytest.raises(InvalidInput) as refusal:
        begin(paused, date(2026, 10, 20))
    assert [error.rule for error in refusal.value.errors] == ["not_active_then"]


# What each is about.


def rule_of(work: Callable[[], object]) -> tuple[str, str]:
    """The one broken rule of a refusal, with its field."""
    with pytest.raises(InvalidInput) as refusal:
        work()
    (error,) = refusal.value.errors
    return error.field, error.rule


def test_a_term_has_as_many_places_as_seats() -> None:
    command = placements.PlaceStudent(agreement_id="a", term="t1", student_ref="s-9")
    assert placements.place("p", AGREEMENTS[Form.AF1], command, 1)[1].profession == "7212"
    assert rule_of(lambda: placements.place("p", AGREEMENTS[Form.AF1], command, 2)) == ("term", "more_than_seats")
    other = command.model_copy(update={"term": "t2"})
    assert rule_of(lambda: placements.place("p", AGREEMENTS[Form.AF1], other, 0)) == ("term", "unknown_term")
    assert rule_of(lambda: place(ends_on=date(2026, 12, 19))) == ("ends_on", "outside_term")
    assert rule_of(lambda: place(enterprise_id=OTHER)) == ("enterprise_id", "not_a_party")


@given(
    st.lists(
        st.builds(
            LogDay,
            day=st.dates(SINCE, date(2026, 10, 25)),
            presence=st.sampled_from(Presence),
            hours=st.integers(0, 12),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_logbook_totals_are_those_of_the_last_word_on_each_day(days: list[LogDay]) -> None:
    last = {each.day: each for each in days}
    kept = placements.Logbook()
    for each in days:
        kept = kept.kept([each])
    assert kept == placements.Logbook().kept(days)
    total = kept.totals
    assert total.present + total.excused + total.absent == len(last)
    assert total.hours == sum(each.hours for each in last.values() if each.presence is Presence.PRESENT)


def test_placement_is_complete_with_both_sides_and_confirmed_anew_after_a_correction() -> None:
    first = assess(place()[1], by_enterprise=True)[1]
    assert (first.status, first.enterprise_mark, first.institution_mark) == (PlacementStatus.PLACED, Mark.GOOD, None)
    again = assess(first, by_enterprise=True)[1]
    assert again.status is PlacementStatus.PLACED
    done = assess(again, by_enterprise=False)[1]
    assert (done.status, done.completed_on) == (PlacementStatus.COMPLETED, min(TODAY, LAST))
    confirmed = placements.confirm(place()[1], CONFIRM, TODAY)[1]
    change = placements.CorrectPlacement(ends_on=date(2026, 12, 1))
    assert confirmed.confirmed_on == TODAY
    assert placements.correct(confirmed, AGREEMENTS[Form.AF1], change)[1].confirmed_on is None
    late = LogDay(day=date(2026, 12, 19), presence=Presence.ABSENT)
    assert rule_of(lambda: keep(place()[1], late)) == ("days.0.day", "outside_placement")


def test_hours_of_a_month_replace_each_other_and_are_confirmed_anew() -> None:
    state = specialists.confirm(engage()[1], CONFIRM, TODAY)[1]
    for month, hours in (("2026-11", 4), ("2026-10", 12), ("2026-11", 6), ("2026-10", 0)):
        state = specialists.teach(state, specialists.TellHours(month=month, hours=hours), TODAY)[1]
    assert [(each.month, each.hours) for each in state.hours] == [("2026-11", 6)]
    assert state.confirmed_on is None
    for month in ("2026-09", "2026-12"):
        told = specialists.TellHours(month=month, hours=1)
        assert rule_of(lambda told=told: specialists.teach(state, told, TODAY)) == ("month", "outside_term")  # type: ignore[misc]


def test_session_without_enterprises_needs_no_agreement_and_examiners_come_from_parties() -> None:
    assert a_session(agreement_id=None, examiners=[])[1].examiners == ()
    stranger = [{"enterprise_id": OTHER, "examiner_ref": "x"}]
    assert rule_of(lambda: a_session(examiners=stranger)) == ("examiners.0.enterprise_id", "not_a_party")
    more = sessions.CorrectCertification(students=17)
    assert rule_of(lambda: sessions.correct_certification(a_session()[1], more)) == ("passed", "more_passed_than_sat")


def an_outcome(state: Any = None, **changes: Any) -> Told:
    """A graduate at work at six months, or what is said of another."""
    fields = {
        "institution_id": INSTITUTION,
        "graduate_ref": an_employment().graduate_ref,
        "graduated_on": date(2026, 2, 1),
        "months": 6,
        "status": OutcomeStatus.EMPLOYED,
        "surveyed_on": date(2026, 8, 10),
        "match": OutcomeMatch.FULL,
        "enterprise_id": ENTERPRISE,
        **changes,
    }
    return outcomes.report(state, outcomes.ReportOutcome.model_validate(fields), TODAY)


@pytest.mark.parametrize("status", list(OutcomeStatus))
def test_only_who_works_has_a_job_and_not_reached_is_a_status_of_its_own(status: OutcomeStatus) -> None:
    if status in outcomes.AT_WORK:
        assert an_outcome(status=status)[1].match is OutcomeMatch.FULL
        return
    with pytest.raises(ValueError, match="job_without_work"):
        an_outcome(status=status)
    assert an_outcome(status=status, match=None, enterprise_id=None)[1].status is status


def test_outcome_is_one_for_each_graduate_and_point_in_time() -> None:
    first = an_outcome()[1]
    assert an_outcome(months=12)[1].id != first.id
    confirmed = outcomes.confirm(first, CONFIRM, TODAY)[1]
    corrected = an_outcome(confirmed, match=OutcomeMatch.NONE)[1]
    assert (corrected.id, corrected.version, corrected.confirmed_on) == (first.id, 3, None)
    withdrawn = outcomes.withdraw(corrected)[1]
    with pytest.raises(WrongState) as refusal:
        outcomes.confirm(withdrawn, CONFIRM, TODAY)
    assert refusal.value.params["possible"] == "report"
    assert not an_outcome(withdrawn)[1].withdrawn
    assert rule_of(lambda: an_outcome(surveyed_on=date(2026, 2, 1))) == ("surveyed_on", "not_after")


def test_income_of_a_month_is_a_report_even_of_nothing_and_null_once_withdrawn() -> None:
    def income(state: Any, month: str, *amounts: int) -> Any:
        items = [{"purpose": IncomePurpose.RENT, "amount_tiyin": amount} for amount in amounts]
        fields = {"institution_id": INSTITUTION, "month": month, "items": items}
        return projects.report_income(state, projects.ReportIncome.model_validate(fields), TODAY)[1]

    nothing = income(None, "2026-10")
    assert (nothing.total_tiyin, nothing.withdrawn) == (0, False)
    something = income(nothing, "2026-10", 5, 7)
    assert (something.id, something.version, something.total_tiyin) == (nothing.id, 2, 12)
    withdrawn = projects.withdraw_income(something)[1]
    assert (withdrawn.withdrawn, withdrawn.items, withdrawn.total_tiyin) == (True, (), 0)
    with pytest.raises(WrongState):
        projects.withdraw_income(withdrawn)
    assert rule_of(lambda: income(None, "2026-12")) == ("month", "in_future")
