"""The id by which a caller, an answer and the log speak of one request."""

from __future__ import annotations

import re
import secrets
from typing import Final

HEADER: Final = "X-Request-Id"
# Short and plain: it goes into log lines and answers as it came. An address or free text is not of this form.
_WELL_FORMED: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


def request_id_of(given: str | None) -> str:
    """The caller's own id; a new one where there is none or it is not well-formed."""
    if given is not None and _WELL_FORMED.fullmatch(given):
        return given
    return secrets.token_hex(16)
