"""The id of a request, which is equal in the call, the answer and the log."""

from __future__ import annotations

import re
import secrets
from typing import Final

HEADER: Final = "X-Request-Id"
# Short and plain, because it is copied into log lines and answers. Addresses and free text do not have this form.
_WELL_FORMED: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


def request_id_of(given: str | None) -> str:
    """Returns the caller's id, or a new one if there is none or it is not well-formed."""
    if given is not None and _WELL_FORMED.fullmatch(given):
        return given
    return secrets.token_hex(16)
