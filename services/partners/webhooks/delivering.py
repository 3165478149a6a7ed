"""Deliveries out: signed, retried with ever longer pauses, each webhook in lanes of its own."""

import asyncio
import ssl
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import structlog
from sqlalchemy import Row, text
from standardwebhooks import Webhook

from services.partners.commands.webhooks import TEST_TYPE, disable_webhook
from services.partners.domain.webhooks import KEPT_DAYS, next_attempt
from services.partners.webhooks.addresses import AddressRefused, Reachable
from shared.contracts.platform import DisabledReason
from shared.errors import WrongState
from shared.persistence.unit_of_work import Database
from shared.telemetry.metrics import WEBHOOK_DELIVERIES, WEBHOOK_SECONDS, WEBHOOKS_WAITING
from shared.telemetry.progress import Progress

log = structlog.get_logger(__name__)

LOOK_S = 0.5
LANES = 64
LANES_OF_ONE = 4
"""Deliveries of one webhook under way before it waits for its own: a slow endpoint holds up nobody else."""
ANSWER_S = 15.0
LEASE = timedelta(seconds=60)
"""A delivery whose process died is taken up again after this."""
TIDY_S = 600.0
GONE = 410

_CLAIM = text(
    "with due as (select delivery.id from webhook cross join lateral (select id, next_at from webhook_delivery "
    "where webhook_id = webhook.id and status = 'pending' and next_at <= :now order by next_at limit :lanes_of_one "
    "for update skip locked) delivery where webhook.status = 'active' and webhook.id <> all(cast(:busy as text[])) "
    "order by delivery.next_at limit :lanes) "
    "update webhook_delivery delivery set next_at = :lease, attempts = attempts + 1 from due, webhook "
    "where delivery.id = due.id and webhook.id = delivery.webhook_id returning delivery.id, delivery.webhook_id, "
    "delivery.event_id, delivery.type, delivery.body, delivery.attempts, webhook.details->>'url' as url, "
    "array(select secret from webhook_secret secret where secret.webhook_id = webhook.id "
    "and (ends_at is null or ends_at > :now) order by made_at desc) as secrets"
)
# Fenced by the attempt: a process that was frozen beyond its lease has no say any more.
_SETTLE = text(
    "update webhook_delivery set status = :status, answered = :answered, problem = :problem, next_at = :next_at, "
    "delivered_at = :delivered_at where id = :id and status = 'pending' and attempts = :attempts returning id"
)
_WAITING = text("select count(*) from webhook_delivery where status = 'pending'")
_TIDY = text("delete from webhook_delivery where time < :oldest")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an attempt: the HTTP status, or in a word why there is none."""

    status: int | None = None
    problem: str | None = None

    @property
    def taken(self) -> bool:
        """Whether the receiver has it now."""
        return self.status is not None and 200 <= self.status < 300


class Sender:
    """Sends one request to exactly the address that was looked up and found public; follows nothing, reads no body."""

    def __init__(self, reachable: Reachable) -> None:
        self._reachable = reachable
        # No connection is used twice: the next delivery looks its address up anew.
        self._client = httpx.AsyncClient(
            limits=httpx.Limits(max_connections=LANES, max_keepalive_connections=0),
            timeout=httpx.Timeout(10, connect=5),
            follow_redirects=False,
            trust_env=False,
            verify=ssl.create_default_context(),
        )

    async def send(self, url: str, headers: dict[str, str], body: str) -> Answer:
        """Post `body`; never raises for what the receiver or the network does."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme != "https" and not self._reachable.loopback:
            return Answer(problem="https_required")
        try:
            async with asyncio.timeout(ANSWER_S):
                port = parts.port or (443 if parts.scheme == "https" else 80)
                address = await self._reachable.address_of(host, port)
                pinned = httpx.URL(url).copy_with(host=address)
                request = self._client.build_request(
                    "POST",
                    pinned,
                    content=body.encode(),
                    headers={**headers, "Host": parts.netloc},
                    extensions={"sni_hostname": host},
                )
                answer = await self._client.send(request, stream=True)
                await answer.aclose()
        except AddressRefused as refused:
            return Answer(problem=str(refused))
        except (TimeoutError, httpx.TimeoutException):
            return Answer(problem="timeout")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as problem:
            return Answer(problem=type(problem).__name__)
        return Answer(answer.status_code)

    async def aclose(self) -> None:
        """Close the client."""
        await self._client.aclose()


