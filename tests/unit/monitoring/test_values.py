"""Formulas, coverage, and what is withheld."""

from collections import defaultdict
from typing import Any

import pytest

from services.monitoring.domain import measures as m
from services.monitoring.domain.definitions import INDICATORS, fed_by
from services.monitoring.domain.formulas import Privacy
from services.monitoring.domain.gates import EVIDENCE
from services.monitoring.domain.measures import MEASURES
from services.monitoring.domain.readings import KIND_NAMES
from services.monitoring.domain.values import Value, value_of
from shared.contracts.vocabulary import Form, RespondentGroup

K = 10


def value(code: str, amounts: dict[int, int], **options: Any) -> Value:
    given = defaultdict(int, amounts)
    return value_of(
        INDICATORS[code], given.__getitem__, **({"institution": False, "withheld": False, "k": K} | options)
    )


def test_demand_is_sum_over_sum_with_its_coverage() -> None:
    found = value("I2", {m.FIRST_CHOICE: 150, m.PLACES: 100, m.ENROLMENT_REPORTS: 3, m.INSTITUTIONS: 4})
    assert (found.value, found.numerator, found.denominator, found.coverage) == (1.5, 150, 100, 0.75)


def test_nothing_reported_is_null_and_not_zero() -> None:
    found = value("I2", {m.INSTITUTIONS: 4})
    assert (found.value, found.numerator, found.denominator, found.coverage) == (None, None, None, 0.0)


def test_variety_is_a_share_of_institutions_above_and_of_forms_at_the_institution() -> None:
    amounts = {m.THREE_FORMS: 1, m.INSTITUTIONS: 4, m.FORM_ALIVE[Form.AF1]: 3, m.FORM_ALIVE[Form.AF8]: 1}
    above = value("I5", amounts)
    assert (above.value, above.parts["forms"], above.parts["AF1"]) == (0.25, 2, 3)
    own = value("I5", {m.FORM_ALIVE[Form.AF1]: 1, m.FORM_ALIVE[Form.AF2]: 1}, institution=True)
    assert (own.value, own.numerator, own.denominator) == (0.25, 2, 8)


def test_a_survey_has_mean_and_spread() -> None:
    group = RespondentGroup.S3
    answers = [10_000, 20_000, 60_000]
    amounts = {
        m.INDEX_SUM[group]: sum(answers),
        m.INDEX_COUNT[group]: 3,
        m.INDEX_SQUARES[group]: sum(answer**2 for answer in answers),
    }
    found = value("S3", amounts)
    assert (found.value, found.parts["responses"]) == (30.0, 3)
    assert found.parts["spread"] == pytest.approx(21.602, abs=0.001)
    assert value("S3", amounts, withheld=True) == Value(None, None, None, None, True, {"responses": None})


@pytest.mark.parametrize(
    ("employed", "confirmed", "shown", "part"),
    [
        (0, 0, 0, 0),
        (1, 0, None, None),
        (9, 9, None, None),
        (10, 0, 10, 0),
        (10, 10, 10, 10),
        (25, 9, 25, None),
        (25, 16, 25, None),
        (25, 15, 25, 15),
    ],
)
def test_counts_of_persons_below_k_are_withheld_and_can_not_be_subtracted(
    employed: int, confirmed: int, shown: int | None, part: int | None
) -> None:
    found = value("F3", {m.GRADUATES_EMPLOYED: employed, m.GRADUATES_CONFIRMED: confirmed})
    assert (found.value, found.parts["confirmed"]) == (shown, part)
    assert found.suppressed is (shown is None)


@pytest.mark.parametrize("indicator", INDICATORS.values(), ids=lambda indicator: indicator.code)
def test_every_indicator_is_wholly_declared(indicator: Any) -> None:
    assert indicator.period_kinds
    assert indicator.measures <= MEASURES.keys()
    for window in indicator.lineage:
        assert fed_by(window.measure) <= KIND_NAMES.keys()
    if indicator.privacy is Privacy.SURVEY:
        assert not indicator.lineage
    else:
        windows = {window.measure for window in indicator.lineage}
        assert windows & (indicator.measures | set(m.FORM_ACTIVITIES.values()) | set(EVIDENCE.values()))


def test_every_measure_is_fed_by_some_aggregate() -> None:
    assert frozenset().union(*map(fed_by, MEASURES)) <= KIND_NAMES.keys()


@pytest.mark.parametrize(
    ("groups", "shown"),
    [
        ({"2": 12, "5": 13, "7": 20}, {"2": 12, "5": 13, "7": 20}),
        ({"2": 5, "5": 13, "7": 20}, {"2": None, "5": None, "7": 20}),  # 38 - 13 - 20 would tell the 5
        ({"2": 5, "5": 6, "7": 20}, {"2": None, "5": None, "7": 20}),
        ({"7": 20}, {"7": 20}),
    ],
)
def test_a_hidden_group_of_persons_can_not_be_told_from_the_others(
    groups: dict[str, int], shown: dict[str, int | None]
) -> None:
    amounts = {m.GRADUATES_BY_GROUP[group]: count for group, count in groups.items()}
    found = value("F3", {m.GRADUATES_EMPLOYED: sum(groups.values()), **amounts})
    assert {group: found.parts[f"isco_{group}"] for group in groups} == shown


@pytest.mark.parametrize(
    ("employed", "available", "shown"),
    [(20, 40, True), (9, 40, False), (35, 40, False), (5, 8, False), (0, 40, True), (40, 40, True), (0, 5, False)],
)
def test_ratios_of_few_persons_are_withheld(employed: int, available: int, shown: bool) -> None:
    amounts = {m.OUTCOME_EMPLOYED[6]: employed, m.OUTCOME_AVAILABLE[6]: available}
    found = value("I1", amounts | {m.OUTCOME_KNOWN[6]: 60, m.OUTCOME_ASKED[6]: 80})
    assert found.suppressed is not shown
    assert (found.value, found.coverage) == ((employed / available, 0.75) if shown else (None, None))


def test_growth_needs_an_income_to_grow_from() -> None:
    grown = value("I3", {m.INCOME_MATCHED: 150, m.INCOME_BEFORE: 100, m.INCOME: 400})
    assert (grown.value, grown.parts["change"], grown.parts["total"]) == (0.5, 50, 400)
    from_nothing = value("I3", {m.INCOME_MATCHED: 150})
    assert (from_nothing.value, from_nothing.numerator, from_nothing.parts["change"]) == (None, 150, 150)


def test_the_stage_is_a_number_at_the_institution_and_a_distribution_above() -> None:
    first, second, third = m.STAGE_REACHED
    own = value("STAGE", {first: 1, second: 1}, institution=True)
    assert (own.numerator, own.denominator) == (2, 3)
    above = value("STAGE", {first: 6, second: 3, third: 1, m.INSTITUTIONS: 10})
    assert [above.parts[f"stage_{number}"] for number in range(4)] == [4, 3, 2, 1]
    assert (above.numerator, above.denominator) == (10, 30)
