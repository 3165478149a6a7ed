"""What monitoring reads of the events is in their contracts, and what it can't read it refuses."""

import types
from random import Random
from typing import Any, Union, get_args, get_origin

import msgspec
import pytest
from msgspec.structs import replace
from pydantic import BaseModel

from services.monitoring.domain.derived import DERIVATIONS
from services.monitoring.domain.readings import KIND_NAMES, READINGS, Unreadable, decode
from shared.contracts.catalogue import REGISTRY
from shared.contracts.events import Event
from tests.support.monitoring import a_story

MODELS = {(each.service, each.aggregate): each.model for each in REGISTRY.values()}


def parts(annotation: Any) -> list[Any]:
    """The types an annotation is made of, without None and containers."""
    if get_origin(annotation) in (Union, types.UnionType, tuple, list, dict):
        return [part for argument in get_args(annotation) for part in parts(argument)]
    return [] if annotation in (type(None), Ellipsis) else [annotation]


def disagreements(struct: type[msgspec.Struct], model: type[BaseModel]) -> list[str]:
    found = []
    for field in msgspec.structs.fields(struct):
        told = model.model_fields.get(field.encode_name)
        if told is None:
            found.append(f"{struct.__name__}.{field.name} is in no {model.__name__}")
            continue
        if field.required and not told.is_required():
            found.append(f"{model.__name__}.{field.name} may be left out")
        inner = [part for part in parts(field.type) if isinstance(part, type) and issubclass(part, msgspec.Struct)]
        outer = [part for part in parts(told.annotation) if isinstance(part, type) and issubclass(part, BaseModel)]
        if len(inner) != len(outer):
            found.append(f"{struct.__name__}.{field.name} has another form than {model.__name__}.{field.name}")
        for one, other in zip(inner, outer, strict=False):
            found += disagreements(one, other)
        if type(None) in get_args(told.annotation) and type(None) not in get_args(field.type):
            found.append(f"{model.__name__}.{field.name} may be null")
    return found


@pytest.mark.parametrize("aggregate", READINGS, ids="/".join)
def test_every_field_read_is_in_the_contract(aggregate: tuple[str, str]) -> None:
    assert disagreements(READINGS[aggregate], MODELS[aggregate]) == []


def test_what_is_read_is_an_aggregate_of_the_contracts_and_has_a_kind_of_its_own() -> None:
    assert READINGS.keys() <= MODELS.keys()
    kinds = [reading.kind for reading in READINGS.values() if reading.kind]
    assert len(kinds) == len(set(kinds))
    derived = {derivation.kind for derivation in DERIVATIONS}
    assert len(derived) == len(DERIVATIONS)
    assert not derived & set(kinds)
    assert set(KIND_NAMES) == derived | set(kinds)
    assert max(KIND_NAMES) < 99  # cursors of lineage go on behind it


def test_what_the_services_write_is_read() -> None:
    for event in a_story(Random(1), 200).events:
        model = REGISTRY[event.type].model.model_validate_json(event.data)
        read = decode(event)
        assert (read.id, read.version) == (model.id, model.version)


def an_event() -> Event:
    events = a_story(Random(1), 200).events
    return next(event for event in events if ".enrolment." in event.type)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"type": "hamkor.partners.enrolment.invented.v1"}, "unknown event type"),
        ({"id": "no-uuid"}, "UUID"),
        ({"id": "0199AAAA-0000-7000-8000-00000000000A"}, "UUID"),
        ({"subject": "enrolment/\0"}, "NUL"),
        ({"data": b"{"}, "truncated"),
        ({"data": b"\xff"}, "malformed"),
        ({"data": b"[]"}, "object"),
        ({"data": b'{"id":"x","version":1,"institution_id":"a","academic_year":"2025-26"}'}, "UUID"),
    ],
)
def test_what_breaks_the_contract_is_refused_with_its_reason(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        decode(replace(an_event(), **change))


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("academic_year", '"2025-27"'),
        ("academic_year", '"2025"'),
        ("institution_id", '"a\\u0000b"'),
        ("institution_id", '""'),
        ("institution_id", '"' + "x" * 65 + '"'),
        ("version", "1e30"),
        ("version", "99999999999999999999"),
        ("version", '"1"'),
        ("places", "9999999999"),
        ("places", "1.5"),
    ],
)
def test_a_wrong_field_is_refused(field: str, wrong: str) -> None:
    good = {
        "id": '"0199aaaa-0000-7000-8000-00000000000a"',
        "version": "1",
        "institution_id": '"0199"',
        "academic_year": '"2025-26"',
        "places": "1",
    }
    event = an_event()
    text = ",".join(f'"{name}":{value}' for name, value in good.items())
    assert decode(replace(event, data=f"{{{text}}}".encode())).version == 1
    text = ",".join(f'"{name}":{value}' for name, value in (good | {field: wrong}).items())
    with pytest.raises(Unreadable):
        decode(replace(event, data=f"{{{text}}}".encode()))
