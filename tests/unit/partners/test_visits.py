"""The rules of visits: ranks, calendars, the checklist and the table of a visit's life."""

from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError
from starlette.requests import Request

import services.partners
from services.partners.domain.visits import actions, calendars, standing, visits
from services.partners.domain.visits.calendars import WRONG_TIME, Busy, BusyThen, Clash, Engagement
from services.partners.domain.visits.visits import LIFECYCLE, Step
from shared.contracts.visits import (
    ActionStatus,
    Cause,
    Check,
    KnownEventKind,
    Outcome,
    ProtocolStep,
    Rank,
    Side,
    StepResult,
    StepTaken,
    VisitPlace,
    VisitState,
    VisitStatus,
    Waiver,
)
from shared.contracts.vocabulary import EnterpriseSize, Opportunity, PartnerCategory
from shared.errors import DomainError, InvalidInput, WrongState
from shared.i18n import SHARED_MESSAGES, Catalogue
from shared.web.problems import Problems

NOW = datetime(2026, 9, 1, 6, tzinfo=UTC)
TODAY = date(2026, 9, 1)
SIZES: tuple[EnterpriseSize | None, ...] = (*EnterpriseSize, None)


def a_plan(**changes: Any) -> visits.PlanVisit:
    start = NOW + timedelta(days=10)
    fields: dict[str, Any] = {
        "institution_id": "0199",
        "category": PartnerCategory.ENTERPRISE,
        "enterprise_id": "01aa",
        "opportunities": (Opportunity.O4,),
        "place": VisitPlace.AT_PARTNER,
        "envoy_ref": "T-3",
        "envoy_rank": Rank.HEAD,
        "host_rank": Rank.HEAD,
        "planned_start": start,
        "planned_end": start + timedelta(hours=1),
    }
    return visits.PlanVisit(**{**fields, **changes})


def a_visit(**changes: Any) -> VisitState:
    return visits.plan("v1", a_plan(**changes), EnterpriseSize.LARGE, NOW)[1]


def prepared(**changes: Any) -> VisitState:
    state = visits.agree(a_visit(**changes), visits.AgreeVisit(), TODAY)[1]
    for check in (Check.V1, Check.V5, Check.V6):
        state = visits.answer(state, check, visits.AnswerCheck(), TODAY)[1]
    return visits.prepare(state, EnterpriseSize.LARGE, dossier_complete=True)[1]


def held() -> VisitState:
    state = prepared()
    hold = visits.HoldVisit(actual_start=state.planned_start, actual_end=state.planned_end)
    return visits.hold(state, hold, state.planned_end)[1]


# -- V4


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("host", Rank)
def test_whoever_ranks_higher_may_go_where_a_lower_one_may(host: Rank, size: EnterpriseSize | None) -> None:
    allowed = [standing.fits(envoy, host, size) for envoy in standing.LADDER]
    assert allowed == sorted(allowed)
    assert allowed[-1]
    assert not allowed[0]
    assert standing.fitting(host, size) == tuple(
        rank for rank, fit in zip(standing.LADDER, allowed, strict=True) if fit
    )


@pytest.mark.parametrize("envoy", [Rank.STUDENT, Rank.TEACHER])
def test_teacher_or_student_is_never_sent_to_the_head_of_a_large_company(envoy: Rank) -> None:
    with pytest.raises(InvalidInput) as refusal:
        visits.plan("v1", a_plan(envoy_rank=envoy), EnterpriseSize.LARGE, NOW)
    assert refusal.value.errors[0].rule == "envoy_never"
    assert refusal.value.errors[0].params["fitting"] == "head"


# -- B1, B3


MOMENTS = st.integers(0, 60).map(lambda minutes: NOW + timedelta(minutes=minutes))


@given(MOMENTS, MOMENTS, MOMENTS, MOMENTS)
def test_overlap_is_a_common_moment(a: datetime, b: datetime, c: datetime, d: datetime) -> None:
    (a, b), (c, d) = sorted((a, b)), sorted((c, d))
    common = any(a <= (moment := NOW + timedelta(minutes=minute)) < b and c <= moment < d for minute in range(60))
    assert calendars.overlap(a, b, c, d) is common or a == b or c == d
    assert calendars.overlap(a, b, c, d) is calendars.overlap(c, d, a, b)


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        (KnownEventKind.EXAMS, Cause.B1),
        (KnownEventKind.HOLIDAY, Cause.B1),
        (KnownEventKind.MEETING, Cause.B3),
        (None, Cause.B3),
    ],
)
def test_clash_names_the_problem_it_prevents(kind: KnownEventKind | None, cause: Cause) -> None:
    hour = timedelta(hours=1)
    later = Engagement(Busy.ENVOY, NOW + hour / 2, NOW + 3 * hour)
    with pytest.raises(Clash) as refusal:
        calendars.check_free(NOW, NOW + hour, [later, Engagement(Busy.PARTNER, NOW - hour, NOW + hour / 4, kind)])
    assert refusal.value.params["who"] == "partner"
    assert refusal.value.params["cause"] == cause
    calendars.check_free(NOW, NOW + hour, [Engagement(Busy.PARTNER, NOW + hour, NOW + 2 * hour, kind)])


