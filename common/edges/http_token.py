"""The shopper's token: the part of JSON Web Tokens (RFC 7519, RFC 7515) that a shop's back end needs.

It is HMAC-SHA-256 in compact form, with `sub` and `exp`. A library for all of JWT takes four times as long, a tenth of
the first answer to a visitor. The tests compare this module with such a library.
"""

from __future__ import annotations

import hmac
import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeGuard

from common.errors import Unauthorized

MAX_TOKEN_BYTES: Final = 4_096
_LATEST_S: Final = 1e15
"""Epoch seconds, of a year that nobody means."""


class Claims(NamedTuple):
    """The claims of a token. `subject` is the user id, `expires` is in epoch seconds."""

    subject: str
    expires: float


def read_token(token: bytes, key: bytes) -> Claims:
    """Returns the claims of a token that was signed with `key`. The caller checks the expiry.

    Raises `Unauthorized` for a token that is too long, malformed, signed differently, not valid yet, or without `sub`
    or `exp`. A token with an audience is refused too, because there is no setting of an audience.
    """
    if len(token) > MAX_TOKEN_BYTES:
        raise Unauthorized(f"the token has {len(token)} bytes; at most {MAX_TOKEN_BYTES} are accepted")
    signed, _, signature = token.rpartition(b".")
    # The signature is checked first, so that unsigned content is never parsed.
    if not hmac.compare_digest(_encoded(hmac.digest(key, signed, "sha256")), signature):
        raise Unauthorized("the token is not valid: its signature does not fit; it has to be signed by HS256")
    header, _, payload = signed.partition(b".")
    try:
        _check_header(header)
        return _claims(_decoded(payload))
    except (ValueError, RecursionError) as error:
        raise Unauthorized(f"the token is not valid: {error}") from None


@lru_cache(maxsize=16)
def _check_header(segment: bytes) -> None:
    """Checks a token's header, which is equal in all tokens of a back end. Raises `ValueError`."""
    header = _decoded(segment)
    if header.get("alg") != "HS256":
        raise ValueError("its header must say that alg is HS256")
    if "crit" in header:
        raise ValueError("it asks for extensions by crit, and there are none here")


def _claims(claims: dict[str, Any]) -> Claims:
    subject, expires, not_before = claims.get("sub"), claims.get("exp"), claims.get("nbf", 0)
    if not isinstance(subject, str):
        raise ValueError("sub must be there, and be a text")
    subject.encode()  # a lone surrogate is refused here, and not where the pseudonym is made
    if not (_is_timestamp(expires) and _is_timestamp(not_before)):
        raise ValueError("exp must be there, and exp and nbf be numbers")
    if not_before > time.time():
        raise ValueError("it holds only later")
    if "aud" in claims:
        raise ValueError("it is meant for the audience in aud")
    return Claims(subject, float(expires))


def _is_timestamp(value: object) -> TypeGuard[float]:
    # A whole number in JSON may have any number of digits; one beyond the floats raises OverflowError there.
    return isinstance(value, int | float) and not isinstance(value, bool) and -_LATEST_S <= value <= _LATEST_S


def _decoded(segment: bytes) -> dict[str, Any]:
    document = json.loads(urlsafe_b64decode(segment + b"=" * (-len(segment) % 4)))
    if not isinstance(document, dict):
        raise ValueError("its parts must be JSON objects")
    return document


def _encoded(signature: bytes) -> bytes:
    return urlsafe_b64encode(signature).rstrip(b"=")
