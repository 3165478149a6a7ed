"""The operators' page: are the services up, how far behind are relays and inboxes, what lies in the dead letters."""

import asyncio
import re
import time
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.portal.proxy import Upstreams
from services.portal.rendering import Pages
from services.portal.sessions import Session
from services.portal.settings import PROXIED
from services.portal.sign_in import ServiceToken, SessionEnded
from shared.errors import Forbidden, NotFound, Unavailable
from shared.scope import Role

SETTLEMENTS = frozenset({"replay", "discard"})
_LETTER = re.compile(r"[0-9A-Za-z-]{1,64}")
MAY_SEE = frozenset({Role.OPERATOR, Role.MINISTRY})


@dataclass(frozen=True, slots=True)
class ServiceState:
    """One service as it answered just now; numbers are None where it did not say."""

    name: str
    live: bool
    ready: bool
    answer_ms: float | None
    events: int | None = None
    unpublished: int | None = None
    behind: dict[str, int] = field(default_factory=dict)
    letters: list[dict[str, Any]] = field(default_factory=list)
    open_letters: int | None = None
    problems: dict[str, str] = field(default_factory=dict)
    rebuilt: float | None = None
    """How much of a new generation is built; None while none is."""


class Operations:
    """Asks every service for its state, with the portal's own token."""

    def __init__(self, upstreams: Upstreams, token: ServiceToken) -> None:
        self._upstreams = upstreams
        self._token = token

    async def states(self) -> list[ServiceState]:
        """The state of every service, asked at the same moment."""
        headers = {"authorization": f"Bearer {await self._token()}"}
        answers = await asyncio.gather(*(self._ask(service, headers) for service in PROXIED))
        heads = {service: answer["heads"] for service, answer in zip(PROXIED, answers, strict=True)}
        return [self._state(service, answer, heads) for service, answer in zip(PROXIED, answers, strict=True)]

    async def _ask(self, service: str, headers: dict[str, str]) -> dict[str, Any]:
        started = time.perf_counter()
        ready_status, ready = await self._get(service, "/ready", {})
        answer_ms = (time.perf_counter() - started) * 1000 if ready_status else None
        (live_status, _), (_, heads), (_, inbox), (_, letters), metrics = await asyncio.gather(
            self._get(service, "/live", {}),
            self._get(service, "/internal/heads", headers),
            self._get(service, "/internal/inbox", headers),
            self._get(service, "/internal/dead-letters", headers),
            self._metrics(service),
        )
        return {
            "live": live_status == 200,
            "ready": ready_status == 200,
            "problems": ready.get("problems", {}),
            "ms": answer_ms,
            "heads": heads.get("heads"),
            "inbox": inbox.get("applied", {}),
            "open": inbox.get("dead_letters"),
            "letters": letters.get("items", []),
            "unpublished": metrics.get("hamkor_relay_lag_events"),
            "rebuilt": metrics.get("hamkor_rebuild_done_ratio", -1.0),
        }

    async def _get(self, service: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
        try:
            answer = await self._upstreams.client.get(self._upstreams.url(service) + path, headers=headers, timeout=3)
            body = answer.json()
        except (httpx.HTTPError, ValueError):
            return 0, {}
        return answer.status_code, body if isinstance(body, dict) else {}

    async def _metrics(self, service: str) -> dict[str, float]:
        """The sums of the service's plain metrics by name."""
        try:
            answer = await self._upstreams.client.get(self._upstreams.url(service) + "/metrics", timeout=3)
        except httpx.HTTPError:
            return {}
        sums: dict[str, float] = {}
        for line in answer.text.splitlines():
            if line.startswith(("hamkor_relay_lag_events", "hamkor_rebuild_done_ratio")):
                name, _, value = line.rpartition(" ")
                sums[name.partition("{")[0]] = sums.get(name.partition("{")[0], 0.0) + float(value)
        return sums

    async def settle(self, service: str, letter: str, how: str) -> bool:
        """Replay or discard a dead letter; False where the service refuses."""
        headers = {"authorization": f"Bearer {await self._token()}"}
        url = f"{self._upstreams.url(service)}/internal/dead-letters/{letter}/{how}"
        try:
            answer = await self._upstreams.client.post(url, headers=headers, timeout=10)
        except httpx.HTTPError as problem:
            raise Unavailable(service=service) from problem
        return answer.status_code == 200

    @staticmethod
    def _state(service: str, answer: dict[str, Any], heads: dict[str, Any]) -> ServiceState:
        behind = {}
        for source, applied in answer["inbox"].items():
            theirs = heads.get(source)
            if theirs is not None:
                behind[source] = max(0, sum(theirs) - _total(applied))
        unpublished = answer["unpublished"]
        return ServiceState(
            service,
            answer["live"],
            answer["ready"],
            answer["ms"],
            sum(answer["heads"]) if answer["heads"] is not None else None,
            int(unpublished) if unpublished is not None else None,
            behind,
            answer["letters"][:20],
            answer["open"] if answer["open"] is not None else len(answer["letters"]),
            {str(name): str(reason) for name, reason in answer["problems"].items()},
            answer["rebuilt"] if answer["rebuilt"] >= 0 else None,
        )


def _total(applied: Any) -> int:
    """The sum of applied positions, given per shard as a list or a mapping."""
    return sum(applied.values()) if isinstance(applied, dict) else sum(applied)


def operations_routes(pages: Pages, operations: Operations) -> APIRouter:
    """The routes of the operators' page."""
    router = APIRouter(include_in_schema=False)

    async def shown(request: Request, template: str) -> Response:
        session: Session | None = request.state.session
        if session is None:
            raise SessionEnded
        if session.role not in MAY_SEE:
            raise Forbidden
        return pages.page(request, template, states=await operations.states())

    @router.get("/operations")
    async def page(request: Request) -> Response:
        return await shown(request, "operations.html")

    @router.post("/operations/{service}/{letter}/{how}")
    async def settle(request: Request, service: str, letter: str, how: str) -> Response:
        session: Session | None = request.state.session
        if session is None:
            raise SessionEnded
        if session.role is not Role.OPERATOR:
            raise Forbidden
        if service not in PROXIED or how not in SETTLEMENTS or not _LETTER.fullmatch(letter):
            raise NotFound
        if not await operations.settle(service, letter, how):
            raise NotFound
        return RedirectResponse("/operations", 303)

    @router.get("/fragments/operations")
    async def fragment(request: Request) -> Response:
        return await shown(request, "parts/operations.html")

    return router
