"""The mapping of the error tree to HTTP: RFC 9457 problem documents."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from common.errors import InputError, RecsysError, RefusedError, UnavailableError

CONTENT_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 2
"""The seconds after which a caller may try again after a 503; a commit or a bundle's fetch takes about that long."""

_TITLES: Final = {
    400: "Bad request",
    401: "Unauthorized",
    404: "Not found",
    405: "Method not allowed",
    408: "Request timeout",
    409: "Refused",
    413: "Too large",
    422: "File rejected",
    429: "Too many requests",
    431: "Headers too large",
    500: "Internal error",
    503: "Try again later",
}
refused: Final[Counter[int]] = Counter()
"""Requests and connections that this process's server has refused by itself, by status."""

_SEE_LOG: Final = "Something is wrong inside; the function's log says what."


def problem_of(error: Exception) -> tuple[int, dict[str, Any]]:
    """Returns the status and the problem document of an error.

    Internal errors (settings, damaged files, anything unforeseen) are described in the log and not to the caller.
    """
    if isinstance(error, InputError | RefusedError | UnavailableError):
        return error.status, problem(error.status, error.code, error.message)
    code = error.code if isinstance(error, RecsysError) else "internal"
    return 500, problem(500, code, _SEE_LOG)


def problem(status: int, code: str, detail: str) -> dict[str, Any]:
    """Returns a problem document. `code` is the stable code of `common.errors`; `detail` is for people."""
    return {
        "type": f"urn:recsys-lite:problem:{code}",
        "title": _TITLES[status],
        "status": status,
        "code": code,
        "detail": detail,
    }


def headers_of(status: int) -> dict[str, str]:
    """The headers of a problem with this status, except the content type."""
    if status == 401:
        return {"WWW-Authenticate": "Bearer"}
    return {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else {}
