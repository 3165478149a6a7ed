"""What the platform answers: a result, a refusal with its remedy, or nothing at all."""

from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass(frozen=True, slots=True)
class Answer:
    """A command's or a read's result; `positions` name the events a command appended ("partners/12/345")."""

    status: int
    body: dict[str, Any]
    positions: tuple[str, ...] = ()
    replayed: bool = False
    attempts: int = 1

    @property
    def id(self) -> str:
        """The id of the aggregate that is answered."""
        return str(self.body["id"])

    @property
    def version(self) -> int:
        """The version of the aggregate that is answered."""
        return int(self.body["version"])


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One wrong field of a refused request, in the language that was asked for."""

    field: str
    rule: str
    message: str
    remedy: str


@dataclass
class Problem(Exception):
    """A refusal (problem+json): nothing was done, and sending the same again would not help."""

    status: int
    code: str
    title: str
    detail: str = ""
    remedy: str = ""
    errors: tuple[FieldProblem, ...] = ()
    more: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = [f"{self.title} ({self.status})", self.detail]
        parts += [f"{error.field}: {error.message}. {error.remedy}" for error in self.errors] or [self.remedy]
        return " – ".join(part for part in parts if part)


class Unreachable(Exception):
    """The platform gave no usable answer for as long as was waited; whether a command took effect is not known."""


def answer_of(response: httpx.Response, attempts: int) -> Answer:
    """The answer in a response of the 2xx class; other JSON than an object stands under "items"."""
    content: Any = response.json() if response.content else {}
    body = content if isinstance(content, dict) else {"items": content}
    positions = tuple(part.strip() for part in response.headers.get("hamkor-position", "").split(",") if part.strip())
    return Answer(response.status_code, body, positions, "idempotency-replayed" in response.headers, attempts)


def problem_of(response: httpx.Response) -> Problem:
    """The refusal in any other response, also where it is no problem+json."""
    try:
        body = response.json()
    except ValueError:
        body = {}
    if not isinstance(body, dict):
        body = {}
    known = {"type", "title", "detail", "remedy", "errors", "status", "instance"}
    errors = tuple(
        FieldProblem(*(str(error.get(name, "")) for name in ("field", "rule", "message", "remedy")))
        for error in body.get("errors", [])
    )
    return Problem(
        status=response.status_code,
        code=str(body.get("type", "")).rpartition(":")[2] or "unknown",
        title=str(body.get("title") or response.reason_phrase),
        detail=str(body.get("detail", "")),
        remedy=str(body.get("remedy", "")),
        errors=errors,
        more={name: value for name, value in body.items() if name not in known},
    )
