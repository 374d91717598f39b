"""Which ids of callers are taken over."""

from __future__ import annotations

import uuid

import pytest

from common.edges.request_id import request_id_of


@pytest.mark.parametrize("given", [str(uuid.UUID(int=7)), "req_1.A-b", "x" * 64])
def test_a_well_formed_id_is_kept(given: str) -> None:
    assert request_id_of(given) == given


@pytest.mark.parametrize(
    "given", [None, "", "x" * 65, "a b", "ann@shop.example", 'x"}', "a\r\nSet-Cookie: b=1", "a\n", "é", "\u0661"]
)
def test_anything_else_is_replaced_by_a_new_one(given: str | None) -> None:
    first, second = request_id_of(given), request_id_of(given)
    assert first not in (given, second)
    assert request_id_of(first) == first
