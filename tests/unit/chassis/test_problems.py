"""Every error has its texts in four languages, and every answer says what is wrong and what to do."""

import ast
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, StringConstraints, ValidationError, model_validator
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.requests import Request

from shared.contracts.vocabulary import InstitutionKind
from shared.errors import (
    BrokenRule,
    FieldError,
    HamkorError,
    InvalidInput,
    NotFound,
    TooLarge,
    Unauthenticated,
    Unavailable,
    field_error,
)
from shared.i18n import SHARED_MESSAGES, Catalogue, Lang, message_directories
from shared.persistence.engine import is_transient, sqlstate_of
from shared.web.cursors import decode_cursor, encode_cursor
from shared.web.problems import HTTP_CODES, Problems
from tests.support.logs import told_logs

ROOT = Path(__file__).parents[3]
CATALOGUE = Catalogue.load(SHARED_MESSAGES, *(d for d in message_directories(ROOT) if d != SHARED_MESSAGES))


def imported() -> None:
    """Import what declares errors and rules."""
    import importlib

    for path in [*ROOT.glob("shared/web/*.py"), *ROOT.glob("services/*/domain/*.py"), *ROOT.glob("services/*/api.py")]:
        importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))


def errors(root: type[HamkorError] = HamkorError) -> Iterator[type[HamkorError]]:
    yield root
    for child in root.__subclasses__():
        yield from errors(child)


def a_request(lang: str = "en") -> Request:
    headers = [(b"accept-language", lang.encode())]
    return Request({"type": "http", "method": "GET", "path": "/v1/x", "headers": headers, "query_string": b""})


def answer(problem: HamkorError, lang: str = "en") -> dict[str, Any]:
    response = Problems("partners", CATALOGUE).response(a_request(lang), problem)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.status_code == problem.status
    body: dict[str, Any] = json.loads(bytes(response.body))
    return body


@pytest.mark.parametrize("lang", Lang)
def test_every_error_class_is_told_in_every_language(lang: Lang) -> None:
    imported()
    for error in set(errors()):
        body = answer(error(), lang)
        assert body["status"] == error.status
        assert body["type"] == f"urn:hamkor:problem:{error.code}"
        for part in ("title", "detail", "remedy"):
            assert body[part]
            assert not body[part].startswith("problem."), f"{error.__name__} lacks its {part} in {lang}"


@pytest.mark.parametrize("lang", Lang)
def test_every_http_status_is_told_in_every_language(lang: Lang) -> None:
    for code in HTTP_CODES.values():
        assert CATALOGUE.text(f"problem.{code}.title", lang)


