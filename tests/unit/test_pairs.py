"""Who counts behind a pair, and what one person counts at most."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.schemas.data import NO_USER
from common.schemas.pairs import MOST_OF_ONE, PairRule, shares_of_one

VISITS = st.lists(st.integers(NO_USER, 3), max_size=40)


@settings(deadline=None)
@given(VISITS, st.booleans())
def test_units_are_people_and_what_the_rule_says_of_guests(users: list[int], guests: bool) -> None:
    units = PairRule(1, guests).units(np.array(users, dtype=np.int64), np.arange(len(users)))
    known = set(users) - {NO_USER}
    nobody = users.count(NO_USER) if guests else min(1, users.count(NO_USER))
    assert len(set(units.tolist())) == len(known) + nobody
    assert all(units[at] == user for at, user in enumerate(users) if user != NO_USER)


@settings(deadline=None)
@given(st.dictionaries(st.tuples(st.integers(0, 2), st.integers(0, 2)), st.integers(1, 60), max_size=6))
def test_of_one_person_an_item_counts_as_twenty_at_most(times: dict[tuple[int, int], int]) -> None:
    rows = [row for row, often in times.items() for _ in range(often)]
    units, items = (np.array([row[at] for row in rows], dtype=np.int64) for at in (0, 1))
    shares = shares_of_one(units, items, units != 2)
    for row, often in times.items():
        counted = shares[(units == row[0]) & (items == row[1])].sum()
        assert counted == pytest.approx(often if row[0] == 2 else min(often, MOST_OF_ONE), rel=1e-4)
