from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from common.usecases.publish.layers.rankings import FEW_PEOPLE, NEW_DEPTH, RankedItems, category_codes


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


def test_popular_ranks_what_is_bought_and_can_be() -> None:
    assert shelf([1, 3, 0, -1, 2], available=[True, True, True, True, False]).popular().tolist() == [1, 0]


def test_newest_ranks_everything_that_can_be_bought() -> None:
    assert shelf([1, 0, 0], available=[True, False, True]).newest().tolist() == [2, 0]


def test_popular_in_each_category_that_sells() -> None:
    ranked = shelf([1, 5, 3, 0, 9, 4], categories="ababca", available=[True] * 4 + [False, True]).popular_by_category()
    assert {name: items.tolist() for name, items in ranked.items()} == {"a": [5, 2, 0], "b": [1]}


def test_what_is_on_sale_is_ranked_by_popularity_then_by_age() -> None:
    ranked = shelf([1, 0, 5, 0, 9], available=[True, True, False, True, True])
    assert ranked.on_sale(np.array([0, 1, 2, 3], np.int32)).tolist() == [2, 0, 3, 1]


def test_new_items_that_few_know() -> None:
    ranked = shelf([0, 0, FEW_PEOPLE - 1, FEW_PEOPLE, 0, 0, 50], available=[True] * 4 + [False, True, True])
    assert ranked.few_know(since_s=1).tolist() == [5, 2, 1]
    of_a_small_shop = shelf([2, 4, 3, 0.2, 1e-6])
    assert of_a_small_shop.few_know(0).tolist() == [4, 3, 0], "three people on average"
    many = shelf([0] * (NEW_DEPTH + 1))
    assert many.few_know(0).tolist() == list(range(NEW_DEPTH, 0, -1))


def test_an_empty_shop() -> None:
    empty = shelf([])
    assert (empty.popular().tolist(), empty.newest().tolist(), empty.popular_by_category()) == ([], [], {})
