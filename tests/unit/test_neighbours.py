from __future__ import annotations

import numpy as np
import pytest

from common.schemas.data import F32, I32, I64, Bools
from common.usecases.publish.layers import base
from common.usecases.publish.layers.base import eligible
from common.usecases.publish.layers.similar import SIMILAR_DEPTH, mixed_directions, nearest

EAST, NORTH = (1.0, 0.0), (0.0, 1.0)


def similar_of(own: F32, group: F32, people: I64, trained: Bools, listed: Bools, threads: int) -> I32:
    return nearest(mixed_directions(own, group, people, trained), trained, listed, threads)


def listed_first(people_of_odd_one: int) -> set[int]:
    """Items 0 to 4 point east and 5 to 9 north, as their groups do; item 10 points north in the eastern group."""
    own = np.array([EAST] * 5 + [NORTH] * 6, dtype=np.float32)
    group = np.array([EAST] * 5 + [NORTH] * 5 + [EAST], dtype=np.float32)
    people = np.array([50] * 10 + [people_of_odd_one])
    everything = np.ones(11, dtype=np.bool_)
    return set(similar_of(own, group, people, everything, everything, 1)[10, :5].tolist())


def test_what_few_have_bought_is_like_its_group_and_what_many_have_bought_like_itself() -> None:
    assert listed_first(1) == {0, 1, 2, 3, 4}
    assert listed_first(500) == {5, 6, 7, 8, 9}


def test_untrained_items_have_the_neighbours_of_their_group_and_are_nobodys() -> None:
    own = np.array([EAST, EAST, NORTH, (0, 0), (0, 0)], dtype=np.float32)
    group = np.array([EAST, EAST, NORTH, EAST, NORTH], dtype=np.float32)
    trained = np.array([True, True, True, False, False])
    similar = similar_of(own, group, np.array([9, 9, 9, 0, 0]), trained, trained, 1)
    assert similar.shape == (5, SIMILAR_DEPTH)
    assert [sorted(row[row >= 0].tolist()) for row in similar] == [[1], [0], [], [0, 1], [2]]


def test_neighbours_have_buyers_enough_or_the_most_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "MIN_NEIGHBOURS", 3)
    trained = np.array([True] * 5 + [False])
    assert eligible(np.array([30, 10, 9, 40, 50, 99]), trained).tolist() == [True, True, False, True, True, False]
    assert eligible(np.array([3, 1, 9, 4, 1, 99]), trained).tolist() == [True, False, True, True, False, False]
    assert not eligible(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.bool_)).any()


def test_a_family_without_directions_has_no_neighbours() -> None:
    everything = np.ones(3, dtype=np.bool_)
    nothing = np.zeros((3, 0), dtype=np.float32)
    assert (similar_of(nothing, nothing, np.array([5, 5, 5]), everything, everything, 1) == -1).all()
