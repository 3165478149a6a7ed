"""What is read of partners' events, and what is poison."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from services.agreements.commands.register import Enterprise, Institution
from services.agreements.subscribers import Register
from shared.contracts.events import REGISTRY, Event
from shared.contracts.partners import EnterpriseState, InstitutionState
from tests.unit.agreements.builders import ENTERPRISE, INSTITUTION

STATES: dict[str, dict[str, Any]] = {
    "institution": {
        "id": INSTITUTION,
        "version": 4,
        "code": "P-1",
        "kind": "college",
        "name": "Jizzax kolleji",
        "status": "active",
        "path": f"/17/1708/1708201/{INSTITUTION}/",
        "membership": [],
        "a field of a newer writer": 1,
    },
    "enterprise": {"id": ENTERPRISE, "version": 2, "name": "Zavod", "status": "merged", "merged_into": "0198-b"},
}


def told(type_: str, state: dict[str, Any], subject: str | None = None) -> Event:
    data = msgspec.json.encode(state)
    subject = subject or f"{type_.split('.')[2]}/{state['id']}"
    return Event("1", type_, "partners", subject, state["id"], datetime.now(UTC), 0, 1, data)


def test_every_fact_of_institutions_and_enterprises_is_read_and_no_other() -> None:
    read: dict[type, int] = {}
    for event_type in REGISTRY.values():
        state = STATES.get(event_type.aggregate, {"id": "x"})
        found = Register().decode(told(event_type.name, state))
        assert (found is not None) == (event_type.model in (InstitutionState, EnterpriseState)), event_type.name
        read[type(found)] = read.get(type(found), 0) + 1
    assert read[Institution] >= 4
    assert read[Enterprise] >= 4


def test_of_institutions_and_enterprises_no_more_is_kept_than_is_needed_here() -> None:
    assert Institution.__struct_fields__ == ("id", "version", "code", "status", "path", "name")
    assert Enterprise.__struct_fields__ == ("id", "version", "status", "merged_into", "name")


@pytest.mark.parametrize("type_", ["hamkor.partners.institution.registered.v2", "hamkor", "", "a.b.institution.v1"])
def test_other_versions_and_other_types_concern_nothing_here(type_: str) -> None:
    assert Register().decode(told(type_, STATES["institution"], "institution/x")) is None


@pytest.mark.parametrize(
    ("aggregate", "change"),
    [
        ("institution", {"path": "/17/1708/1708201/"}),
        ("institution", {"path": None}),
        ("institution", {"status": "burnt down"}),
        ("institution", {"version": "4"}),
        ("institution", {"id": ""}),
        ("institution", {"id": "x" * 65}),
        ("enterprise", {"status": "sold"}),
        ("enterprise", {"merged_into": 7}),
        ("enterprise", {"id": "0198-another"}),
    ],
)
def test_state_that_obeys_no_contract_is_poison(aggregate: str, change: dict[str, Any]) -> None:
    state = STATES[aggregate]
    event = told(f"hamkor.partners.{aggregate}.updated.v1", {**state, **change}, f"{aggregate}/{state['id']}")
    with pytest.raises((ValueError, msgspec.ValidationError)):
        Register().decode(event)
