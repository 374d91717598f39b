"""Pseudonyms and ids."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest

from common.ids import Pseudonymizer, join_user_key, new_id, split_user_key

KEY = bytes(range(32))


def test_a_pseudonym_is_hmac_sha_256_cut_to_128_bits() -> None:
    expected = hmac.new(KEY, b"customer-17", hashlib.sha256).digest()[:16]
    assert Pseudonymizer(KEY).user_key("customer-17") == expected


def test_another_key_gives_another_pseudonym() -> None:
    assert Pseudonymizer(KEY).user_key("a") != Pseudonymizer(KEY[::-1]).user_key("a")


def test_a_derived_key_differs_by_purpose_and_from_every_pseudonym() -> None:
    pseudonymizer = Pseudonymizer(KEY)
    assert pseudonymizer.derived_key("orders") != pseudonymizer.derived_key("sessions")


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 16 bytes"):
        Pseudonymizer(b"short")


def test_a_pseudonym_survives_its_two_halves() -> None:
    key = Pseudonymizer(KEY).user_key("ü")
    assert join_user_key(*split_user_key(key)) == key


def test_ids_sort_by_time_and_never_repeat() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    ids = [new_id(start + timedelta(seconds=second)) for second in range(50)]
    assert ids == sorted(ids)
    assert len({new_id(start) for _ in range(1000)}) == 1000
