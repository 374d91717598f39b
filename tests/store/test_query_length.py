"""The queries that read an upload stay short: a small upload is read in less time than a long query takes to plan."""

from __future__ import annotations

import pytest

from common.store.uploads.decimals import NumberStyle, decimal
from common.store.uploads.fields import identifier
from common.store.uploads.timestamps import time_field

MOST_CHARACTERS = 8_000


@pytest.mark.parametrize("style", [NumberStyle(), NumberStyle(comma=True), NumberStyle(dots_unclear=True)])
def test_a_value_in_words_takes_a_short_query(style: NumberStyle) -> None:
    fields = [
        decimal("price", "t.price", "VARCHAR", style),
        time_field("ts", "t.ts", "VARCHAR", "UTC"),
        identifier("user_id", "t.user_id", "VARCHAR"),
    ]
    for field in fields:
        assert max(map(len, (field.value, field.given, field.ambiguous, field.text))) < MOST_CHARACTERS, field.column
