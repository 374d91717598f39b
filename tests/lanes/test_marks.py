"""Every slow test is in one lane."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.lanes.marks import COLLECTED, misplaced
from tests.lanes.table import Lane, read_lanes

LANES = [Lane("fast", 8, run="make test"), Lane("faults", 5), Lane("erase", 5)]

Mark = Callable[[Callable[[], None]], Callable[[], None]]


def test_every_slow_test_is_in_one_lane(request: pytest.FixtureRequest) -> None:
    """In the fast lane these are all tests: pytest collects the slow ones too before it leaves them out."""
    collected = request.config.stash[COLLECTED]
    assert request.node in collected
    assert misplaced(collected, read_lanes()) == []


@pytest.mark.parametrize(
    ("marks", "said"),
    [
        ([], None),
        ([pytest.mark.slow(lane="faults")], None),
        ([pytest.mark.slow(lane="faults"), pytest.mark.slow(lane="faults")], None),
        ([pytest.mark.slow], "none"),
        ([pytest.mark.slow(lane="fualts")], "fualts"),
        ([pytest.mark.slow(lane="fast")], "fast"),
        ([pytest.mark.slow(lane="faults"), pytest.mark.slow(lane="erase")], "erase, faults"),
    ],
)
def test_a_slow_test_outside_is_named(request: pytest.FixtureRequest, marks: list[Mark], said: str | None) -> None:
    def takes_minutes() -> None:
        pass

    for mark in marks:
        mark(takes_minutes)
    item = pytest.Function.from_parent(request.node.parent, name="takes_minutes", callobj=takes_minutes)
    found = misplaced([item], LANES)
    assert found == ([] if said is None else [f"{item.nodeid}: in lane {said}"])
