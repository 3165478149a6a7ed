"""Errors as problem+json (RFC 9457) in the caller's language, with what to do next."""

import json
from collections.abc import Mapping
from typing import Any

import asyncpg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from shared.contracts.fields import (
    ID_PATTERN,
    NAMED_PATTERN,
    PLACE_PATTERN,
    PLAIN_PATTERN,
    REF_PATTERN,
    REGION_PATTERN,
    TERRITORY_PATTERN,
)
from shared.errors import (
    AlreadyExists,
    FieldError,
    HamkorError,
    InvalidInput,
    Unauthenticated,
    Unavailable,
    WrongState,
    field_error,
)
from shared.i18n import Catalogue, Lang, negotiate
from shared.persistence.engine import is_transient, sqlstate_of

log = structlog.get_logger(__name__)

# Answered as part of the request; only what is left over counts as a crash and reaches the server's own log.
FAILURES = (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
UNIQUE_VIOLATION = "23505"
DATA_EXCEPTION = "22"

PATTERNS_IN_WORDS: dict[object, str] = {
    REF_PATTERN: "reference",
    NAMED_PATTERN: "reference",
    ID_PATTERN: "entry_id",
    PLAIN_PATTERN: "control_characters",
    REGION_PATTERN: "region_code",
    PLACE_PATTERN: "place_code",
    TERRITORY_PATTERN: "territory_code",
}
"""Patterns that people meet in forms, and the texts that say them in words.

A service says in words what a field of its own must look like as the rule `form_of_<field>`.
"""
PATTERN = "string_pattern_mismatch"

HTTP_CODES = {
    400: "bad-request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    415: "unsupported-media-type",
    422: "invalid-input",
    429: "too-many",
    503: "unavailable",
}


class Problems:
    """Renders every error of one service; `catalogue` holds the texts."""

    def __init__(self, service: str, catalogue: Catalogue) -> None:
        self._service = service
        self._catalogue = catalogue

    def install(self, app: FastAPI) -> None:
        """Take over all error answers of the app."""
        app.state.problems = self
        app.add_exception_handler(HamkorError, self._on_error)
        app.add_exception_handler(RequestValidationError, self._on_validation)
        app.add_exception_handler(HTTPException, self._on_http)
        for failure in FAILURES:
            app.add_exception_handler(failure, self._on_failure)
        app.add_exception_handler(Exception, self._on_crash)

    def response(self, request: Request, problem: HamkorError) -> Response:
        """The answer to one expected error."""
        headers = {"WWW-Authenticate": "Bearer"} if isinstance(problem, Unauthenticated) else {}
        if isinstance(problem, Unavailable):
            headers["Retry-After"] = str(problem.retry_after_s)
        return _answer(self.told(request, problem), problem.status, headers)

    def told(self, request: Request, problem: HamkorError) -> dict[str, Any]:
        """The members of a problem in the caller's language: of an answer, or of one row of it."""
        lang = negotiate(request.headers.get("accept-language"))
        params = {"service": self._service, **problem.params}
        body = self._body(problem.code, problem.status, lang, request, params)
        body |= {name: value for name, value in problem.params.items() if name not in body}
        if isinstance(problem, WrongState):
            body["possible"] = problem.possible
        if problem.errors:
            body["errors"] = [self._field(error, lang) for error in problem.errors]
        return body

    def _in_words(self, params: Mapping[str, str | int | float], lang: Lang) -> dict[str, str | int | float]:
        """The params with codes, or lists of them, in words where the catalogue has such; what is echoed stays."""

        def say(code: str) -> str:
            return self._catalogue.text(f"word.{code}", lang) if self._catalogue.has(f"word.{code}") else code

        return {
            name: ", ".join(map(say, value.split(", "))) if isinstance(value, str) and name != "value" else value
            for name, value in params.items()
        }

    def _body(
        self, code: str, status: int, lang: Lang, request: Request, params: dict[str, str | int | float]
    ) -> dict[str, Any]:
        words = self._in_words(params, lang)

        def say(part: str) -> str:
            return self._catalogue.text(f"problem.{code}.{part}", lang, **words)

        return {
            "type": f"urn:hamkor:problem:{code}",
            "title": say("title"),
            "status": status,
            "detail": say("detail"),
            "remedy": say("remedy"),
            "instance": request.url.path,
        }

    def _field(self, error: FieldError, lang: Lang) -> dict[str, str]:
        rule = PATTERNS_IN_WORDS.get(error.params.get("pattern"), error.rule)
        in_words = f"form_of_{_name(error.field)}"
        if rule == PATTERN and self._catalogue.has(f"rule.{in_words}.message"):
            rule = in_words
        if not self._catalogue.has(f"rule.{rule}.message"):
            rule = "value_error"
        params = {"field": error.field, **self._in_words(error.params, lang)}
        return {
            "field": error.field,
            "rule": error.rule,
            "message": self._catalogue.text(f"rule.{rule}.message", lang, **params),
            "remedy": self._catalogue.text(f"rule.{rule}.remedy", lang, **params),
        }

    async def _on_error(self, request: Request, problem: Exception) -> Response:
        assert isinstance(problem, HamkorError)
        return self.response(request, problem)

    async def _on_validation(self, request: Request, problem: Exception) -> Response:
        assert isinstance(problem, RequestValidationError)
        return self.response(request, InvalidInput(*(field_error(error) for error in problem.errors()[:50])))

    async def _on_http(self, request: Request, problem: Exception) -> Response:
        assert isinstance(problem, HTTPException)
        code = HTTP_CODES.get(problem.status_code, "bad-request" if problem.status_code < 500 else "internal")
        lang = negotiate(request.headers.get("accept-language"))
        params: dict[str, str | int | float] = {"service": self._service, "limit": getattr(problem, "limit", "")}
        body = self._body(code, problem.status_code, lang, request, params)
        return _answer(body, problem.status_code, dict(problem.headers or {}))

    async def _on_failure(self, request: Request, problem: Exception) -> Response:
        """What a database or a network said: down, refused as malformed, or somebody else's insert was first."""
        if is_transient(problem):
            log.warning("request.unavailable", route=_route(request), error=repr(problem)[:500])
            return self.response(request, Unavailable(service=self._service))
        if (refused := refused_by_database(problem)) is not None:
            log.info("request.refused_by_database", route=_route(request), error=repr(problem)[:500])
            return self.response(request, refused)
        return await self._on_crash(request, problem)

    async def _on_crash(self, request: Request, problem: Exception) -> Response:
        log.error("request.crashed", route=_route(request), exc_info=problem)
        return self.response(request, HamkorError())


def _name(field: str) -> str:
    """The name of a field, or of the list that it stands in; "key" of what is wrong as a key."""
    return next((part for part in reversed(field.split(".")) if not part.isdecimal()), field).strip("[]")


def _route(request: Request) -> str:
    """What logs name a request by: the route's template, for an address may hold a secret."""
    return getattr(request.scope.get("route"), "path", "unmatched")


def refused_by_database(problem: BaseException) -> HamkorError | None:
    """What of a database's refusal is the caller's: a key that is taken, a value no column takes; None for the rest."""
    code = sqlstate_of(problem)
    if code == UNIQUE_VIOLATION:
        return AlreadyExists()
    return InvalidInput() if code.startswith(DATA_EXCEPTION) else None


def _answer(body: dict[str, Any], status: int, headers: dict[str, str]) -> Response:
    content = json.dumps(body, ensure_ascii=False).encode()
    return Response(content, status, headers, media_type="application/problem+json")
