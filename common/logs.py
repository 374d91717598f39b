"""Structured logs: one JSON object per line on standard error, with the function's name and the ids of request and run.

No log line holds a user id, a pseudonym, an address or a person's list of items.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

_FIELDS = "recsys_fields"
_bound: ContextVar[Mapping[str, str]] = ContextVar("recsys_log_fields", default=MappingProxyType({}))


class JsonFormatter(logging.Formatter):
    def __init__(self, function: str) -> None:
        super().__init__()
        self._function = function

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "function": self._function,
            "event": record.getMessage(),
        }
        line.update(_bound.get())
        line.update(getattr(record, _FIELDS, {}))
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure(function: str, level: str = "info") -> None:
    """Sends the log of `common` to standard error as JSON lines. A second call replaces the first."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(function))
    logger = logging.getLogger("common")
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False


@contextmanager
def bound(**fields: str) -> Iterator[None]:
    """Adds these fields to every line that is logged in the block. Threads started in the block do not have them."""
    token = _bound.set({**_bound.get(), **fields})
    try:
        yield
    finally:
        _bound.reset(token)


def event(
    logger: logging.Logger, level: int, message: str, trace: BaseException | None = None, **fields: object
) -> None:
    """Logs one line with these fields, and with the trace of an error that is a defect."""
    logger.log(level, message, exc_info=trace, extra={_FIELDS: fields})
