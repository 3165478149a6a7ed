"""What single states contribute, as INDICATORS.md says; and that the fast sums are the plain ones."""

from collections.abc import Iterator, Sequence
from datetime import date
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.monitoring.domain import measures as m
from services.monitoring.domain.contributions import contributions
from services.monitoring.domain.expansion import Membership, expand, presence, presence_alone, presence_moved
from services.monitoring.domain.gates import FIRST_EVIDENCE
from services.monitoring.domain.measures import COLUMNS, MEASURES, Kind
from services.monitoring.domain.parts import Contributions, difference
from services.monitoring.domain.periods import YEARS, month_of
from services.monitoring.domain.practice import OWN_WORD
from services.monitoring.domain.readings import (
    ActivePeriod,
    Agreement,
    Employment,
    Enrolment,
    GraduateStatus,
    Outcome,
    Party,
    Reading,
    Term,
)
from services.monitoring.domain.territory import Image, Level, Place
from services.monitoring.domain.totals import Amounts
from services.monitoring.domain.variety import variety
from shared.contracts.agreements import AgreementStatus, EmploymentStatus
from shared.contracts.practice import OutcomeStatus
from shared.contracts.vocabulary import Form, PartyCategory

SEPTEMBER, OCTOBER, DECEMBER = (month_of(date(2025, month, 1)) for month in (9, 10, 12))


def an_agreement(**changes: Any) -> Agreement:
    given: dict[str, Any] = {
        "id": "0199aaaa-0000-7000-8000-00000000000a",
        "version": 3,
        "institution_id": "school",
        "form": Form.AF1,
        "status": AgreementStatus.ACTIVE,
        "parties": [Party(PartyCategory.INSTITUTION, "school"), Party(PartyCategory.ENTERPRISE, "factory")],
        "signed_on": date(2025, 9, 30),
        "active_periods": [ActivePeriod(date(2025, 10, 1), date(2025, 12, 31))],
    }
    return Agreement(**(given | changes))


def measured(found: Contributions) -> Contributions:
    """Without evidence."""
    return {key: amount for key, amount in found.items() if key[0] < FIRST_EVIDENCE}


def test_an_agreement_counts_from_its_first_month_until_the_month_that_it_does_not_outlast() -> None:
    assert measured(contributions(an_agreement())) == {
        (m.FORM_SIGNED[Form.AF1], SEPTEMBER, None): 1,
        (m.CATEGORY_SIGNED["enterprise"], SEPTEMBER, None): 1,
        (m.FORM_ACTIVE[Form.AF1], OCTOBER, None): 1,
        (m.FORM_ACTIVE[Form.AF1], DECEMBER, None): -1,
        (m.CATEGORY_ACTIVE["enterprise"], OCTOBER, None): 1,
        (m.CATEGORY_ACTIVE["enterprise"], DECEMBER, None): -1,
        (m.ENTERPRISES, OCTOBER, "factory"): 1,
        (m.ENTERPRISES, DECEMBER, "factory"): -1,
    }


def test_seats_that_were_to_come_after_an_early_end_are_planned_no_more() -> None:
    schedule = [Term(starts_on=date(2025, month, 1), seats=20, filled=filled) for month, filled in ((10, 7), (12, 0))]
    planned = m.SEATS_PLANNED
    whole = contributions(an_agreement(schedule=schedule))
    assert (whole[planned, OCTOBER, None], whole[planned, DECEMBER, None]) == (20, 20)
    ended = contributions(an_agreement(schedule=schedule, ended_on=date(2025, 11, 30)))
    assert {key[1]: amount for key, amount in ended.items() if key[0] == planned} == {OCTOBER: 20}
    assert ended[m.SEATS_FILLED, OCTOBER, None] == 7


@pytest.mark.parametrize("status", [AgreementStatus.DRAFT, AgreementStatus.CANCELLED])
def test_drafts_and_cancelled_agreements_count_nowhere(status: AgreementStatus) -> None:
    assert contributions(an_agreement(status=status)) == {}


