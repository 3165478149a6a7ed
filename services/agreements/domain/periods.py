"""Active periods: half-open [since, until), in order, apart from each other, none empty; the last may be open."""

from datetime import date

from shared.contracts.agreements import ActivePeriod

Periods = tuple[ActivePeriod, ...]


def opened(periods: Periods, since: date) -> Periods:
    """Active from `since` on."""
    return (*periods, ActivePeriod(since=since))


def closed(periods: Periods, until: date) -> Periods:
    """Not active from `until` on; a period that would hold no day never was."""
    if not periods or periods[-1].until is not None:
        return periods
    *before, last = periods
    return (*before, ActivePeriod(since=last.since, until=until)) if until > last.since else tuple(before)


def active_on(periods: Periods, day: date) -> bool:
    """Whether `day` lies in one of them."""
    return any(period.since <= day and (period.until is None or day < period.until) for period in periods)
