"""A campaign does what its table says and nothing else."""

from datetime import UTC, date, datetime, timedelta
from itertools import product

import pytest

from services.surveys.domain.campaigns import (
    TRANSITIONS,
    Campaign,
    CampaignAct,
    CampaignOver,
    CampaignStatus,
    InstitutionClosed,
    Period,
    check_period,
    may_move_on,
)
from shared.errors import InvalidInput, WrongState

TODAY = date(2026, 9, 10)


def a_campaign(status: CampaignStatus = CampaignStatus.DRAFT, *, first: int = 0, last: int = 30) -> Campaign:
    """A campaign whose period begins and ends so many days from TODAY."""
    period = Period(first=TODAY + timedelta(days=first), last=TODAY + timedelta(days=last))
    return Campaign(
        id="c", version=1, instrument="S3", instrument_version=1, institution_id="i", period=period, status=status
    )


@pytest.mark.parametrize(("status", "act"), list(product(CampaignStatus, CampaignAct)))
def test_the_table_decides(status: CampaignStatus, act: CampaignAct) -> None:
    campaign = a_campaign(status)
    target = TRANSITIONS.get((status, act))
    if target is None:
        with pytest.raises(WrongState):
            campaign.after(act)
    else:
        after = campaign.after(act)
        assert after.status is target
        assert after.version == campaign.version + (target is not status)


def test_every_status_can_be_reached_and_closed_is_the_end() -> None:
    assert set(TRANSITIONS.values()) == set(CampaignStatus)
    assert CampaignStatus.CLOSED not in {status for status, _ in TRANSITIONS}


@pytest.mark.parametrize("status", CampaignStatus)
@pytest.mark.parametrize(("offset", "inside"), [(-1, False), (0, True), (30, True), (31, False)])
def test_only_an_open_campaign_takes_answers_and_only_in_its_period(
    status: CampaignStatus, offset: int, inside: bool
) -> None:
    accepts = a_campaign(status).accepts_answers(TODAY + timedelta(days=offset))
    assert accepts == (status is CampaignStatus.OPEN and inside)


def test_a_campaign_opens_before_its_period_but_not_after() -> None:
    early = a_campaign(first=5, last=30).opened(TODAY, institution_active=True)
    assert early.status is CampaignStatus.OPEN
    with pytest.raises(CampaignOver):
        a_campaign(first=-30, last=-1).opened(TODAY, institution_active=True)


def test_a_closed_institution_asks_nobody() -> None:
    with pytest.raises(InstitutionClosed):
        a_campaign().opened(TODAY, institution_active=False)


@pytest.mark.parametrize(
    ("first", "last", "rule"),
    [
        (5, 4, "period-reversed"),
        (0, 366, "period-too-long"),
        (-9, -1, "period-over"),
    ],
)
def test_a_period_that_makes_no_sense_is_named(first: int, last: int, rule: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        check_period(a_campaign(first=first, last=last).period, TODAY)
    assert [fault.rule for fault in raised.value.errors] == [rule]


def test_a_period_may_be_one_day() -> None:
    period = Period(first=TODAY, last=TODAY)
    check_period(period, TODAY)
    assert TODAY in period


NOON = datetime(2026, 9, 10, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("staged", "status", "moves"),
    [(9, CampaignStatus.OPEN, False), (10, CampaignStatus.OPEN, True), (1, CampaignStatus.CLOSED, True)],
)
def test_answers_wait_for_company(staged: int, status: CampaignStatus, moves: bool) -> None:
    assert may_move_on(a_campaign(status), staged, 10, NOON) is moves


def test_answers_wait_no_longer_than_the_period() -> None:
    assert may_move_on(a_campaign(CampaignStatus.OPEN, last=0), 1, 10, NOON) is False
    assert may_move_on(a_campaign(CampaignStatus.OPEN, last=0), 1, 10, NOON + timedelta(days=1)) is True
