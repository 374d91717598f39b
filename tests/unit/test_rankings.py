from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from common.schemas.data import DAY_S, EventType
from common.usecases.publish.layers.rankings import HALF_LIFE_DAYS, RankedItems, category_codes, popularity
from tests.shops import NOON, Event, interactions


def shelf(scores: Sequence[float], categories: str = "", available: Sequence[bool] = ()) -> RankedItems:
    n = len(scores)
    codes, names = category_codes(list(categories or "a" * n))
    return RankedItems(
        scores=np.array(scores, dtype=np.float64),
        available=np.array(available or [True] * n, dtype=np.bool_),
        created_at=np.arange(n, dtype=np.int64),
        categories=codes,
        names=names,
    )


def test_newer_events_count_more_and_views_less_and_returns_take_back() -> None:
    data = interactions(
        [
            Event("a", "old", -HALF_LIFE_DAYS),
            Event(None, "new", 0),
            Event("b", "seen", 0, EventType.VIEW),
            Event("a", "back", 0),
            Event("a", "back", 0, EventType.RETURN),
        ]
    )
    scores = dict(zip(data.item_ids, popularity(data, NOON), strict=True))
    assert scores == pytest.approx({"old": 0.5, "new": 1, "seen": 0.2, "back": 0})


def test_scores_of_later_events_may_be_added_to_earlier_ones() -> None:
    first, later = [Event("a", "x", 0), Event("b", "y", 1)], [Event("a", "y", 30), Event("b", "x", 33)]
    together = popularity(interactions([*first, *later]), NOON + 33 * DAY_S)
    added = popularity(interactions(first), NOON) + popularity(interactions(later), NOON)
    assert together / together[0] == pytest.approx(added / added[0])


def test_popular_ranks_what_is_bought_and_can_be() -> None:
    assert shelf([1, 3, 0, -1, 2], available=[True, True, True, True, False]).popular().tolist() == [1, 0]


def test_newest_ranks_everything_that_can_be_bought() -> None:
    assert shelf([1, 0, 0], available=[True, False, True]).newest().tolist() == [2, 0]


def test_popular_in_each_category_that_sells() -> None:
    ranked = shelf([1, 5, 3, 0, 9, 4], categories="ababca", available=[True] * 4 + [False, True]).popular_by_category()
    assert {name: items.tolist() for name, items in ranked.items()} == {"a": [5, 2, 0], "b": [1]}


def test_an_empty_shop() -> None:
    empty = shelf([])
    assert (empty.popular().tolist(), empty.newest().tolist(), empty.popular_by_category()) == ([], [], {})
