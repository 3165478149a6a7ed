"""Recommendations go to webhooks: those of a school to its own key, those of an office to the office and above."""

from datetime import date

import pytest

from services.partners.domain.webhooks import wants
from services.partners.webhooks.collecting import Collecting, _path_of
from shared.contracts.events import Event
from shared.contracts.monitoring import (
    RECOMMENDATION_MADE,
    AdviceOwner,
    Evidence,
    OfficeLevel,
    RecommendationState,
    RecommendationStatus,
    Severity,
)
from shared.ids import new_id

DAY = date(2026, 11, 20)
PLACES = {
    OfficeLevel.DISTRICT: ("1708201", "1708", "1708201", "/17/1708/1708201/"),
    OfficeLevel.REGION: (None, "1708", "1708", "/17/1708/"),
    OfficeLevel.NATION: (None, None, "17", "/17/"),
}


@pytest.mark.parametrize("level", PLACES)
def test_what_is_recommended_to_an_office_belongs_to_its_part_of_the_territory(level: OfficeLevel) -> None:
    district, region, code, path = PLACES[level]
    state = RecommendationState(
        id=new_id(),
        version=1,
        rule="R7_SHARE",
        element="R7",
        severity=Severity.IMPORTANT,
        level=level,
        place=code,
        status=RecommendationStatus.OPEN,
        owner=AdviceOwner.MINISTRY,
        due_on=DAY,
        evidence=Evidence(indicator="R7", period="2026-11", value=0.4),
        steps=(),
        district=district,
        region=region,
        territory=code,
    )
    event = Event(
        id=new_id(),
        type=RECOMMENDATION_MADE.name,
        source="monitoring",
        subject=f"recommendation/{state.id}",
        key=code,
        time=None,  # type: ignore[arg-type]  # nobody looks at it here
        shard=0,
        position=1,
        data=state.model_dump_json().encode(),
    )
    placed = Collecting().decode(event)
    assert placed is not None
    assert _path_of(placed) == path
    assert wants(("hamkor.monitoring.recommendation.*",), event.type)
    assert not wants(("hamkor.partners.*",), event.type)