def rules_in_the_code() -> set[str]:
    """Rules named where they break: FieldError("field", "rule"), and ValueError or BrokenRule in validators."""
    found: set[str] = set()
    for path in [*ROOT.glob("shared/**/*.py"), *ROOT.glob("services/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            wanted = {"FieldError": 1, "ValueError": 0, "BrokenRule": 0, "UnreadableFile": 0}.get(node.func.id)
            if wanted is None or len(node.args) <= wanted:
                continue
            argument = node.args[wanted]
            value = argument.value if isinstance(argument, ast.Constant) else None
            if isinstance(value, str) and re.fullmatch(r"[a-z][a-z0-9_]*", value):
                found.add(value)
    return found


def test_every_rule_has_its_texts() -> None:
    rules = rules_in_the_code()
    assert {"stir", "academic_year", "unknown_territory", "cursor"} <= rules
    missing = [rule for rule in sorted(rules) if not CATALOGUE.has(f"rule.{rule}.message")]
    assert missing == []
    for lang in Lang:
        for rule in rules:
            for part in ("message", "remedy"):
                assert CATALOGUE.text(f"rule.{rule}.{part}", lang)


class Body(BaseModel):
    n: int
    name: str


@pytest.mark.parametrize("lang", Lang)
def test_validation_names_field_rule_and_remedy(lang: Lang) -> None:
    with pytest.raises(ValidationError) as caught:
        Body.model_validate({"n": "x"})
    fields = [field_error({**error, "loc": ("body", *error["loc"])}) for error in caught.value.errors()]
    body = answer(InvalidInput(*fields), lang)
    assert [(error["field"], error["rule"]) for error in body["errors"]] == [("n", "int_parsing"), ("name", "missing")]
    for error in body["errors"]:
        assert error["message"]
        assert error["remedy"]
        assert "{" not in error["message"] + error["remedy"]


class Hook(BaseModel):
    types: list[Annotated[str, StringConstraints(pattern="^hamkor")]]
    colour: Annotated[str, StringConstraints(pattern="^#")]


@pytest.mark.parametrize("lang", Lang)
def test_what_a_field_must_look_like_is_said_in_words_where_there_are_some(lang: Lang) -> None:
    with pytest.raises(ValidationError) as caught:
        Hook.model_validate({"types": ["hamkor", "x"], "colour": "red"})
    types, colour = answer(InvalidInput(*map(field_error, caught.value.errors())), lang)["errors"]
    assert (types["field"], types["rule"]) == ("types.1", "string_pattern_mismatch")
    assert types["message"] == CATALOGUE.text("rule.form_of_types.message", lang)
    assert "^#" in colour["message"]


class Span(BaseModel):
    first: int
    last: int

    @model_validator(mode="after")
    def _in_order(self) -> "Span":
        if self.last < self.first:
            raise BrokenRule("years_out_of_order", "last")
        return self


class Spans(BaseModel):
    spans: list[Span]


def test_rule_of_a_whole_is_told_of_the_field_that_it_is_about() -> None:
    with pytest.raises(ValidationError) as caught:
        Spans.model_validate({"spans": [{"first": 1, "last": 2}, {"first": 2, "last": 1}]})

    (error,) = map(field_error, caught.value.errors())

    assert (error.field, error.rule) == ("spans.1.last", "years_out_of_order")


class Kinds(BaseModel):
    kind: InstitutionKind
    answer: Literal["yes", "no"]


@pytest.mark.parametrize("lang", Lang)
def test_choices_are_listed_without_words_of_another_language(lang: Lang) -> None:
    with pytest.raises(ValidationError) as caught:
        Kinds.model_validate({"kind": "x", "answer": "x"})
    body = answer(InvalidInput(*(field_error(error) for error in caught.value.errors())), lang)
    kinds, answers = (error["message"] for error in body["errors"])
    assert "school, vocational_school, college, technikum, lyceum, university" in kinds
    assert "yes, no" in answers


def test_body_that_is_no_json_object_is_called_the_body() -> None:
    rules = [("model_attributes_type", ("body",)), ("json_invalid", ("body", 1))]
    errors = [field_error({"type": rule, "loc": place, "ctx": {}}) for rule, place in rules]
    body = answer(InvalidInput(*errors))
    assert [error["field"] for error in body["errors"]] == ["body", "body"]
    assert "Content-Type: application/json" in body["errors"][0]["remedy"]


def test_unknown_rule_falls_back_to_a_general_text() -> None:
    body = answer(InvalidInput(FieldError("a", "some_rule_of_pydantic")))
    assert body["errors"][0]["message"] == CATALOGUE.text("rule.value_error.message", Lang.EN)


def test_parameters_are_told_but_overwrite_nothing() -> None:
    body = answer(NotFound(what="institution", id="x", status="gone"))
    assert (body["what"], body["id"], body["status"]) == ("institution", "x", 404)


def test_headers_say_what_the_status_asks_for() -> None:
    problems = Problems("partners", CATALOGUE)
    assert problems.response(a_request(), Unauthenticated()).headers["www-authenticate"] == "Bearer"
    assert problems.response(a_request(), Unavailable(service="partners")).headers["retry-after"] == "1"
    assert "900" in answer(TooLarge(limit=900))["detail"]


def test_app_keeps_every_handler() -> None:
    app = FastAPI()
    Problems("partners", CATALOGUE).install(app)
    assert {OSError, HamkorError, Exception} <= set(app.exception_handlers)


def database_error(sqlstate: str) -> DBAPIError:
    orig = asyncpg.PostgresError("x")
    orig.sqlstate = sqlstate
    return DBAPIError("select", {}, orig)


@pytest.mark.parametrize("sqlstate", ["08006", "53300", "57P01", "57P03", "40001", "40P01", "55P03", "25006", "25P03"])
def test_what_heals_by_itself_is_transient(sqlstate: str) -> None:
    assert is_transient(database_error(sqlstate))
    assert sqlstate_of(database_error(sqlstate)) == sqlstate


@pytest.mark.parametrize("sqlstate", ["22003", "22P02", "23505", "23502", "42703", "P0001", ""])
def test_what_the_data_did_is_not_transient(sqlstate: str) -> None:
    assert not is_transient(database_error(sqlstate))


@pytest.mark.parametrize("problem", [OSError(), TimeoutError(), PoolTimeout(), asyncpg.InterfaceError("closed")])
def test_network_and_pool_are_transient(problem: Exception) -> None:
    assert is_transient(problem)


@pytest.mark.parametrize("problem", [ValueError(), KeyError(), LookupError(), asyncpg.DataError("value out of range")])
def test_faults_of_the_program_are_not_transient(problem: Exception) -> None:
    assert not is_transient(problem)


@given(st.lists(st.one_of(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), st.integers())))
def test_cursor_comes_back_as_it_went(keys: list[str | int]) -> None:
    try:
        assert decode_cursor(encode_cursor(*keys), len(keys)) == keys
    except InvalidInput:
        assert any(isinstance(key, int) and abs(key) >= 1 << 63 for key in keys)


@given(st.text(max_size=60), st.integers(1, 4))
def test_garbage_is_no_cursor(cursor: str, size: int) -> None:
    with suppress(InvalidInput):
        assert len(decode_cursor(cursor, size)) == size


async def test_logs_name_the_route_and_never_what_an_address_holds() -> None:
    app = FastAPI()
    Problems("test", Catalogue.load(SHARED_MESSAGES)).install(app)

    @app.get("/c/{token}")
    async def fail(token: str) -> None:
        raise PoolTimeout if token == "busy" else RuntimeError

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        with told_logs() as told:
            answers = [await client.get(f"/c/{token}") for token in ("busy", "s3cret")]
    assert [answer.status_code for answer in answers] == [503, 500]
    assert [each["route"] for each in told] == ["/c/{token}"] * 2
    assert "s3cret" not in repr(told)
