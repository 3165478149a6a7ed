"""Logs of services that run inside the test's own process."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from structlog._config import BoundLoggerLazyProxy
from structlog.testing import capture_logs
from structlog.typing import EventDict, Processor


@contextmanager
def plain_logs() -> Iterator[None]:
    """One JSON line each: a traceback in colour with all local values takes half a second, and holds the loop up."""
    before = structlog.get_config()
    renderers: list[Processor] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    structlog.configure(processors=[structlog.processors.TimeStamper(fmt="iso"), *renderers])
    yield
    structlog.configure(**before)


@contextmanager
def told_logs() -> Iterator[list[EventDict]]:
    """What is logged, also by loggers that an earlier test used: services keep a logger as it was at its first use."""
    for module in list(sys.modules.values()):
        for logger in vars(module).values():
            if isinstance(logger, BoundLoggerLazyProxy):
                vars(logger).pop("bind", None)
    with capture_logs() as events:
        yield events
