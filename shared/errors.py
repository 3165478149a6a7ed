"""One error tree: what a person or a client did wrong, rendered once at the edge as problem+json.

Texts live in the message catalogue under `problem.<code>.title|detail|remedy` and `rule.<rule>.message|remedy`.
"""

import dataclasses
import re
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field: its path ("schedule.0.seats"), the broken rule's code, and the rule's parameters."""

    field: str
    rule: str
    params: dict[str, str | int | float] = dataclasses.field(default_factory=dict)


class HamkorError(Exception):
    """Root of expected errors; `code` names the problem, `params` fill its texts."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"

    def __init__(self, *errors: FieldError, **params: str | float) -> None:
        super().__init__(self.code, params, errors)
        self.errors = errors
        self.params = params


class DomainError(HamkorError):
    """The command contradicts the state of the world."""

    status = 409
    code = "conflict"


class InvalidInput(DomainError):
    """A field's value is not acceptable; `errors` say which and why."""

    status = 422
    code = "invalid-input"


class NotFound(DomainError):
    """There is no such thing, or not within the caller's scope: the two look alike on purpose."""

    status = 404
    code = "not-found"


class AlreadyExists(DomainError):
    """The natural key is taken."""

    code = "already-exists"


class WrongState(DomainError):
    """The transition is not in the table; the refusal names the steps that are possible instead.

    `possible`: the steps, separated by ", ".
    """

    code = "wrong-state"

    def __init__(self, *, state: str = "", step: str = "", possible: str = "", **params: str | float) -> None:
        super().__init__(state=state, step=step, possible=possible or "–", **params)
        self.possible: list[str] = possible.split(", ") if possible else []


class VersionMismatch(DomainError):
    """Somebody else changed it in between (optimistic concurrency)."""

    status = 412
    code = "version-mismatch"


class VersionRequired(DomainError):
    """If-Match is required here so that nobody's change is overwritten unseen."""

    status = 428
    code = "version-required"


class KeyReused(DomainError):
    """The same Idempotency-Key came with another request."""

    status = 422
    code = "idempotency-key-reused"


class Unauthenticated(HamkorError):
    """No valid token."""

    status = 401
    code = "unauthenticated"


class Forbidden(HamkorError):
    """The caller's role may not do this anywhere."""

    status = 403
    code = "forbidden"


class ScopeLacking(Forbidden):
    """The API key's scopes do not include the action."""

    code = "scope-lacking"


class TooLarge(HamkorError):
    """The body exceeds the limit."""

    status = 413
    code = "too-large"


class Unavailable(HamkorError):
    """A part the request needs is down; trying again is right, after so many seconds."""

    status = 503
    code = "unavailable"
    retry_after_s: ClassVar[int] = 1


class BrokenRule(ValueError):
    """Raised by a validator of a whole command whose rule is one field's matter: forms show it there."""

    def __init__(self, rule: str, field: str) -> None:
        super().__init__(rule)
        self.field = field


def field_error(error: Any) -> FieldError:
    """A pydantic error as ours: the path without "body", the rule's code, and its plain parameters."""
    place = [str(part) for part in error["loc"] if part not in ("body", "query", "path", "header")]
    context = error.get("ctx") or {}
    params = {name: value for name, value in context.items() if isinstance(value, (str, int, float))}
    rule = str(error["type"])
    if rule in ("enum", "literal_error"):
        params["expected"] = ", ".join(re.findall(r"'([^']*)'", str(context.get("expected")))) or params["expected"]
    if rule == "json_invalid":
        place = ["body"]  # pydantic says how far into the text it came
    cause = context.get("error")
    if rule == "value_error" and isinstance(cause, ValueError) and str(cause).replace("-", "_").isidentifier():
        # A validator of ours names its rule: raise ValueError("stir_check_digit").
        rule = str(cause)
        place += [cause.field] if isinstance(cause, BrokenRule) else []
    return FieldError(".".join(place) or str(error["loc"][-1] if error["loc"] else "body"), rule, params)
