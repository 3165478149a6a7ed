"""W3C trace context, carried from the request through the event to its consumers."""

import os
import re
from contextvars import ContextVar

_CURRENT: ContextVar[str | None] = ContextVar("traceparent", default=None)
_FORM = re.compile(r"^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$")


def current_traceparent() -> str | None:
    """The trace context of the work in hand, or None."""
    return _CURRENT.get()


def enter_trace(incoming: str | None) -> str:
    """Continue the caller's trace with a span of our own, or begin a new one; returns the new traceparent."""
    trace_id = incoming.split("-")[1] if incoming and _FORM.match(incoming) else os.urandom(16).hex()
    traceparent = f"00-{trace_id}-{os.urandom(8).hex()}-01"
    _CURRENT.set(traceparent)
    return traceparent