def test_what_the_caller_does_not_see_is_only_told_as_busy_from_when_to_when() -> None:
    hour = timedelta(hours=1)
    with pytest.raises(BusyThen) as refusal:
        calendars.check_free(NOW, NOW + hour, [Engagement(Busy.PARTNER, NOW, NOW + hour, hidden=True)])
    assert refusal.value.params == {
        "who": "partner",
        "since": "2026-09-01T11:00:00+05:00",
        "until": "2026-09-01T12:00:00+05:00",
        "begins": "01.09.2026 11:00",
        "ends": "01.09.2026 12:00",
    }


@pytest.mark.parametrize("kind", KnownEventKind)
@given(start=st.integers(-90, 90), length=st.integers(1, 120))
def test_meeting_is_refused_exactly_where_a_known_event_overlaps(kind: KnownEventKind, start: int, length: int) -> None:
    begins = NOW + timedelta(minutes=start)
    event = Engagement(Busy.INSTITUTION, begins, begins + timedelta(minutes=length), kind, "e1")
    free = start >= 60 or start + length <= 0
    with nullcontext() if free else pytest.raises(Clash) as refusal:
        calendars.check_free(NOW, NOW + timedelta(hours=1), [event])
    if refusal is not None:
        told = refusal.value.params
        assert (told["cause"], told["what"]) == ("B1" if kind in WRONG_TIME else "B3", kind)
        assert told["ref"] == "e1"


@pytest.mark.parametrize(
    ("lang", "said"),
    [
        ("uz", "hamkor band: inventarizatsiya (B1)"),
        ("uz-Cyrl", "ҳамкор банд: инвентаризация (B1)"),
        ("ru", "партнёр не может: инвентаризация (B1)"),
        ("en", "the partner can't: stocktaking (B1)"),
    ],
)
def test_clash_is_said_in_words_and_told_in_codes(lang: str, said: str) -> None:
    catalogue = Catalogue.load(SHARED_MESSAGES, Path(services.partners.__file__).parent / "messages")
    request = Request({"type": "http", "path": "/", "headers": [(b"accept-language", lang.encode())]})
    busy = Engagement(Busy.PARTNER, NOW, NOW + timedelta(hours=1), KnownEventKind.STOCKTAKING)
    with pytest.raises(Clash) as refusal:
        calendars.check_free(NOW, NOW + timedelta(hours=1), [busy])
    told = Problems("partners", catalogue).told(request, refusal.value)
    assert said in told["detail"]
    assert (told["who"], told["what"]) == ("partner", "stocktaking")
    assert "01.09.2026 11:00" in told["detail"]


# -- V1–V6


def test_every_item_gates_the_visit_until_it_is_answered() -> None:
    state = a_visit(envoy_rank=Rank.HEAD_OF_UNIT, place=VisitPlace.AT_INSTITUTION)
    size = EnterpriseSize.LARGE
    assert list(visits.missing(state, size, dossier_complete=False)) == list(Check)
    with pytest.raises(visits.NotPrepared) as refusal:
        visits.prepare(state, size, dossier_complete=False)
    assert refusal.value.params == {"missing": "V1, V2, V3, V4, V5, V6", "ranks": "head"}
    for check in Check:
        waived = (
            visits.AnswerCheck(waived=Waiver.URGENT, reason="buyruq")
            if check in visits.COMPUTED
            else visits.AnswerCheck()
        )
        state = visits.answer(state, check, waived, TODAY)[1]
    assert visits.prepare(state, size, dossier_complete=False)[1].status is VisitStatus.PREPARED


def test_no_waiver_sends_a_teacher_to_the_head_of_what_has_become_a_large_company() -> None:
    state = visits.plan("v1", a_plan(envoy_rank=Rank.TEACHER), EnterpriseSize.MEDIUM, NOW)[1]
    waived = visits.AnswerCheck(waived=Waiver.URGENT, reason="buyruq")
    for check in Check:
        answer = waived if check in visits.COMPUTED else visits.AnswerCheck()
        state = visits.answer(state, check, answer, TODAY)[1]
    assert visits.prepare(state, EnterpriseSize.MEDIUM, dossier_complete=False)[1].status is VisitStatus.PREPARED
    with pytest.raises(visits.NotPrepared) as refusal:
        visits.prepare(state, EnterpriseSize.LARGE, dossier_complete=False)
    assert refusal.value.params == {"missing": "V4", "ranks": "head"}


