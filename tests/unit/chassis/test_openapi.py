"""The OpenAPI documents of the four services: complete for a stranger, and sound in themselves."""

import importlib
import re
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest

from shared.contracts.events import SERVICES
from shared.web.openapi import COMMANDS, METHODS

ENVIRONMENT = {
    **{f"{service.upper()}_DATABASE_URL": "postgresql+asyncpg://nobody@nowhere/nothing" for service in SERVICES},
    "SERVICE_CLIENT_SECRET": "only-for-the-tests-of-hamkor",
    "KAFKA_BOOTSTRAP_SERVERS": "nowhere:9092",
}


@pytest.fixture(scope="module", params=SERVICES)
def document(request: pytest.FixtureRequest) -> Any:
    with patch.dict("os.environ", ENVIRONMENT):
        return importlib.import_module(f"services.{request.param}.app").build().openapi()


def operations(document: Any) -> Iterator[tuple[str, str, Any]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_operation_tells_a_stranger_what_it_does_and_what_can_go_wrong(document: Any) -> None:
    assert list(operations(document))
    for path, method, operation in operations(document):
        where = f"{method} {path}"
        assert operation["summary"], where
        assert operation["description"], where
        assert operation["tags"], where
        assert {"401", "403", "422", "503"} <= operation["responses"].keys(), where
        assert any(status.startswith("2") for status in operation["responses"]), where
        for status, response in operation["responses"].items():
            assert response["description"], where
            if status.startswith(("4", "5")):
                assert "application/problem+json" in response["content"], where


def test_every_command_documents_its_key_and_its_answers_headers(document: Any) -> None:
    for path, method, operation in operations(document):
        names = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "header"}
        assert ("Idempotency-Key" in names) == (method in COMMANDS), (method, path)
        if method in COMMANDS:
            assert {"400", "409", "413"} <= operation["responses"].keys()
            assert ("If-Match" in names) == ("{" in path)
            headers = next(r for s, r in operation["responses"].items() if s.startswith("2"))["headers"]
            assert {"ETag", "Hamkor-Position", "Idempotency-Replayed"} <= headers.keys()


def test_names_are_unique_and_short(document: Any) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    assert all(name.isidentifier() and not name.endswith(("_get", "_post", "_put", "_patch")) for name in names)


def test_the_document_is_sound(document: Any) -> None:
    assert document["openapi"].startswith("3.")
    assert document["info"]["version"]
    assert document["security"] == [{"bearer": []}]
    for reference in references(document):
        node = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part.replace("~1", "/").replace("~0", "~")]
    tags = {tag["name"] for tag in document["tags"]}
    for path, method, operation in operations(document):
        assert set(operation["tags"]) <= tags
        placed = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"}
        assert placed == set(re.findall(r"{(\w+)}", path)), (method, path)