def test_two_enterprises_are_two_members_and_one_agreement_of_their_category() -> None:
    parties = [Party(PartyCategory.ENTERPRISE, name) for name in ("factory", "mine")]
    found = contributions(an_agreement(parties=parties))
    assert found[m.CATEGORY_SIGNED["enterprise"], SEPTEMBER, None] == 1
    assert {member for measure, _, member in found if measure == m.ENTERPRISES} == {"factory", "mine"}


def test_a_report_with_one_figure_missing_is_no_report() -> None:
    def report(places: int | None, first_choice: int | None) -> dict[Any, int]:
        return measured(contributions(Enrolment("x", 1, "school", "2025-26", places, first_choice)))

    assert report(100, None) == report(None, 100) == {}
    assert report(100, 0) == {(m.PLACES, SEPTEMBER, None): 100, (m.ENROLMENT_REPORTS, SEPTEMBER, None): 1}


def test_confirmed_graduates_count_in_both_sets_and_cancelled_ones_in_none() -> None:
    def employed(status: EmploymentStatus, confirmed: date | None = None) -> set[int]:
        state = Employment("x", 1, "school", "7", "factory", "7212", status, date(2025, 9, 3), confirmed)
        found = {measure for measure, _, _ in contributions(state)}
        assert not found or {m.EMPLOYERS, m.GRADUATES_BY_GROUP["7"]} <= found
        return found - {m.EMPLOYERS, m.GRADUATES_BY_GROUP["7"]}

    both = {m.GRADUATES_EMPLOYED, m.GRADUATES_CONFIRMED}
    assert employed(EmploymentStatus.REPORTED) == {m.GRADUATES_EMPLOYED}
    assert employed(EmploymentStatus.CONFIRMED, date(2025, 9, 9)) == both
    assert employed(EmploymentStatus.ENDED, date(2025, 9, 9)) == both
    assert employed(EmploymentStatus.ENDED) == {m.GRADUATES_EMPLOYED}
    assert employed(EmploymentStatus.CANCELLED, date(2025, 9, 9)) == set()


def test_a_graduates_own_word_stands_for_what_was_reported_and_nobody_counts_twice() -> None:
    def sums(*states: Reading) -> dict[int, bool]:
        found: dict[tuple[int, int], int] = {}
        for state in states:
            for (measure, month, member), amount in contributions(state).items():
                assert member == "school/7"
                found[measure, month] = found.get((measure, month), 0) + amount
        names = {m.OUTCOME_ASKED[6], m.OUTCOME_KNOWN[6], m.OUTCOME_AVAILABLE[6], m.OUTCOME_EMPLOYED[6]}
        return {measure: total > 0 for (measure, _), total in found.items() if measure in names}

    def reported(status: OutcomeStatus) -> Outcome:
        return Outcome("x", 1, "school", "7", date(2025, 3, 30), 6, status)

    def own(status: OutcomeStatus | None, *, withdrawn: bool = False) -> GraduateStatus:
        return GraduateStatus("y", 1, "school", "7", date(2025, 3, 30), 6, status, date(2025, 9, 3), withdrawn)

    for said in (OutcomeStatus.EMPLOYED, OutcomeStatus.UNEMPLOYED, OutcomeStatus.FURTHER_STUDY):
        alone = sums(own(said))
        for report in OutcomeStatus:
            # Whatever was reported, also of another month of the same period, and however often.
            assert sums(own(said), reported(report)) == alone
            assert sums(own(said), *[reported(report)] * 9) == alone
        assert sums(own(said, withdrawn=True)) == {}
    assert sums(own(OutcomeStatus.UNKNOWN), reported(OutcomeStatus.EMPLOYED)) == sums(reported(OutcomeStatus.EMPLOYED))
    confirms = contributions(own(OutcomeStatus.EMPLOYED))
    assert confirms[m.GRADUATES_CONFIRMED, SEPTEMBER, "school/7"] == 1
    assert not [key for key in contributions(own(OutcomeStatus.UNEMPLOYED)) if key[0] == m.GRADUATES_CONFIRMED]


