"""What the demo's people do, as values: an act is asked for by a generator and its answer sent back into it."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeAlias

from deploy.api_client import Answer


@dataclass(frozen=True, slots=True)
class Act:
    """A command of `user` on the simulated day `on`; `what` names its kind ("agreement.sign")."""

    on: date
    what: str
    user: str
    method: str
    service: str
    path: str
    body: Mapping[str, Any] | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """A read of `user`."""

    on: date
    user: str
    service: str
    path: str


@dataclass(frozen=True, slots=True)
class Response:
    """Somebody nameless answers a questionnaire with a code; `campaign` is kept for the ledger alone."""

    on: date
    campaign: str
    code: str
    fields: Mapping[str, str | list[str]]


@dataclass(frozen=True, slots=True)
class TakeUp:
    """Somebody's device turns an invitation into the right to answer; whether it is used then, nobody can tell."""

    on: date
    code: str


@dataclass(frozen=True, slots=True)
class Interview:
    """`user` enters answers that were given in an interview; `campaign` is kept for the ledger too."""

    on: date
    user: str
    campaign: str
    client_id: str
    fields: Mapping[str, str | list[str]]


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing for a moment: what was done has to be heard of elsewhere."""

    on: date
    seconds: float


Deed: TypeAlias = Act | Look | Response | TakeUp | Interview | Pause
Work: TypeAlias = Generator[Deed, Answer, None]
"""A piece of work, deed by deed in the order of days."""
