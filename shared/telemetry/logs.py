"""Structured logs: one JSON object a line, events with keys, never personal data."""

import logging
import sys

import structlog

from shared.telemetry.trace import current_traceparent


def _trace(_: object, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    traceparent = current_traceparent()
    if traceparent is not None:
        event["trace_id"] = traceparent.split("-")[1]
    return event


def configure_logs(service: str, level: str = "info", form: str = "json") -> None:
    """Send structlog and the standard library's loggers to stdout in one form."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _trace,
    ]
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())
        if form == "console"
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.processors.StackInfoRenderer(), structlog.processors.format_exc_info, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    # aiokafka reports every unreachable broker several times a second; the chassis logs the state once.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    logging.getLogger("faststream").setLevel(logging.CRITICAL)
    # It tells whole addresses, and some of them are secrets: codes of surveys, links by which parties sign.
    for client in ("httpx", "httpcore"):
        logging.getLogger(client).setLevel(logging.WARNING)