def test_a_form_lapses_a_year_after_its_last_activity() -> None:
    own = {(m.FORM_ACTIVE[Form.AF2], SEPTEMBER): 2, (m.FORM_ACTIVITIES[Form.AF2], OCTOBER): 5}
    alive = m.FORM_ALIVE[Form.AF2]
    assert variety(own) == {(alive, OCTOBER, None): 1, (alive, OCTOBER + 12, None): -1}
    again = own | {(m.FORM_ACTIVITIES[Form.AF2], DECEMBER): 1}
    assert variety(again) == {(alive, OCTOBER, None): 1, (alive, DECEMBER + 12, None): -1}


def test_three_forms_are_enough() -> None:
    own: dict[tuple[int, int], int] = {}
    for number, form in enumerate((Form.AF1, Form.AF2, Form.AF3)):
        own[m.FORM_ACTIVE[form], SEPTEMBER + number] = 1
        own[m.FORM_ACTIVITIES[form], SEPTEMBER] = 1
    found = {month: amount for (measure, month, _), amount in variety(own).items() if measure == m.THREE_FORMS}
    assert found == {SEPTEMBER + 2: 1, SEPTEMBER + 12: -1}


def test_a_stock_leaves_the_old_district_in_the_month_of_the_move() -> None:
    membership = Membership([(0, (20, 10, 1)), (OCTOBER, (30, 10, 1))])
    code = m.FORM_ACTIVE[Form.AF1]
    cells = expand({(code, SEPTEMBER, None): 1, (code, DECEMBER, None): -1}, 5, membership)
    assert {key: amount for key, amount in cells.items() if amount} == {
        (5, code, SEPTEMBER): 1,
        (5, code, DECEMBER): -1,
        (20, code, SEPTEMBER): 1,
        (20, code, OCTOBER): -1,
        (30, code, OCTOBER): 1,
        (30, code, DECEMBER): -1,
        (10, code, SEPTEMBER): 1,
        (10, code, DECEMBER): -1,
        (1, code, SEPTEMBER): 1,
        (1, code, DECEMBER): -1,
    }


def test_an_enterprise_with_two_schools_of_a_district_is_one_enterprise_there() -> None:
    schools = {5: Membership([(0, (20, 1))]), 6: Membership([(0, (20, 1))])}
    references = {(5, SEPTEMBER): 1, (6, OCTOBER): 1, (5, DECEMBER): -1}
    found = presence(Kind.SET_STOCK, references, schools.__getitem__)
    assert found == {(5, SEPTEMBER): 1, (5, DECEMBER): -1, (6, OCTOBER): 1, (20, SEPTEMBER): 1, (1, SEPTEMBER): 1}


@given(
    st.sampled_from([Kind.SET_FLOW, Kind.SET_STOCK]),
    st.randoms(use_true_random=False),
    st.integers(1, 140),
    st.sampled_from([(1, 2, 3), (-OWN_WORD, 1 - OWN_WORD, 1, 2, OWN_WORD)]),
)
def test_what_moves_in_a_long_history_is_what_counting_it_all_twice_would_find(
    kind: Kind, random: Random, kept: int, amounts: Sequence[int]
) -> None:
    history = range(SEPTEMBER - 150, SEPTEMBER)
    was = {month: random.choice(amounts) for month in random.sample(history, kept)}
    touched = {random.choice(history) for _ in range(random.randrange(1, 5))}
    now = {month: random.choice((0, *amounts)) for month in touched}
    after = {month: amount for month, amount in (was | now).items() if amount}
    expected = difference(presence_alone(kind, after), presence_alone(kind, was))
    assert presence_moved(kind, was, after, touched) == expected