@pytest.mark.parametrize("open_item", Check)
def test_one_open_item_alone_keeps_the_visit_from_being_prepared(open_item: Check) -> None:
    rank = Rank.HEAD_OF_UNIT if open_item is Check.V4 else Rank.HEAD
    state = a_visit(place=VisitPlace.AT_INSTITUTION, envoy_rank=rank)
    if open_item is not Check.V3:
        state = visits.agree(state, visits.AgreeVisit(), TODAY)[1]
    for check in Check:
        if check not in (visits.COMPUTED | {open_item}):
            state = visits.answer(state, check, visits.AnswerCheck(), TODAY)[1]
    known = open_item is not Check.V2
    with pytest.raises(visits.NotPrepared) as refusal:
        visits.prepare(state, EnterpriseSize.LARGE, dossier_complete=known)
    assert refusal.value.params["missing"] == open_item
    waived = visits.AnswerCheck(waived=Waiver.KNOWN_PARTNER, reason="doimiy hamkor")
    state = visits.answer(state, open_item, waived, TODAY)[1]
    ready = visits.prepare(state, EnterpriseSize.LARGE, dossier_complete=known)[1]
    assert [(each.check, each.waived) for each in ready.checklist if each.waived] == [(open_item, Waiver.KNOWN_PARTNER)]


def test_waiver_without_its_reason_is_refused() -> None:
    with pytest.raises(ValidationError, match="waiver_reason"):
        visits.AnswerCheck(waived=Waiver.URGENT)


def test_break_and_room_are_asked_only_at_the_institution() -> None:
    assert Check.V6 not in list(visits.missing(a_visit(), EnterpriseSize.LARGE, dossier_complete=True))


@pytest.mark.parametrize("check", sorted(visits.COMPUTED))
def test_what_follows_from_other_facts_is_not_ticked_by_hand(check: Check) -> None:
    with pytest.raises(InvalidInput) as refusal:
        visits.answer(a_visit(), check, visits.AnswerCheck(), TODAY)
    assert refusal.value.errors[0].rule == "answers_itself"


# -- life


def by_status() -> dict[VisitStatus, VisitState]:
    planned = a_visit()
    cancelled = visits.cancel(planned, visits.CancelVisit(causes=(Cause.B2,)), TODAY)[1]
    return {
        VisitStatus.PLANNED: planned,
        VisitStatus.PREPARED: prepared(),
        VisitStatus.HELD: held(),
        VisitStatus.CANCELLED: cancelled,
    }


def take(state: VisitState, step: Step) -> Any:
    start, end = state.planned_start + timedelta(days=1), state.planned_end + timedelta(days=1)
    protocol = visits.RecordProtocol(
        steps=tuple(ProtocolStep), outcome=Outcome.AGREEMENT_IN_PRINCIPLE, causes=(Cause.NONE,)
    )
    later = visits.RescheduleVisit(planned_start=start, planned_end=end)
    deeds: dict[Step, Any] = {
        Step.RESCHEDULE: lambda: visits.reschedule(state, later, NOW),
        Step.AGREE: lambda: visits.agree(state, visits.AgreeVisit(), TODAY),
        Step.CHECK: lambda: visits.answer(state, Check.V1, visits.AnswerCheck(), TODAY),
        Step.PREPARE: lambda: visits.prepare(state, EnterpriseSize.LARGE, dossier_complete=True),
        Step.HOLD: lambda: visits.hold(state, visits.HoldVisit(actual_start=start, actual_end=end), end),
        Step.RECORD: lambda: visits.record_protocol(state, protocol, TODAY),
        Step.CANCEL: lambda: visits.cancel(state, visits.CancelVisit(causes=(Cause.B2,)), TODAY),
        Step.REASSIGN: lambda: visits.reassign(state, "02bb"),
    }
    return deeds[step]()


@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize("status", VisitStatus)
def test_only_the_tables_steps_are_taken_and_a_refusal_names_them(status: VisitStatus, step: Step) -> None:
    state = by_status()[status]
    if (status, step) in LIFECYCLE and (status, step) != (VisitStatus.PLANNED, Step.PREPARE):
        event_type, changed = take(state, step)
        assert changed.status is LIFECYCLE[status, step]
        assert changed.version == state.version + 1
        assert event_type.model is VisitState
    elif (status, step) not in LIFECYCLE:
        with pytest.raises(WrongState) as refusal:
            take(state, step)
        possible = [each.value for from_, each in LIFECYCLE if from_ is status and each is not Step.REASSIGN]
        assert refusal.value.params["possible"] == (", ".join(possible) or "–")


