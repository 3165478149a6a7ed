"""What is weighed in matching, and that its tables are sound."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.partners.domain import matching
from services.partners.domain.matching import Consideration, Enterprise, Institution, Listings
from shared.contracts.codes import REFERENCE, isco_unit_groups, isic_sections
from shared.contracts.partners import PartnershipStage
from shared.contracts.preparation import ListingState, ListingStatus
from shared.contracts.vocabulary import EnterpriseSize, Form, Opportunity

HERE = "1708201"


def a_listing(id_: str = "1", **changes: Any) -> ListingState:
    given: dict[str, Any] = {
        "id": id_,
        "version": 1,
        "district": HERE,
        "opportunity": Opportunity.O4,
        "since": date(2026, 1, 1),
        "status": ListingStatus.OPEN,
    }
    return ListingState.model_validate(given | changes)


def test_tables_cover_every_section_with_groups_that_exist() -> None:
    assert set(matching.TYPICAL) == isic_sections()
    codes = {line.split(",", 1)[0] for line in (REFERENCE / "isco08.csv").read_text(encoding="utf-8").splitlines()}
    for section, groups in matching.TYPICAL.items():
        assert groups.keys() <= codes, section
        assert set(groups.values()) <= {1, 0.6, 0.3}
    assert sum(matching.WEIGHTS.values()) == pytest.approx(1)
    assert set(matching.WEIGHTS) == set(Consideration)


@pytest.mark.parametrize(
    ("section", "occupation", "how"),
    [("C", "7212", 1), ("F", "7112", 1), ("F", "7212", 0.6), ("A", "6111", 1), ("Q", "3221", 1), ("K", "7212", 0.0)],
)
def test_section_employs_its_trades(section: str, occupation: str, how: float) -> None:
    assert matching.typical(section, occupation) == how


def test_what_was_not_said_leaves_the_other_to_speak_alone() -> None:
    both = matching.fit(Institution(HERE, "C", frozenset({"7212"})), "C")
    sector = matching.fit(Institution(HERE, "C", frozenset()), "C")
    programmes = matching.fit(Institution(HERE, None, frozenset({"7212"})), "C")
    assert [matching.total(reasons) for reasons in (both, sector, programmes)] == [0.4, 0.4, 0.4]
    assert matching.fit(Institution(HERE, None, frozenset()), "C") == []


@pytest.mark.parametrize(
    ("need", "offer", "value"),
    [
        ({}, {}, 0.25),
        ({"form": Form.AF1}, {"form": Form.AF1}, 0.35),
        ({"profession": "7212"}, {"profession": "7212"}, 0.4),
        ({"profession": "7212"}, {"profession": "7213"}, 0.325),
        ({"form": Form.AF1, "profession": "7212"}, {"form": Form.AF1, "profession": "7212"}, 0.5),
        ({}, {"opportunity": Opportunity.O6}, 0.0),
    ],
)
def test_offer_answers_a_need_the_better_the_more_is_the_same(
    need: dict[str, Any], offer: dict[str, Any], value: float
) -> None:
    reasons = matching.exchange(Listings(needs=[a_listing(**need)]), Listings(offers=[a_listing(**offer)]))
    assert sum(reason.value for reason in reasons) == pytest.approx(value)


SIDES = st.tuples(
    st.sampled_from([HERE, "1708204", "1703202"]),
    st.none() | st.sampled_from(sorted(isic_sections())),
    st.frozensets(st.sampled_from(sorted(isco_unit_groups())), max_size=4),
)


@given(
    SIDES,
    st.sampled_from(sorted(isic_sections())),
    st.sampled_from(EnterpriseSize),
    st.sampled_from([None, *PartnershipStage]),
)
def test_score_is_the_sum_of_its_reasons_and_lies_between_0_and_1(
    side: tuple[str, str | None, frozenset[str]], section: str, size: EnterpriseSize, together: PartnershipStage | None
) -> None:
    listings = Listings(needs=[a_listing()], offers=[a_listing()])
    reasons = matching.weigh(
        Institution(*side), Enterprise(HERE, section, size), theirs=(listings, listings), together=together
    )
    assert 0 <= matching.total(reasons) <= 1
    assert matching.total(reasons) == pytest.approx(sum(reason.points for reason in reasons))
    assert all(0 <= reason.value <= 1 for reason in reasons)