def test_a_word_that_says_no_is_heard_in_the_whole_year() -> None:
    kind, was = Kind.SET_FLOW, {SEPTEMBER: 1}
    moved = presence_moved(kind, was, {SEPTEMBER: 1, OCTOBER: -OWN_WORD}, [OCTOBER])
    years = presence_alone(kind, {SEPTEMBER: 1}).keys() & presence_alone(kind, {OCTOBER: 1}).keys()
    assert years == moved.keys()
    assert set(moved.values()) == {-1}


KEYS = st.tuples(st.sampled_from([1, 2, 80]), st.integers(0, 3), st.none())
SOME = st.dictionaries(KEYS, st.integers(-3, 3).filter(bool))


@given(SOME, SOME)
def test_the_difference_turns_the_old_into_the_new(old: dict[Any, int], new: dict[Any, int]) -> None:
    total = dict(old)
    for key, amount in difference(new, old).items():
        total[key] = total.get(key, 0) + amount
    assert {key: amount for key, amount in total.items() if amount} == new


def a_territory() -> Image:
    """Institutions 1 to 5: two at home, one that moved, one that moved twice, one that nobody placed."""
    image = Image()
    names = ["a", "b", "c", "d", "e"]
    memberships: list[tuple[tuple[str, date], ...]] = [
        (("1700000", date(2020, 1, 1)),),
        (("1701000", date(2020, 1, 1)),),
        (("1700000", date(2020, 1, 1)), ("1701000", date(2025, 10, 5))),
        (("1700000", date(2020, 1, 1)), ("1700001", date(2025, 9, 5)), ("1700000", date(2025, 11, 5))),
        (),
    ]
    units = [("17", None, 0), ("1700", "17", 1), ("1701", "17", 1)]
    units += [(code, code[:4], 2) for code in ("1700000", "1700001", "1701000")]
    image.put(
        [
            Place(number, code, Level.INSTITUTION, None, f"/{code}/", {}, memberships=dated)
            for number, (code, dated) in enumerate(zip(names, memberships, strict=True), start=1)
        ]
        + [
            Place(10 + number, code, Level(level), parent, "/", {})
            for number, (code, parent, level) in enumerate(units)
        ]
    )
    return image


ADDITIVE = [code for code, measure in MEASURES.items() if not measure.is_set]


@given(
    st.lists(
        st.tuples(
            st.integers(1, 5),
            st.sampled_from(ADDITIVE),
            st.integers(SEPTEMBER - 6, DECEMBER + 6),
            st.integers(-(10**12), 10**12),
            st.integers(0, 10**16),
        )
    )
)
def test_sums_by_vector_are_the_sums_one_by_one(contributed: list[tuple[int, int, int, int, int]]) -> None:
    territory = a_territory()
    amounts = Amounts()
    expected: dict[tuple[int, int, int], int] = {}
    for institution, measure, month, amount, time in contributed:
        amounts.contribution(institution, measure, month, amount, time)
        one = expand({(measure, month, None): amount}, institution, territory.membership(institution))
        for (place, _, period), each in one.items():
            years = [YEARS + (period - 8) // 12] if MEASURES[measure].kind is Kind.STOCK else []
            for at in (period, *years):
                expected[place, measure, at] = expected.get((place, measure, at), 0) + each
    rows = amounts.rows(territory)
    found = {
        (place, slot * COLUMNS + column, period): amount
        for place, slot, period, *columns in zip(rows.places, rows.slots, rows.periods, *rows.amounts, strict=True)
        for column, amount in enumerate(columns)
        if amount
    }
    assert found == {key: amount for key, amount in expected.items() if amount}
    order = list(zip(rows.places, rows.slots, rows.periods, strict=True))
    assert len(set(order)) == len(order)
    assert order == sorted(order, key=lambda row: (-territory.places[row[0]].level, row))


def test_no_two_measures_share_a_column() -> None:
    def cells() -> Iterator[tuple[int, int]]:
        for measure in MEASURES.values():
            yield measure.slot, measure.column

    assert len(set(cells())) == len(MEASURES)
    assert Random(1).choice(list(MEASURES.values())).slot < 2**15
