"""Logs as JSON lines: event and fields; no payload, no token and no personal value."""

from __future__ import annotations

import logging
from typing import Any, TextIO

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, WrappedLogger

__all__ = ["configure_logs"]


def configure_logs(level: str, file: TextIO | None = None) -> None:
    """Write logs of this level and above as JSON lines to `file` (None: standard output).

    An exception is logged with its kinds, first lines and places. Its local variables stay out, and so does what
    PostgreSQL adds on further lines (DETAIL): both may hold what a request or a row held.
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            _first_lines,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(file),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        cache_logger_on_first_use=True,
    )


def _first_lines(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    for one in event.get("exception") or ():
        _shorten(one)
    return event


def _shorten(exception: dict[str, Any]) -> None:
    exception["exc_value"] = exception["exc_value"].partition("\n")[0]
    for one in exception.get("exceptions") or ():
        for inner in one:
            _shorten(inner)
