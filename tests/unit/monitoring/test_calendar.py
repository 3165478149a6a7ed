"""The reporting calendar: when somebody is reminded of a report that is due."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.monitoring.reporting import calendar

DUE = date(2026, 10, 20)
DAYS = st.dates(DUE - timedelta(days=60), DUE + timedelta(days=60))


def test_reminders_stand_around_the_due_day() -> None:
    declared = calendar.load()
    found, day = list[date](), DUE - timedelta(days=60)
    while (next_ := declared.remind_on(DUE, day)) is not None:
        found.append(next_)
        day = next_ + timedelta(days=1)
    assert found == sorted(DUE - timedelta(days=days) for days in declared.remind_days)


@given(DAYS)
def test_a_day_that_went_by_is_not_made_up_for(since: date) -> None:
    declared = calendar.load()
    next_ = declared.remind_on(DUE, since)
    assert next_ is None or next_ >= since
    later = [DUE - timedelta(days=days) for days in declared.remind_days if DUE - timedelta(days=days) >= since]
    assert next_ == min(later, default=None)
