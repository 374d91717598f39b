"""The shopper's token: of JSON Web Tokens (RFC 7519, RFC 7515) just the part that a shop's back end needs.

HMAC-SHA-256 in compact form, with `sub` and `exp`. A library for all of JWT takes four times as long, which was a tenth
of the first answer to a visitor; the tests hold this against one.
"""

from __future__ import annotations

import hmac
import json
import math
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeGuard

from common.errors import Unauthorized

MAX_TOKEN_BYTES: Final = 4_096


class Claims(NamedTuple):
    """`expires` is in epoch seconds."""

    subject: str
    expires: float


def read_token(token: bytes, key: bytes) -> Claims:
    """What a token says that was signed with `key`. Its expiry is left to whoever uses it.

    Raises `Unauthorized` for one that is too long, malformed, signed otherwise, not valid yet, without `sub` or `exp`,
    or that names an audience: nobody has told us to be one.
    """
    if len(token) > MAX_TOKEN_BYTES:
        raise Unauthorized(f"the token has {len(token)} bytes; at most {MAX_TOKEN_BYTES} are accepted")
    signed, _, signature = token.rpartition(b".")
    # Before anything in it is read: what nobody signed is not parsed.
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
    """The same for all tokens of a back end. Raises `ValueError`."""
    header = _decoded(segment)
    if header.get("alg") != "HS256":
        raise ValueError("its header must say that alg is HS256")
    if "crit" in header:
        raise ValueError("it asks for extensions by crit, and there are none here")


def _claims(claims: dict[str, Any]) -> Claims:
    subject, expires, not_before = claims.get("sub"), claims.get("exp"), claims.get("nbf", 0)
    if not isinstance(subject, str):
        raise ValueError("sub must be there, and be a text")
    if not (_is_moment(expires) and _is_moment(not_before)):
        raise ValueError("exp must be there, and exp and nbf be numbers")
    if not_before > time.time():
        raise ValueError("it holds only later")
    if "aud" in claims:
        raise ValueError("it is meant for the audience in aud")
    return Claims(subject, float(expires))


def _is_moment(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _decoded(segment: bytes) -> dict[str, Any]:
    document = json.loads(urlsafe_b64decode(segment + b"=" * (-len(segment) % 4)))
    if not isinstance(document, dict):
        raise ValueError("its parts must be JSON objects")
    return document


def _encoded(signature: bytes) -> bytes:
    return urlsafe_b64encode(signature).rstrip(b"=")