@dataclass
class Deliverer:
    """Looks twice a second for deliveries that are due; any number of its kind may work beside it."""

    database: Database
    progress: Progress
    sender: Sender
    _under_way: Counter[str] = field(default_factory=Counter)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _tidied_at: float = 0.0

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            while True:
                self.progress.beat("webhooks")
                try:
                    claimed = await self._claim() if len(self._tasks) < LANES else []
                    await self._tidy()
                except Exception as problem:
                    log.warning("webhooks.failed", error=repr(problem)[:300])
                    claimed = []
                for delivery in claimed:
                    self._begin(delivery)
                await asyncio.wait(self._tasks, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED) if (
                    self._tasks
                ) else await asyncio.sleep(LOOK_S)
        finally:
            for task in self._tasks:
                task.cancel()
            await self.sender.aclose()

    async def _claim(self) -> list[Row[Any]]:
        busy = [webhook for webhook, count in self._under_way.items() if count >= LANES_OF_ONE]
        async with self.database.unit_of_work() as uow:
            values = {
                "now": uow.now,
                "lease": uow.now + LEASE,
                "busy": busy,
                "lanes": LANES - len(self._tasks),
                "lanes_of_one": LANES_OF_ONE,
            }
            return list((await uow.session.execute(_CLAIM, values)).all())

    def _begin(self, delivery: "Row[Any]") -> None:
        task = asyncio.create_task(self._deliver(delivery))
        self._under_way[delivery.webhook_id] += 1
        self._tasks.add(task)

        def end(done: "asyncio.Task[None]") -> None:
            self._tasks.discard(done)
            self._under_way[delivery.webhook_id] -= 1
            if not self._under_way[delivery.webhook_id]:
                del self._under_way[delivery.webhook_id]
            if not done.cancelled() and (problem := done.exception()) is not None:
                # Its lease ends by itself: it is taken up again.
                log.warning("webhooks.delivery_failed", error=repr(problem)[:300])

        task.add_done_callback(end)

    async def _deliver(self, delivery: "Row[Any]") -> None:
        began = time.perf_counter()
        answer = await self.sender.send(delivery.url, self._headers(delivery), delivery.body)
        WEBHOOK_SECONDS.observe(time.perf_counter() - began)
        await self._settle(delivery, answer)

    def _headers(self, delivery: "Row[Any]") -> dict[str, str]:
        now = self.database.clock()
        signatures = [Webhook(secret).sign(delivery.event_id, now, delivery.body) for secret in delivery.secrets]
        return {
            "Content-Type": "application/json",
            "User-Agent": "Hamkor-Webhooks/1",
            "webhook-id": delivery.event_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }

    async def _settle(self, delivery: "Row[Any]", answer: Answer) -> None:
        async with self.database.unit_of_work() as uow:
            again = None if delivery.type == TEST_TYPE else next_attempt(delivery.attempts, uow.now)
            gone = answer.status == GONE
            status = "delivered" if answer.taken else "failed" if again is None or gone else "pending"
            values = {
                "id": delivery.id,
                "attempts": delivery.attempts,
                "status": status,
                "answered": answer.status,
                "problem": None if answer.taken else answer.problem or f"http_{answer.status}",
                "next_at": again or uow.now,
                "delivered_at": uow.now if answer.taken else None,
            }
            settled = (await uow.session.execute(_SETTLE, values)).one_or_none()
            if settled is not None and status == "failed" and delivery.type != TEST_TYPE:
                reason = DisabledReason.GONE if gone else DisabledReason.FAILING
                try:
                    await disable_webhook(uow, delivery.webhook_id, reason)
                except WrongState:
                    log.info("webhooks.stopped_already", webhook=delivery.webhook_id)
        WEBHOOK_DELIVERIES.labels("retried" if status == "pending" else status).inc()

    async def _tidy(self) -> None:
        if time.monotonic() - self._tidied_at < TIDY_S and self._tidied_at:
            return
        async with self.database.unit_of_work() as uow:
            await uow.session.execute(_TIDY, {"oldest": uow.now - timedelta(days=KEPT_DAYS)})
            WEBHOOKS_WAITING.set((await uow.session.execute(_WAITING)).scalar_one())
        self._tidied_at = time.monotonic()
