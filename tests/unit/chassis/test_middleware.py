"""What is measured of a request."""

import asyncio
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from shared.telemetry.metrics import REQUEST_SECONDS
from shared.web.middleware import Observe


async def observed_s(content_type: bytes, service: str, lasts_s: float = 0.2) -> float:
    """The seconds that are noted for an answer whose body goes on for a while."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", content_type)]})
        await asyncio.sleep(lasts_s)
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(_: Message) -> None:
        pass

    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/v1/changes", "headers": []}
    await Observe(app, service)(scope, receive, send)
    samples = [sample for metric in REQUEST_SECONDS.collect() for sample in metric.samples]
    return next(s.value for s in samples if s.name.endswith("_sum") and s.labels["service"] == service)


async def test_a_change_stream_is_measured_until_it_begins() -> None:
    assert await observed_s(b"text/event-stream; charset=utf-8", "test-stream") < 0.2


async def test_any_other_answer_is_measured_until_it_ends() -> None:
    assert await observed_s(b"application/json", "test-answer") >= 0.2
