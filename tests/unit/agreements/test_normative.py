"""Normative documents: one issuer, in force from–to, repealed once."""

from datetime import date

import pytest
from pydantic import ValidationError

from services.agreements.domain import normative
from services.agreements.domain.final_stage import Repeal
from shared.contracts.final_stage import AdoptionStatus, NormativeDocumentState, NormativeKind
from shared.contracts.vocabulary import Form, TerritoryLevel
from shared.errors import InvalidInput, WrongState
from tests.unit.agreements.builders import INSTITUTION, TODAY

FROM = date(2026, 9, 1)
REGULATION = {
    "kind": NormativeKind.REGULATION,
    "number": "VMQ-547",
    "title": "Nizom",
    "adopted_on": date(2026, 7, 10),
    "in_force_from": FROM,
}


def a_norm(until: date | None = None, **issuer: str) -> NormativeDocumentState:
    command = normative.AdoptNormativeDocument.model_validate(
        {
            **REGULATION,
            **(issuer or {"territory": "1708"}),
            "in_force_until": until,
            "forms": (Form.AF4, Form.AF1, Form.AF1),
        }
    )
    return normative.adopt("n", command, TODAY)[1]


@pytest.mark.parametrize(
    ("territory", "level"),
    [("17", TerritoryLevel.NATION), ("1708", TerritoryLevel.REGION), ("1708201", TerritoryLevel.DISTRICT)],
)
def test_level_is_the_issuers(territory: str, level: TerritoryLevel) -> None:
    assert a_norm(territory=territory).level is level
    assert a_norm(institution_id=INSTITUTION).level is None
    assert a_norm().forms == (Form.AF1, Form.AF4)


@pytest.mark.parametrize("issuer", [{}, {"territory": "17", "institution_id": INSTITUTION}])
def test_norm_has_one_issuer(issuer: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="one_issuer"):
        normative.AdoptNormativeDocument.model_validate({**REGULATION, **issuer})


def test_repealed_norm_ends_at_its_own_end_at_the_latest_and_only_once() -> None:
    state = normative.repeal(a_norm(date(2026, 10, 1)), Repeal(repealed_from=date(2026, 11, 1)), TODAY)[1]
    assert (state.status, state.in_force_until) == (AdoptionStatus.REPEALED, date(2026, 10, 1))
    with pytest.raises(WrongState):
        normative.repeal(state, Repeal(), TODAY)


def test_repeal_before_it_began_is_refused() -> None:
    with pytest.raises(InvalidInput) as refused:
        normative.repeal(a_norm(), Repeal(repealed_from=FROM), TODAY)
    assert refused.value.errors[0].rule == "not_after"
