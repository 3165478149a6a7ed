"""Invitations without a database: their table, reminders, days of months, and what the rules ask for."""

from datetime import date, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.surveys.domain.campaigns import Period
from services.surveys.domain.invitations import (
    LIFECYCLE,
    MOST_REMINDERS,
    RULES,
    RemindedEnough,
    Step,
    academic_year,
    due_on,
    make,
    move,
    next_reminder,
    remind_now,
)
from services.surveys.instruments import InstrumentLibrary
from shared.contracts.surveys import InvitationState, InvitationStatus, Occasion, RespondentKind
from shared.errors import WrongState

TODAY = date(2026, 9, 10)


def an_invitation(last: int = 200, valid: int = 60) -> InvitationState:
    period = Period(first=TODAY, last=TODAY + timedelta(days=last))
    _, invitation = make(
        "i", ("c", "S3", period), "school", (RespondentKind.STUDENT, "S-1"), (Occasion.LIST, None, 0), (TODAY, valid)
    )
    return invitation


@pytest.mark.parametrize(("status", "step"), list(product(InvitationStatus, Step)))
def test_the_table_decides(status: InvitationStatus, step: Step) -> None:
    invitation = an_invitation().model_copy(update={"status": status})
    target = LIFECYCLE.get((status, step))
    if target is None:
        with pytest.raises(WrongState):
            move(invitation, step, TODAY)
    else:
        _, after = move(invitation, step, TODAY)
        assert (after.status, after.version) == (target, 2)


def test_what_was_taken_up_is_never_taken_back() -> None:
    steps = {step for status, step in LIFECYCLE if status is InvitationStatus.REDEEMED}
    assert steps == {Step.REASSIGN}


def test_an_invitation_never_outlives_its_campaign() -> None:
    assert an_invitation(last=5).lapses_on == TODAY + timedelta(days=6)
    assert an_invitation(last=200).lapses_on == TODAY + timedelta(days=60)


@given(after=st.integers(3, 180), most=st.integers(0, MOST_REMINDERS), valid=st.integers(7, 365))
def test_reminders_are_limited_in_number_and_spacing(after: int, most: int, valid: int) -> None:
    invitation, days = an_invitation(400, valid), []
    while (due := next_reminder(invitation, after, most)) is not None:
        _, invitation = move(invitation, Step.REMIND, due)
        days.append(due)
    assert len(days) <= most
    assert all((later - earlier).days >= after for earlier, later in zip([TODAY, *days], days, strict=False))
    assert all(day < invitation.lapses_on for day in days)


def test_by_hand_nobody_is_reminded_twice_a_day_or_for_ever() -> None:
    invitation = an_invitation()
    for number in range(MOST_REMINDERS):
        _, invitation = remind_now(invitation, TODAY + timedelta(days=number))
        with pytest.raises(RemindedEnough):
            remind_now(invitation, TODAY + timedelta(days=number))
    with pytest.raises(RemindedEnough):
        remind_now(invitation, TODAY + timedelta(days=50))


@pytest.mark.parametrize(
    ("since", "months", "due"),
    [
        (date(2026, 3, 30), 6, date(2026, 9, 30)),
        (date(2026, 8, 31), 6, date(2027, 2, 28)),
        (date(2027, 8, 31), 6, date(2028, 2, 29)),
        (date(2028, 2, 29), 12, date(2029, 2, 28)),
        (date(2026, 12, 31), 0, date(2026, 12, 31)),
        (date(2026, 6, 30), 6, date(2026, 12, 30)),
    ],
)
def test_months_after_a_day(since: date, months: int, due: date) -> None:
    assert due_on(since, months) == due


@given(st.dates(date(2020, 1, 1), date(2090, 1, 1)))
def test_every_day_lies_in_its_academic_year(day: date) -> None:
    name, period = academic_year(day)
    assert day in period
    assert (period.first.month, period.first.day, period.last.month, period.last.day) == (9, 1, 8, 31)
    assert name == f"{period.first.year}-{period.last.year % 100:02d}"


def test_the_rules_lead_to_instruments_of_the_right_group() -> None:
    library = InstrumentLibrary.load()
    groups = {rule.id: library.get(rule.instrument).group.value for rule in RULES.values()}
    assert groups == {
        "placement-student": "S3",
        "placement-host": "S2",
        "outcome-graduate": "S4",
        "employment-graduate": "S4",
    }
    assert all(rule.months == (6, 12) for rule in RULES.values() if rule.respondent is RespondentKind.GRADUATE)
