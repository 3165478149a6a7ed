"""The committed schemas are those of the models, and the checker tells every break from every addition."""

import copy
import json
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from shared.contracts.catalogue import REGISTRY
from shared.contracts.events import EventType, State, Value
from shared.contracts.schemas import breaks, committed, faults, generate, main, render


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Part(Value):
    size: int
    colour: Colour
    parts: tuple["Part", ...] = ()


class Thing(State):
    name: str
    made_on: date | None = None
    parts: tuple[Part, ...] = ()
    counts: dict[str, int] = Field(default_factory=dict)


def schema_of(model: type[State], *facts: str) -> dict[str, Any]:
    types = [EventType(f"hamkor.partners.thing.{fact}.v1", "partners", "thing", model) for fact in facts or ("made",)]
    (schema,) = generate(types).values()
    return json.loads(render(schema))  # type: ignore[no-any-return]


def part(schema: dict[str, Any]) -> dict[str, Any]:
    return schema["$defs"]["Part"]  # type: ignore[no-any-return]


def drop(schema: dict[str, Any], *path: str) -> None:
    for step in path[:-1]:
        schema = schema[step]
    del schema[path[-1]]


BREAKS: dict[str, tuple[Any, str]] = {
    "field removed": (lambda s: drop(s, "properties", "made_on"), "field made_on is gone"),
    "inner field removed": (lambda s: drop(part(s), "properties", "parts"), "field parts[].parts is gone"),
    "new required field": (
        lambda s: (s["properties"].update(extra={"type": "string"}), s["required"].append("extra")),
        "field extra is new and required",
    ),
    "optional made required": (lambda s: s["required"].append("parts"), "field parts is required now"),
    "required made optional": (lambda s: s["required"].remove("name"), "field name is no longer certain"),
    "enum value removed": (lambda s: s["$defs"]["Colour"]["enum"].remove("red"), "can no longer have the value 'red'"),
    "type changed": (lambda s: s["properties"]["name"].update(type="integer"), "name can no longer be string"),
    "null no longer allowed": (
        lambda s: s["properties"]["made_on"]["anyOf"].pop(),
        "made_on can no longer be null",
    ),
    "null newly allowed": (
        lambda s: s["properties"].update(name={"anyOf": [{"type": "string"}, {"type": "null"}]}),
        "name can now be null",
    ),
    "format added": (lambda s: s["properties"]["name"].update(format="uuid"), "name can no longer be string"),
    "bound added": (lambda s: part(s)["properties"]["size"].update(minimum=1), "parts[].size: minimum is narrowed"),
    "pattern added": (lambda s: s["properties"]["name"].update(pattern="^a"), "name: pattern is narrowed"),
    "narrowed to values": (lambda s: s["properties"]["name"].update(enum=["a"]), "name is narrowed to 'a'"),
    "map's values changed": (
        lambda s: s["properties"]["counts"].update(additionalProperties={"type": "string"}),
        "counts.* can no longer be integer",
    ),
    "event type removed": (lambda s: s["x-events"].clear(), "event type hamkor.partners.thing.made.v1 is gone"),
}
ADDITIONS: dict[str, Any] = {
    "optional field": lambda s: s["properties"].update(extra={"type": "string", "default": ""}),
    "optional inner field": lambda s: part(s)["properties"].update(extra={"type": "string"}),
    "enum value": lambda s: s["$defs"]["Colour"]["enum"].append("green"),
    "event type": lambda s: s["x-events"].append("hamkor.partners.thing.broken.v1"),
    "description": lambda s: s.update(description="Better words."),
    "definition renamed": lambda s: None,
    "bound loosened": lambda s: s["properties"]["name"].update(maxLength=200),
}


def test_committed_schemas_are_those_of_the_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().err


def test_every_event_type_has_its_schema() -> None:
    told = {name for schema in committed().values() for name in schema["x-events"]}
    assert told == set(REGISTRY)


@pytest.mark.parametrize("name", BREAKS)
def test_break_is_found_and_named(name: str) -> None:
    old = schema_of(Thing)
    new = copy.deepcopy(old)
    change, words = BREAKS[name]
    change(new)
    assert any(words in found for found in breaks(old, new)), breaks(old, new)


@pytest.mark.parametrize("name", ADDITIONS)
def test_addition_breaks_nothing(name: str) -> None:
    old = schema_of(Thing)
    old["properties"]["name"]["maxLength"] = 100
    new = copy.deepcopy(old)
    ADDITIONS[name](new)
    assert breaks(old, new) == []


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(sorted(ADDITIONS)), max_size=5), st.sampled_from([None, *sorted(BREAKS)]))
def test_one_break_among_any_additions_is_found(additions: list[str], broken: str | None) -> None:
    old = schema_of(Thing)
    new = copy.deepcopy(old)
    if broken is not None:
        BREAKS[broken][0](new)
    old["properties"]["name"].setdefault("maxLength", 100)
    new["properties"]["name"].setdefault("maxLength", 100)
    for addition in additions:
        if addition == "event type" or broken != "event type removed":
            ADDITIONS[addition](new)
    assert bool(breaks(old, new)) is (broken is not None)


def test_real_contracts_do_not_break_themselves() -> None:
    for schema in generate().values():
        assert breaks(schema, schema) == []


def test_writing_refuses_a_break_and_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = {"partners.thing.v1.json": schema_of(Thing)}
    new = copy.deepcopy(old)
    drop(new["partners.thing.v1.json"], "properties", "name")
    assert main([], tmp_path, old) == 0
    before = (tmp_path / "partners.thing.v1.json").read_text()
    assert main([], tmp_path, new) == 1
    assert (tmp_path / "partners.thing.v1.json").read_text() == before
    said = capsys.readouterr().err
    assert "partners.thing.v1: field name is gone" in said
    assert "declare partners.thing.v2 beside it" in said
    assert faults(tmp_path, {}) == [
        "partners.thing.v1: the contract is gone, but its events stand in the logs for ever; keep its model"
    ]


def test_check_fails_until_an_addition_is_written(tmp_path: Path) -> None:
    old = {"partners.thing.v1.json": schema_of(Thing)}
    new = copy.deepcopy(old)
    new["partners.thing.v1.json"]["properties"]["extra"] = {"type": "string"}
    assert main(["--check"], tmp_path, old) == 1
    assert main([], tmp_path, old) == 0
    assert main(["--check"], tmp_path, old) == 0
    assert main(["--check"], tmp_path, new) == 1
    assert main([], tmp_path, new) == 0
    assert main(["--check"], tmp_path, new) == 0
