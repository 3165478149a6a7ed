"""Logs of services that run inside the test's own process."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from structlog.typing import Processor


@contextmanager
def plain_logs() -> Iterator[None]:
    """One JSON line each: a traceback in colour with all local values takes half a second, and holds the loop up."""
    before = structlog.get_config()
    renderers: list[Processor] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    structlog.configure(processors=[structlog.processors.TimeStamper(fmt="iso"), *renderers])
    yield
    structlog.configure(**before)
