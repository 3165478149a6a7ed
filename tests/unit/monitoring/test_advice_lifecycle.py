"""The life of a recommendation, walked along its table: which steps there are, whose they are, and what they leave."""

from datetime import date, timedelta
from itertools import product

import pytest
from pydantic import ValidationError

from services.monitoring.advice import lifecycle
from services.monitoring.advice.commands import next_look
from services.monitoring.advice.declarations import rules
from services.monitoring.advice.lifecycle import BY_PEOPLE, LIFECYCLE, MAY, Accept, Dismiss, NotYours
from services.monitoring.domain.territory import Level, Place
from shared.contracts.monitoring import (
    AdviceOwner,
    DismissalReason,
    Evidence,
    RecommendationState,
    RecommendationStatus,
    Severity,
)
from shared.errors import InvalidInput, WrongState
from shared.scope import Principal, Role

DAY = date(2026, 11, 20)
SCHOOL = Place(5, "0198-school", Level.INSTITUTION, "1708201", "/17/1708/1708201/0198-school/", {})
DISTRICT = Place(4, "1708201", Level.DISTRICT, "1708", "/17/1708/1708201/", {})
EVIDENCE = Evidence(indicator="R12", period="2026-11", state="lapsed")
STEPS = ("accept", "complete", "dismiss", "resolve", "expire")


def a_recommendation(code: str = "R12_BOARD", place: Place = SCHOOL, **changes: object) -> RecommendationState:
    return lifecycle.make("1", rules()[code], place, EVIDENCE, DAY).model_copy(update=changes)


def test_one_that_is_made_says_where_whose_and_until_when() -> None:
    state = a_recommendation()
    assert (state.institution_id, state.district, state.region, state.territory) == (
        "0198-school",
        "1708201",
        "1708",
        None,
    )
    assert state.owner is AdviceOwner.BOARD
    assert state.due_on == DAY + timedelta(days=45)
    office = a_recommendation("R12_LAPSED_SHARE", DISTRICT)
    assert (office.owner, office.territory, office.institution_id) == (AdviceOwner.DISTRICT_OFFICE, "1708201", None)


@pytest.mark.parametrize(("status", "what"), list(product(RecommendationStatus, STEPS)))
def test_every_step_is_the_tables_or_is_refused(status: RecommendationStatus, what: str) -> None:
    state = a_recommendation(status=status)
    if (status, what) not in LIFECYCLE:
        with pytest.raises(WrongState):
            lifecycle.step(state, what, DAY)
        return
    event_type, after = lifecycle.step(state, what, DAY, role=Role.DISTRICT)
    assert (after.status, event_type) == LIFECYCLE[status, what]
    assert event_type.name.endswith(f".{after.status}.v1")
    assert after.version == state.version + 1
    assert after.steps[-1].role == "district"


@pytest.mark.parametrize(("severity", "what"), list(product(Severity, BY_PEOPLE)))
def test_whose_step_it_is_stands_in_the_table(severity: Severity, what: str) -> None:
    state = a_recommendation(severity=severity, status="accepted" if what == "complete" else "open")
    callers = {
        "own": Principal("x", Role.INSTITUTION, SCHOOL.code),
        "above": Principal("x", Role.DISTRICT, "1708201"),
    }
    for standing, caller in callers.items():
        assert (what in lifecycle.may(caller, state)) is (standing in MAY[what, severity])
        if standing in MAY[what, severity]:
            lifecycle.require_may(caller, state, what)
        else:
            with pytest.raises(NotYours):
                lifecycle.require_may(caller, state, what)


def test_a_key_sees_no_step_that_its_scopes_lack_and_an_enterprise_none() -> None:
    state = a_recommendation()
    key = Principal("k", Role.INSTITUTION, SCHOOL.code, frozenset({"recommendation.read"}))
    assert lifecycle.may(key, state) == []
    assert lifecycle.may(Principal("e", Role.ENTERPRISE, "1"), state) == []
    assert lifecycle.may(Principal("m", Role.MINISTRY, "17"), state) == ["accept", "dismiss"]


def test_accepting_names_owner_and_day_within_a_year() -> None:
    state = a_recommendation()
    _, after = lifecycle.accept(state, Accept(owner=AdviceOwner.COORDINATOR, due_on=DAY), DAY, EVIDENCE, Role.DISTRICT)
    assert (after.owner, after.due_on) == (AdviceOwner.COORDINATOR, DAY)
    for day in (DAY - timedelta(days=1), DAY + timedelta(days=400)):
        with pytest.raises(InvalidInput):
            lifecycle.accept(state, Accept(due_on=day), DAY, EVIDENCE, Role.DISTRICT)
    # Taken on after its day was over, it is due at once rather than overdue from the start.
    late = state.due_on + timedelta(days=3)
    assert lifecycle.accept(state, Accept(), late, EVIDENCE, Role.DISTRICT)[1].due_on == late


def test_dismissing_for_another_reason_takes_a_note() -> None:
    with pytest.raises(ValidationError, match="dismissal_note"):
        Dismiss(reason=DismissalReason.OTHER)
    assert Dismiss(reason=DismissalReason.OTHER, note="x").note == "x"


def test_time_looks_at_the_due_day_the_follow_up_and_the_expiry() -> None:
    state, rule = a_recommendation(), rules()["R12_BOARD"]
    assert next_look(state, []) == state.due_on
    assert next_look(state, [{"what": "due"}]) == lifecycle.expires_on(state, rule)
    _, accepted = lifecycle.step(state, "accept", DAY)
    _, done = lifecycle.step(accepted, "complete", DAY)
    assert next_look(done, [{"what": "due"}]) == DAY + timedelta(days=rule.follow_days)
    assert next_look(done, [{"what": "due"}, {"what": "follow_up"}]) is None
    assert lifecycle.quiet_until(done, rule, DAY) == DAY + timedelta(days=rule.quiet_days)
    _, resolved = lifecycle.step(state, "resolve", DAY)
    assert lifecycle.quiet_until(resolved, rule, DAY) is None
    assert next_look(resolved, []) is None
