"""Identifiers: pseudonyms of people, commit and run ids, content hashes."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import NewType

from common.plain import earlier_forms, plain_id

UserKey = NewType("UserKey", bytes)
"""A person's pseudonym: 16 bytes. Its first 8 bytes, big-endian, are `key_hi` in the store, its last 8 `key_lo`."""

MIN_KEY_BYTES = 16


class Pseudonymizer:
    """A function that replaces user ids by HMAC-SHA-256(key, plain form of the id), cut to 128 bits.

    The key comes from the environment and is never in the bucket, so that the bucket alone identifies nobody. It has at
    least `MIN_KEY_BYTES` bytes.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < MIN_KEY_BYTES:
            raise ValueError(f"a pseudonym key needs at least {MIN_KEY_BYTES} bytes, got {len(key)}")
        self._key = key

    def user_key(self, user_id: str) -> UserKey:
        """The pseudonym of the id's plain form, under which events of today are stored."""
        return self.key_of_form(plain_id(user_id))

    def user_keys(self, user_id: str) -> tuple[UserKey, ...]:
        """`user_key`, and behind it the `earlier_keys`."""
        return (self.user_key(user_id), *self.earlier_keys(user_id))

    def earlier_keys(self, user_id: str) -> tuple[UserKey, ...]:
        """The pseudonyms under which earlier releases may have stored the same person."""
        return tuple(map(self.key_of_form, earlier_forms(user_id)))

    def key_of_form(self, form: str) -> UserKey:
        """The pseudonym of exactly this text."""
        return UserKey(hmac.digest(self._key, form.encode(), "sha256")[:16])

    def derived_key(self, purpose: str) -> bytes:
        """A 32-byte key for another purpose: `orders`, `sessions`, `erasures` or `key check`."""
        return hmac.digest(self._key, b"derive:" + purpose.encode(), "sha256")


def split_user_key(key: UserKey) -> tuple[int, int]:
    """The pseudonym as the store holds it: (key_hi, key_lo), two unsigned 64-bit integers."""
    return int.from_bytes(key[:8], "big"), int.from_bytes(key[8:], "big")


def join_user_key(key_hi: int, key_lo: int) -> UserKey:
    return UserKey(int(key_hi).to_bytes(8, "big") + int(key_lo).to_bytes(8, "big"))


def new_id(now: datetime | None = None) -> str:
    """A commit, run or bundle id that sorts by time: `20261123T181500Z-1f0c9a7b2d3e4f50`."""
    created_at = (now or datetime.now(UTC)).astimezone(UTC)
    return f"{created_at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(8)}"


def sha256_of_bytes(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def sha256_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
