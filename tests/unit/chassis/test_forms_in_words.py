"""No field that people fill in is refused by a regular expression: what it must look like is said in words."""

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.requests import Request

from shared.errors import FieldError, InvalidInput
from shared.i18n import SHARED_MESSAGES, Catalogue, Lang
from shared.web.problems import PATTERN, Problems
from tests.unit.chassis.test_problems import ROOT

SERVICES = ("partners", "agreements", "surveys", "monitoring")
BY_PROGRAMS = frozenset({"client_id"})
"""What a program makes by itself: a telephone names its interviews."""


def document(service: str) -> dict[str, Any]:
    """A service's description of itself."""
    app = FastAPI()
    for router in importlib.import_module(f"services.{service}.api").ROUTERS:
        app.include_router(router)
    return app.openapi()


def within(schema: Any, field: str, components: Mapping[str, Any], seen: set[str]) -> Iterator[tuple[str, str]]:
    """The fields of a schema that have a pattern, with it; `field` is what the schema itself is of."""
    if not isinstance(schema, Mapping):
        return
    if (name := str(schema.get("$ref", "")).rpartition("/")[2]) and f"{name} {field}" not in seen:
        seen.add(f"{name} {field}")
        yield from within(components[name], field, components, seen)
    if "pattern" in schema:
        yield field, schema["pattern"]
    inside = [*schema.get("properties", {}).items(), (f"{field}.x.[key]", schema.get("propertyNames"))]
    inside += [(field, each) for kind in ("anyOf", "oneOf", "allOf", "prefixItems") for each in schema.get(kind, ())]
    inside += [(field, schema.get(kind)) for kind in ("items", "additionalProperties")]
    inside += [(field, each) for each in schema.get("patternProperties", {}).values()]
    inside += [(f"{field}.x.[key]", {"pattern": each}) for each in schema.get("patternProperties", ())]
    for name, each in inside:
        yield from within(each, name, components, seen)


def patterns_of(service: str) -> set[tuple[str, str]]:
    """Fields that a request may name, each with its pattern."""
    told = document(service)
    components = told.get("components", {}).get("schemas", {})
    found: set[tuple[str, str]] = set()
    seen: set[str] = set()
    for operation in (each for operations in told["paths"].values() for each in operations.values()):
        for parameter in operation.get("parameters", ()):
            found |= set(within(parameter["schema"], parameter["name"], components, seen))
        for content in operation.get("requestBody", {}).get("content", {}).values():
            found |= set(within(content.get("schema"), "body", components, seen))
    return {(field, pattern) for field, pattern in found if field not in BY_PROGRAMS}


@pytest.mark.parametrize("service", SERVICES)
def test_what_a_field_must_look_like_is_said_in_words_in_every_language(service: str) -> None:
    catalogue = Catalogue.load(SHARED_MESSAGES, ROOT / "services" / service / "messages")
    problems = Problems(service, catalogue)
    found = patterns_of(service)
    assert found
    for lang in Lang:
        headers = [(b"accept-language", lang.encode())]
        request = Request({"type": "http", "method": "POST", "path": "/", "headers": headers, "query_string": b""})
        for field, pattern in sorted(found):
            told = problems.told(request, InvalidInput(FieldError(field, PATTERN, {"pattern": pattern})))
            (error,) = told["errors"]
            assert pattern not in error["message"] + error["remedy"], f"{field} in {lang}: add rule.form_of_{field}"


def test_keys_of_documents_are_found() -> None:
    assert any(field.endswith("[key]") for field, _ in patterns_of("agreements"))
