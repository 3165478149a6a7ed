"""The edge of a request: who asks, may they, and a command carried out exactly once however often it is sent."""

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import asyncpg
from fastapi import Depends, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.events import State
from shared.errors import (
    FieldError,
    Forbidden,
    HamkorError,
    InvalidInput,
    KeyReused,
    NotFound,
    ScopeLacking,
    VersionRequired,
)
from shared.i18n import Lang, negotiate
from shared.persistence.engine import raw_connection
from shared.persistence.unit_of_work import Database, UnitOfWork
from shared.scope import Principal, Role

Permissions = Mapping[str, frozenset[Role]]


@dataclass(frozen=True, slots=True)
class Revealed:
    """An answer with a secret that is shown this once: the stored answer, which a repeated request gets, has none."""

    state: State
    secret: Mapping[str, str]


Result = State | Sequence[State] | Mapping[str, Any] | Revealed | None
UseCase = Callable[[UnitOfWork], Awaitable[Result]]

MAX_KEY_CHARACTERS = 200

_CLAIM = (
    "insert into idempotency (subject, key, request_hash) values ($1, $2, $3) "
    "on conflict (subject, key) do nothing returning key"
)
_STORED = "select request_hash, status, headers, body from idempotency where subject = $1 and key = $2"
_STORE = "update idempotency set status = $3, headers = $4::text::jsonb, body = $5 where subject = $1 and key = $2"


class KeyRequired(HamkorError):
    """A command needs an Idempotency-Key so that a repeated request does nothing twice."""

    status = 400
    code = "idempotency-key-required"


@dataclass
class RequestEdge:
    """One request's way into the service: its caller, its permissions, its database."""

    request: Request
    principal: Principal
    database: Database
    permissions: Permissions

    @property
    def lang(self) -> Lang:
        """The caller's language."""
        return negotiate(self.request.headers.get("accept-language"))

    def allow(self, action: str) -> None:
        """Raise Forbidden unless the caller's role, and the scopes of their key, permit `action`."""
        if self.principal.role not in self.permissions[action]:
            raise Forbidden(action=action, role=self.principal.role.value)
        if not self.principal.may(action):
            raise ScopeLacking(scope=action)

    @asynccontextmanager
    async def reading(self, action: str) -> AsyncIterator[AsyncSession]:
        """A session for queries within the caller's scope."""
        self.allow(action)
        async with self.database.precedence.claimed(), self.database.reading(self.principal) as session:
            yield session

    @asynccontextmanager
    async def querying(self, action: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
        """A raw connection for queries within the caller's scope."""
        self.allow(action)
        async with self.database.precedence.claimed(), self.database.querying(self.principal) as connection:
            yield connection

    async def command(
        self,
        action: str,
        use_case: UseCase,
        *,
        status: int = 200,
        versioned: bool = False,
        content: bytes | None = None,
    ) -> Response:
        """Carry out one use case in one transaction and answer with what it returns.

        Its Idempotency-Key, request hash and answer are stored in the same transaction: the same request again gets
        the same answer, another request with the same key is refused. `versioned` demands If-Match. `content` is what
        makes requests the same where their bodies differ in wrapping only, as files in forms do.
        """
        self.allow(action)
        key = self.idempotency_key()
        expected = self._expected_version(versioned)
        fingerprint = await self._fingerprint(expected, content)
        identity = (self.principal.identity, key)
        async with self.database.precedence.claimed(), self.database.unit_of_work(self.principal, expected) as uow:
            # Straight to the driver: every command passes here.
            connection = await raw_connection(uow.session)
            if await connection.fetchval(_CLAIM, *identity, fingerprint) is None:
                stored = await connection.fetchrow(_STORED, *identity)
                if bytes(stored["request_hash"]) != fingerprint:
                    raise KeyReused
                headers = {**stored["headers"], "Idempotency-Replayed": "true"}
                return Response(bytes(stored["body"]), stored["status"], headers, media_type="application/json")
            result = await use_case(uow)
            secret: Mapping[str, str] = {}
            if isinstance(result, Revealed):
                secret, result = result.secret, result.state
            body, headers = _render(result, uow)
            positions = await uow.stage()
            if positions:
                headers["Hamkor-Position"] = ", ".join(str(position) for position in positions)
            await connection.execute(_STORE, *identity, status, json.dumps(headers), body)
        if secret:
            body = _dump({**json.loads(body), **secret})
        return Response(body, status, headers, media_type="application/json")

    def idempotency_key(self) -> str:
        """The request's Idempotency-Key; raises KeyRequired without, InvalidInput for one that is too long."""
        key = self.request.headers.get("idempotency-key", "").strip()
        if not key:
            raise KeyRequired
        if len(key) > MAX_KEY_CHARACTERS:
            raise InvalidInput(FieldError("Idempotency-Key", "string_too_long", {"max_length": MAX_KEY_CHARACTERS}))
        return key

    def _expected_version(self, required: bool) -> int | None:
        given = self.request.headers.get("if-match", "").strip()
        if not given or given == "*":
            if required and not given:
                raise VersionRequired
            return None
        digits = given.removeprefix("W/").strip('"')
        if not (digits.isascii() and digits.isdigit()) or len(digits) > 9:
            raise InvalidInput(FieldError("If-Match", "int_parsing"))
        return int(digits)

    async def _fingerprint(self, expected: int | None, content: bytes | None) -> bytes:
        request = self.request
        head = f"{request.method} {request.url.path}?{request.url.query} {expected}\n".encode()
        return hashlib.sha256(head + (await request.body() if content is None else content)).digest()


async def _edge(request: Request) -> RequestEdge:
    state = request.app.state
    principal = await state.verifier.principal(request.headers.get("authorization"))
    return RequestEdge(request, principal, state.database, state.permissions)


Edge = Annotated[RequestEdge, Depends(_edge)]


def state_dict_response(state: Mapping[str, Any] | None, what: str, id_: str) -> Response:
    """A single aggregate with its version as ETag; raises NotFound where there is none within the caller's scope."""
    if state is None:
        raise NotFound(what=what, id=id_[:100])
    return Response(_dump(state), 200, {"ETag": f'"{state["version"]}"'}, media_type="application/json")


def json_response(value: Mapping[str, Any]) -> Response:
    """Any JSON object."""
    return Response(_dump(value), media_type="application/json")


def page_response(items: Sequence[Mapping[str, Any]], cursor: str | None) -> Response:
    """A keyset page: the items and where the next page begins, or null at the end."""
    return json_response({"items": list(items), "next": cursor})


def _render(
    result: State | Sequence[State] | Mapping[str, Any] | None, uow: UnitOfWork
) -> tuple[bytes, dict[str, str]]:
    if result is None:
        return b"{}", {}
    if isinstance(result, State):
        shown = uow.shown(result)
        return (_dump(shown) if shown else result.model_dump_json().encode()), {"ETag": f'"{result.version}"'}
    if isinstance(result, Mapping):
        return _dump(result), {}
    return _dump({"items": [state.model_dump(mode="json") for state in result], "next": None}), {}


def _dump(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