@given(st.lists(st.sampled_from(Step), max_size=12))
@example([Step.AGREE, Step.CHECK, Step.RESCHEDULE, Step.CANCEL, Step.HOLD])
def test_whatever_is_tried_a_visit_only_ever_walks_the_table(steps: list[Step]) -> None:
    state = a_visit()
    for step in steps:
        try:
            changed: VisitState = take(state, step)[1]
        except WrongState:
            assert (state.status, step) not in LIFECYCLE
        except DomainError:
            # The table allows it, the checklist or the calendar does not.
            assert (state.status, step) in LIFECYCLE
        else:
            assert changed.status is LIFECYCLE[state.status, step]
            assert changed.version == state.version + 1
            assert (changed.held_on is not None) == (changed.status is VisitStatus.HELD)
            assert (changed.cancelled_on is not None) == (changed.status is VisitStatus.CANCELLED)
            assert changed.protocol is None or changed.status is VisitStatus.HELD
            state = changed


def test_another_time_must_be_agreed_again() -> None:
    state = take(prepared(), Step.RESCHEDULE)[1]
    assert state.agreed_on is None
    assert state.status is VisitStatus.PLANNED


@pytest.mark.parametrize(("late", "punctual"), [(0, True), (15, True), (16, False), (-16, False)])
def test_planned_against_actual_time_says_whether_it_was_kept(late: int, punctual: bool) -> None:
    state = prepared()
    start = state.planned_start + timedelta(minutes=late)
    done = visits.hold(
        state,
        visits.HoldVisit(actual_start=start, actual_end=start + timedelta(hours=1)),
        state.planned_end + timedelta(days=1),
    )
    assert done[1].punctual is punctual
    assert done[1].held_on == date(2026, 9, 11)


def test_negotiation_to_be_continued_needs_next_actions() -> None:
    protocol = visits.RecordProtocol(
        steps=(ProtocolStep.N1,), outcome=Outcome.TO_BE_CONTINUED, causes=(Cause.A1, Cause.B1)
    )
    with pytest.raises(InvalidInput) as refusal:
        visits.record_protocol(held(), protocol, TODAY)
    assert refusal.value.errors[0].rule == "next_actions_needed"


@pytest.mark.parametrize("result", StepResult)
@pytest.mark.parametrize("step", ProtocolStep)
def test_every_step_of_the_negotiation_is_recorded_with_its_result(step: ProtocolStep, result: StepResult) -> None:
    command = visits.RecordProtocol(
        steps=(step,),
        results=(StepTaken(step=step, result=result),),
        outcome=Outcome.REFUSED,
        causes=(Cause.OTHER,),
        step_notes={step: "qayd"},
    )
    protocol = visits.record_protocol(held(), command, TODAY)[1].protocol
    assert protocol is not None
    assert protocol.steps == (step,)
    assert protocol.results == (StepTaken(step=step, result=result),)
    assert "qayd" not in protocol.model_dump_json()
    with pytest.raises(ValidationError, match="step_not_taken"):
        visits.RecordProtocol(
            steps=tuple(each for each in ProtocolStep if each is not step),
            results=(StepTaken(step=step, result=result),),
            outcome=Outcome.REFUSED,
            causes=(Cause.OTHER,),
        )


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_is_counted_of_a_contact_and_of_one_that_failed(cause: Cause) -> None:
    command = visits.RecordProtocol(steps=tuple(ProtocolStep), outcome=Outcome.REFUSED, causes=(cause,))
    protocol = visits.record_protocol(held(), command, TODAY)[1].protocol
    assert protocol is not None
    assert protocol.causes == (cause,)
    cancelled = visits.cancel(a_visit(), visits.CancelVisit(causes=(cause,)), TODAY)[1]
    assert cancelled.cancelled_for == (cause,)
    if cause is not Cause.NONE:
        with pytest.raises(ValidationError, match="none_and_other"):
            visits.RecordProtocol(steps=(ProtocolStep.N1,), outcome=Outcome.REFUSED, causes=(cause, Cause.NONE))


def test_overdue_action_is_told_once() -> None:
    state = actions.agree(
        "a1", held(), actions.ActionInput(side=Side.PARTNER, owner_ref="P-1", due_on=date(2026, 9, 20), what="x")
    )[1]
    assert actions.remind(state, date(2026, 9, 20)) is None
    reminded = actions.remind(state, date(2026, 9, 21))
    assert reminded is not None
    assert reminded[1].status is ActionStatus.OVERDUE
    assert actions.remind(reminded[1], date(2026, 9, 22)) is None
    done = actions.finish(reminded[1], actions.FinishAction(), date(2026, 9, 25))[1]
    assert (done.status, done.overdue_since, done.done_on) == (ActionStatus.DONE, date(2026, 9, 21), date(2026, 9, 25))
    with pytest.raises(WrongState):
        actions.cancel(done)
