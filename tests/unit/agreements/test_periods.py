"""Active periods against a history of states kept apart: on any day the stock is 0 or 1, as the history says."""

from datetime import date, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from services.agreements.domain import agreements, periods
from shared.contracts.agreements import ActivePeriod, AgreementState, AgreementStatus
from shared.errors import DomainError
from tests.unit.agreements.builders import a_draft, brought_to, signed

START = date(2026, 1, 1)
VALID_FROM = START + timedelta(days=10)
LENGTH = 60
HORIZON = 420

ACTIONS = ["suspend", "resume", "suspend", "resume", "end", "extend", "shorten", "none"]
STEPS = st.lists(st.tuples(st.integers(0, 15), st.sampled_from(ACTIONS), st.integers(0, 8)), max_size=20)
"""Wait so many days, do this, dated so many days back (or the validity moved by so many)."""


@st.composite
def signing_days(draw: st.DrawFn) -> tuple[date, date]:
    """Days on which the two parties sign, before or within the validity."""
    return tuple(START + timedelta(days=draw(st.integers(0, 40))) for _ in range(2))  # type: ignore[return-value]  # two


@settings(max_examples=400, deadline=None)
@given(days=signing_days(), steps=STEPS)
def test_stock_on_any_day_is_what_the_history_of_states_says(
    days: tuple[date, date], steps: list[tuple[int, str, int]]
) -> None:
    today = max(days)
    state = signed(a_draft(valid_from=VALID_FROM, valid_until=VALID_FROM + timedelta(days=LENGTH)), *days, today=today)
    history: list[tuple[date, AgreementStatus]] = [(date.min, AgreementStatus.DRAFT)]

    def bring_to(day: date) -> None:
        nonlocal state
        before = state
        state = brought_to(state, day)
        if before.status is AgreementStatus.SIGNED and state.status is not AgreementStatus.SIGNED:
            history.append((max(VALID_FROM, *days), AgreementStatus.ACTIVE))
        if state.status is AgreementStatus.EXPIRED and before.status is not AgreementStatus.EXPIRED:
            history.append((state.valid_until + timedelta(days=1), AgreementStatus.EXPIRED))

    bring_to(today)
    for wait, step, amount in steps:
        today += timedelta(days=wait)
        bring_to(today)
        day = today - timedelta(days=amount)
        if step == "none":
            continue
        try:
            state = _take(state, step, day, amount, today)
        except DomainError:
            continue
        if step in ("suspend", "resume", "end"):
            history.append((day, state.status))
    for offset in range(HORIZON):
        day = START + timedelta(days=offset)
        expected = [status for since, status in history if since <= day][-1] is AgreementStatus.ACTIVE
        assert _stock(state, day) == expected
        assert periods.active_on(state.active_periods, day) == expected
    _canonical(state.active_periods)
    still = state.status is AgreementStatus.ACTIVE
    assert (bool(state.active_periods) and state.active_periods[-1].until is None) == still
    assert (state.ended_on is not None) == (state.status in (AgreementStatus.ENDED, AgreementStatus.EXPIRED))


def _take(state: AgreementState, step: str, day: date, amount: int, today: date) -> AgreementState:
    match step:
        case "suspend":
            return agreements.suspend(state, agreements.SuspendAgreement(suspended_on=day), today)[1]
        case "resume":
            return agreements.resume(state, agreements.ResumeAgreement(resumed_on=day), today)[1]
        case "end":
            return agreements.end(state, agreements.EndAgreement(ended_on=day), today)[1]
    shift = timedelta(days=amount if step == "extend" else -amount)
    longer = agreements.AmendAgreement(valid_until=state.valid_until + shift, scan_ref="scan")
    return agreements.amend(state, longer, today)[1]


def _stock(state: AgreementState, day: date) -> int:
    """As monitoring counts: one more from `since` on, one less from `until` on."""
    begun = sum(period.since <= day for period in state.active_periods)
    return begun - sum(period.until is not None and period.until <= day for period in state.active_periods)


def _canonical(found: tuple[ActivePeriod, ...]) -> None:
    for period in found:
        assert period.until is None or period.since < period.until
    for earlier, later in pairwise(found):
        assert earlier.until is not None
        assert earlier.until <= later.since


def test_last_day_is_included() -> None:
    first = date(2026, 9, 1)
    state = brought_to(signed(a_draft(valid_until=date(2026, 10, 31)), first, first), date(2027, 1, 1))
    assert state.active_periods == (ActivePeriod(since=first, until=date(2026, 11, 1)),)
    assert periods.active_on(state.active_periods, date(2026, 10, 31))
    assert not periods.active_on(state.active_periods, date(2026, 11, 1))
    assert state.ended_on == date(2026, 11, 1)


def test_period_without_a_day_never_was() -> None:
    day = date(2026, 10, 1)
    assert periods.closed(periods.opened((), day), day) == ()
    assert periods.closed((), day) == ()
