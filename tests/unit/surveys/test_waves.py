"""A wave does what its table says; its calendar, quotas and strata, without a database."""

from datetime import date, timedelta
from itertools import product

import pytest

from services.surveys.domain.campaigns import CampaignOver, Period, stepped
from services.surveys.domain.waves import (
    LIFECYCLE,
    AmendWave,
    PlanWave,
    QuotaWanted,
    Step,
    WaveDetails,
    amend,
    concerns,
    is_full,
    move,
    passed,
    plan,
)
from shared.contracts.surveys import Quota, WaveState, WaveStatus
from shared.contracts.vocabulary import InstitutionKind, RespondentGroup
from shared.errors import InvalidInput, WrongState

TODAY = date(2026, 9, 10)
HERE = "/17/1708/1708201/school/"


def a_wave(status: WaveStatus = WaveStatus.PLANNED, *, first: int = 0, last: int = 30) -> WaveState:
    period = Period(first=TODAY + timedelta(days=first), last=TODAY + timedelta(days=last))
    (_, wave), _ = plan("w", PlanWave(instrument="S3", territory="1708", period=period), 2, RespondentGroup.S3, TODAY)
    return wave.model_copy(update={"status": status})


@pytest.mark.parametrize(("status", "step"), list(product(WaveStatus, [Step.OPEN, Step.CLOSE, Step.CANCEL])))
def test_the_table_decides(status: WaveStatus, step: Step) -> None:
    wave = a_wave(status)
    target = LIFECYCLE.get((status, step))
    if target is None:
        with pytest.raises(WrongState) as refused:
            move(wave, step, TODAY)
        assert step.value not in str(refused.value.params["possible"]).split(", ")
    else:
        event_type, after = move(wave, step, TODAY)
        assert (after.status, after.version) == (target, wave.version + 1)
        assert event_type.name.startswith("hamkor.surveys.wave.")


def test_every_status_can_be_reached_and_two_are_the_end() -> None:
    assert set(LIFECYCLE.values()) == set(WaveStatus)
    assert {status for status, _ in LIFECYCLE} == {WaveStatus.PLANNED, WaveStatus.OPEN}


@pytest.mark.parametrize(
    ("status", "offset", "facts"),
    [
        (WaveStatus.PLANNED, -1, []),
        (WaveStatus.PLANNED, 0, ["opened"]),
        (WaveStatus.PLANNED, 30, ["opened"]),
        (WaveStatus.PLANNED, 31, ["cancelled"]),  # the service slept through all of it: nobody was asked
        (WaveStatus.OPEN, 30, []),
        (WaveStatus.OPEN, 31, ["closed"]),
        (WaveStatus.CLOSED, 99, []),
        (WaveStatus.CANCELLED, 0, []),
    ],
)
def test_the_calendar_opens_and_closes(status: WaveStatus, offset: int, facts: list[str]) -> None:
    told = passed(a_wave(status), TODAY + timedelta(days=offset))
    assert [event_type.name.split(".")[3] for event_type, _ in told] == facts


def test_nothing_opens_after_its_last_day() -> None:
    with pytest.raises(CampaignOver):
        move(a_wave(), Step.OPEN, TODAY + timedelta(days=31))


def test_what_is_left_out_of_an_amendment_stays_and_an_open_wave_is_not_amended() -> None:
    wave = a_wave().model_copy(update={"minimum_responses": 5, "quotas": (Quota(territory="1708201", responses=9),)})
    (_, after), details = amend(wave, WaveDetails(title="T"), AmendWave(target_invited=40), TODAY)
    assert (after.minimum_responses, after.target_invited, after.quotas, details.title) == (5, 40, wave.quotas, "T")
    (_, bare), details = amend(after, details, AmendWave(title=None, quotas=(), minimum_responses=None), TODAY)
    assert (bare.minimum_responses, bare.quotas, details.title, bare.version) == (None, (), None, 3)
    with pytest.raises(WrongState):
        amend(a_wave(WaveStatus.OPEN), WaveDetails(), AmendWave(), TODAY)


@pytest.mark.parametrize(
    ("quota", "kind", "inside"),
    [
        (Quota(responses=1), "school", True),
        (Quota(territory="1708", responses=1), "school", True),
        (Quota(territory="1708201", responses=1), "school", True),
        (Quota(territory="1708204", responses=1), "school", False),
        (Quota(kind=InstitutionKind.COLLEGE, responses=1), "school", False),
        (Quota(territory="1708", kind=InstitutionKind.COLLEGE, responses=1), "college", True),
    ],
)
def test_a_quota_concerns_its_stratum_alone(quota: Quota, kind: str, *, inside: bool) -> None:
    assert concerns(quota, HERE, kind) is inside


def test_only_hard_quotas_are_ever_full() -> None:
    soft, hard, large = Quota(responses=5), Quota(responses=5, hard=True), Quota(responses=6, hard=True)
    assert is_full([soft, hard, large], [5, 5, 5]) == [hard]


def test_every_fault_of_quotas_is_named_at_once() -> None:
    period = Period(first=TODAY, last=TODAY)
    quotas = (
        QuotaWanted(territory="1703", responses=1),
        QuotaWanted(kind=InstitutionKind.SCHOOL, responses=1),
        QuotaWanted(kind=InstitutionKind.SCHOOL, responses=2),
    )
    command = PlanWave(
        instrument="S3", territory="1708", kinds=(InstitutionKind.COLLEGE,), period=period, quotas=quotas
    )
    with pytest.raises(InvalidInput) as refused:
        plan("w", command, 1, RespondentGroup.S3, TODAY)
    assert [(each.field, each.rule) for each in refused.value.errors] == [
        ("quotas.0.territory", "quota-outside"),
        ("quotas.1.kind", "quota-kind-outside"),
        ("quotas.2.kind", "quota-kind-outside"),
        ("quotas.2", "quota-twice"),
    ]


@pytest.mark.parametrize(("count", "shown"), [(0, 0), (9, 0), (10, 10), (19, 10), (20, 20)])
def test_counts_of_answers_move_in_steps(count: int, shown: int) -> None:
    assert stepped(count, 10) == shown
