"""Logs: one line an event, JSON by default, each with the request id it belongs to.

Prompts, keys and addresses of people are not logged. What a person wrote goes through JSON (or
`repr` for people), so that no line can be forged.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog


def set_up(log_format: str = "json", stream: Any = None) -> None:
    """Send structlog's events and the standard library's warnings to one stream, stderr."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    last: Any = structlog.processors.JSONRenderer()
    if log_format == "text":
        last = structlog.dev.ConsoleRenderer(colors=False, repr_native_str=True)
    structlog.configure(
        processors=[*shared, last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    foreign: list[Any] = [*shared[:2], structlog.stdlib.add_logger_name, *shared[2:]]
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
            foreign_pre_chain=foreign,
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
