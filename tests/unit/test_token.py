"""Tokens as a back end's library makes them, and the many ways to make them wrong."""

from __future__ import annotations

import hmac
import json
import time
from base64 import urlsafe_b64encode
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.config import Shop
from common.edges.http_storefront import REMEMBERED_BYTES, Visitors
from common.edges.http_token import MAX_TOKEN_BYTES, read_token
from common.errors import Unauthorized
from tests.held import held_bytes
from tests.memory import SETTINGS

KEY = b"a secret of the back end, long enough for HS256"
IN_AN_HOUR = int(time.time()) + 3600
GOOD = {"sub": "ada", "exp": IN_AN_HOUR}


def signed(header: object, claims: object, key: bytes = KEY) -> bytes:
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims)]
    text = b".".join(urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    return text + b"." + urlsafe_b64encode(hmac.digest(key, text, "sha256")).rstrip(b"=")


@given(st.text(), st.floats(min_value=0, max_value=1e12), st.dictionaries(st.text(min_size=4), st.text()))
def test_what_a_library_signs_is_read(subject: str, expires: float, others: dict[str, str]) -> None:
    token = jwt.encode({**others, "sub": subject, "exp": expires}, KEY, "HS256").encode()
    if len(token) <= MAX_TOKEN_BYTES:
        assert read_token(token, KEY) == (subject, expires)


WRONG: dict[str, tuple[bytes, str]] = {
    "another key": (signed({"alg": "HS256"}, GOOD, b"x" * 40), "signature does not fit"),
    "no signature": (signed({"alg": "none"}, GOOD).rpartition(b".")[0] + b".", "signature does not fit"),
    "nothing": (b"", "signature does not fit"),
    "no dots": (b"abc", "signature does not fit"),
    "a padded signature": (signed({"alg": "HS256"}, GOOD) + b"=", "signature does not fit"),
    "bytes that are no text": (b"\xff\xfe.\xff.\xff", "signature does not fit"),
    "alg none, yet signed": (signed({"alg": "none"}, GOOD), "alg is HS256"),
    "no alg": (signed({}, GOOD), "alg is HS256"),
    "a list as header": (signed(["HS256"], GOOD), "JSON objects"),
    "extensions": (signed({"alg": "HS256", "crit": ["b64"], "b64": False}, GOOD), "crit"),
    "one part": (signed(b"", b"").replace(b".", b"", 1), "not valid"),
    "no JSON": (signed({"alg": "HS256"}, b"{"), "not valid"),
    "no UTF-8": (signed({"alg": "HS256"}, b'{"sub":"\xff"}'), "not valid"),
    "deep JSON": (signed({"alg": "HS256"}, b"[" * 2900), "not valid"),
    "claims that are a list": (signed({"alg": "HS256"}, [GOOD]), "JSON objects"),
    "no sub": (signed({"alg": "HS256"}, {"exp": IN_AN_HOUR}), "sub must be"),
    "a number as sub": (signed({"alg": "HS256"}, {**GOOD, "sub": 7}), "sub must be"),
    "a lone surrogate as sub": (signed({"alg": "HS256"}, b'{"sub": "\\ud800", "exp": 9999999999}'), "not valid"),
    "exp of 400 digits": (signed({"alg": "HS256"}, b'{"sub": "ada", "exp": 1' + b"0" * 400 + b"}"), "exp must be"),
    "nbf of 400 digits": (
        signed({"alg": "HS256"}, b'{"sub": "ada", "exp": 9999999999, "nbf": 1' + b"0" * 400 + b"}"),
        "exp must be",
    ),
    "no exp": (signed({"alg": "HS256"}, {"sub": "ada"}), "exp must be"),
    "a text as exp": (signed({"alg": "HS256"}, {**GOOD, "exp": str(IN_AN_HOUR)}), "exp must be"),
    "exp that never comes": (signed({"alg": "HS256"}, b'{"sub": "ada", "exp": Infinity}'), "exp must be"),
    "exp that is true": (signed({"alg": "HS256"}, {**GOOD, "exp": True}), "exp must be"),
    "from tomorrow on": (signed({"alg": "HS256"}, {**GOOD, "nbf": IN_AN_HOUR}), "only later"),
    "for somebody else": (signed({"alg": "HS256"}, {**GOOD, "aud": "billing"}), "audience"),
    "too long": (signed({"alg": "HS256"}, {**GOOD, "x": "y" * MAX_TOKEN_BYTES}), "at most 4096"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_refused(name: str) -> None:
    token, reason = WRONG[name]
    with pytest.raises(Unauthorized, match=reason):
        read_token(token, KEY)
    with pytest.raises((jwt.InvalidTokenError, UnicodeEncodeError)):
        refused_by_library(token)


def refused_by_library(token: bytes) -> None:
    if len(token) > MAX_TOKEN_BYTES or token.endswith(b"="):
        raise jwt.InvalidTokenError  # a bound of ours, and what RFC 7515 has no room for
    claims: dict[str, Any] = jwt.decode(token, KEY, algorithms=["HS256"], options={"require": ["sub", "exp"]})
    claims["sub"].encode("utf-8")
    times = [claims.get(name, 0) for name in ("exp", "nbf")]
    if any(isinstance(time_s, int) and abs(time_s) > 10**15 for time_s in times):
        raise jwt.InvalidTokenError  # a bound of ours: such a number is no float
    if type(claims["exp"]) is not int:
        raise jwt.InvalidTokenError  # the library also takes what int() makes a number of


def test_a_token_may_be_as_long_as_the_bound() -> None:
    """Its payload has 3,023 bytes, its header 15, and its signature 32, each of which Base64 makes a third longer."""
    others = 3_023 - len(json.dumps({**GOOD, "x": ""}))
    token = signed(b'{"alg":"HS256"}', {**GOOD, "x": "y" * others})
    assert len(token) == MAX_TOKEN_BYTES
    assert read_token(token, KEY) == ("ada", IN_AN_HOUR)


@given(st.integers(0, 150), st.integers(1, 255))
def test_no_byte_can_be_changed(place: int, change: int) -> None:
    token = bytearray(signed({"alg": "HS256", "typ": "JWT"}, GOOD))
    token[place % len(token)] ^= change
    with pytest.raises(Unauthorized):
        read_token(bytes(token), KEY)


def visitors(max_bytes: int = REMEMBERED_BYTES) -> Visitors:
    return Visitors(Shop.from_env({**SETTINGS, "RECSYS_TOKEN_KEY": KEY.decode()}).settings, max_bytes)


def bearer(number: int, filler: str = "") -> bytes:
    return b"Bearer " + signed({"alg": "HS256"}, {"sub": f"person {number}{filler}", "exp": IN_AN_HOUR})


@pytest.mark.parametrize(("filler", "times"), [("", 2_500), ("x" * 2_800, 250), ("\U0001f600" * 230, 300)])
def test_checked_tokens_take_no_more_memory_than_they_may(filler: str, times: int) -> None:
    max_bytes = 1 << 20
    checked = visitors(max_bytes)

    def come() -> None:
        for number in range(times):
            assert checked.subject(bearer(number, filler)) == f"person {number}{filler}"

    checked.subject(bearer(0))  # what the first use makes is not the cache's
    assert max_bytes / 8 < held_bytes(come) <= max_bytes


def test_a_checked_token_is_not_checked_again_until_others_need_its_room() -> None:
    """The key is changed beneath the cache, so that only what is remembered is still valid."""
    checked = visitors(max_bytes=5_000)
    first = bearer(0)
    assert checked.subject(first) == "person 0"
    checked._key = b"another key"
    assert checked.subject(first) == "person 0"
    checked._key = KEY
    for number in range(1, 20):
        checked.subject(bearer(number))
    checked._key = b"another key"
    assert checked.subject(bearer(19)) == "person 19"
    with pytest.raises(Unauthorized, match="signature"):
        checked.subject(first)


def test_a_remembered_token_expires_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    checked = visitors()
    token = bearer(0)
    assert checked.subject(token) == "person 0"
    monkeypatch.setattr("time.time", lambda: float(IN_AN_HOUR))
    with pytest.raises(Unauthorized, match="expired"):
        checked.subject(token)
