"""Answers that do not show the same thing ten times, against a plain reading of the definition."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.ids import UserKey
from common.schemas.data import F32
from common.serving import ranking, selection, variety
from common.serving.bundle import ServedBundle
from common.serving.filters import Filter
from common.serving.items import Items
from common.serving.ranking import RankingRequest, Rung, rank
from common.serving.search import Hits, search
from common.serving.variety import Quota, Variety, diversify
from tests.bundles import Goods, History, layer_content, open_layers

ADA = UserKey(b"a" * 16)
N, DIM = 300, 6
RANDOM = np.random.default_rng(3)
VECTORS = RANDOM.standard_normal((N, DIM)).astype(np.float32)
TASTE = RANDOM.standard_normal(DIM).astype(np.float32)
# Categories follow the taste, so that the best items are all of a few.
PLACES = np.argsort(np.argsort(-(VECTORS @ TASTE)))
CATEGORIES = [f"c{place // 40}" if place % 7 else "" for place in PLACES.tolist()]
PRICES = RANDOM.integers(1, 100, N).tolist()


@pytest.fixture(params=["gathered", "by index"])
def bundle(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ServedBundle:
    if request.param == "by index":
        monkeypatch.setattr(selection, "EXACT_MAX", 0)
    goods = Goods(range(N), VECTORS, categories=CATEGORIES, prices=PRICES)
    gram = (VECTORS.T @ VECTORS + np.eye(DIM)).astype(np.float32)
    newest = np.arange(N, dtype=np.int32)
    content = layer_content(goods, {ADA: History([0], TASTE)}, {"gram": gram}, newest=newest)
    return open_layers([content], tmp_path)


def shown(bundle: ServedBundle, wanted: Variety, n: int = 10, dearest: float | None = None) -> list[int]:
    request = RankingRequest(
        n, Filter(price_max=dearest), bundle.find_person(ADA), hide=np.array([0], np.int32), variety=wanted
    )
    return [pick.item_no for pick in rank(bundle, request)]


def best_first(dearest: float | None) -> list[int]:
    allowed = [item for item in range(1, N) if dearest is None or PRICES[item] <= dearest]
    return sorted(allowed, key=lambda item: -float(VECTORS[item] @ TASTE))


def within(items: list[int], n: int, most: int) -> list[int]:
    chosen: list[int] = []
    for item in items:
        category = CATEGORIES[item]
        if len(chosen) < n and (not category or [CATEGORIES[other] for other in chosen].count(category) < most):
            chosen.append(item)
    return chosen


def spread(items: list[int], n: int, diversity: float) -> list[int]:
    scores = {item: float(VECTORS[item] @ TASTE) for item in items}
    low, high = min(scores.values()), max(scores.values())

    def cosine(one: int, other: int) -> float:
        a, b = VECTORS[one], VECTORS[other]
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    def gain(item: int) -> float:
        likeness = max((cosine(item, other) for other in chosen), default=0.0)
        return (1 - diversity) * (scores[item] - low) / (high - low) - diversity * likeness

    chosen: list[int] = []
    for _ in range(n):
        chosen.append(max((item for item in items if item not in chosen), key=gain))
    return chosen


@pytest.mark.parametrize("dearest", [None, 20])
@pytest.mark.parametrize("most", [1, 2, 5])
def test_of_each_category_the_best_are_shown_and_no_more(
    bundle: ServedBundle, most: int, dearest: float | None
) -> None:
    answer = shown(bundle, Variety(max_per_category=most), dearest=dearest)
    assert answer == within(best_first(dearest), 10, most)


@pytest.mark.parametrize("dearest", [None, 20])
@pytest.mark.parametrize("diversity", [0.2, 0.7, 1.0])
def test_the_most_relevant_that_differs_comes_next(
    bundle: ServedBundle, diversity: float, dearest: float | None
) -> None:
    answer = shown(bundle, Variety(diversity), dearest=dearest)
    assert answer == spread(best_first(dearest)[: variety.POOL], 10, diversity)


def test_a_bound_holds_for_the_whole_answer(bundle: ServedBundle) -> None:
    """Whatever rung an item comes from: here the model's ranking ends at what it looks at, and the newest follow."""
    answer = shown(bundle, Variety(max_per_category=1), n=100)
    counts = Counter(CATEGORIES[item] for item in answer)
    named = {name for name in CATEGORIES if name}
    assert {name: counts[name] for name in named} == dict.fromkeys(named, 1)
    assert counts[""] == sum(not name for name in CATEGORIES[1:])


def test_no_more_of_the_best_are_compared_than_the_bound(bundle: ServedBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first forty are nearly all of one category, and the newest fill the answer."""
    monkeypatch.setattr(ranking, "DEEPEST", 40)
    request = RankingRequest(20, person=bundle.find_person(ADA), hide=np.array([0], np.int32), variety=Variety(0.0, 1))
    picks = rank(bundle, request)
    own = [pick.item_no for pick in picks if pick.rung is Rung.PERSONAL]
    assert own == within(best_first(None)[:40], 20, 1)
    assert len(own) < len(picks)


def test_where_categories_are_full_four_times_as_many_are_compared(
    bundle: ServedBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def noted(items: Items, query: F32, n: int, *others: Any) -> Hits:
        asked.append(n)
        return search(items, query, n, *others)

    monkeypatch.setattr(ranking, "search", noted)
    assert len(shown(bundle, Variety(max_per_category=1), n=20)) == 20
    assert asked == [40, 160]


def test_a_request_without_variety_changes_nothing(bundle: ServedBundle) -> None:
    assert shown(bundle, Variety()) == best_first(None)[:10]


def test_lists_are_bounded_too(bundle: ServedBundle) -> None:
    picks = rank(bundle, RankingRequest(5, variety=Variety(max_per_category=1)))
    assert {pick.rung for pick in picks} == {Rung.NEWEST}
    assert [pick.item_no for pick in picks] == within(list(range(N)), 5, 1)


def test_maximal_marginal_relevance_by_hand() -> None:
    """The second is the first again; at even weights the third, of half the relevance and at a right angle, is next."""
    found = Hits(np.arange(3, dtype=np.int32), np.array([1.0, 0.9, 0.5], np.float32))
    vectors = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    assert diversify(found, vectors, ["a", "a", "b"], 3, 0.5, Quota(None)) == [0, 2, 1]
    assert diversify(found, vectors, ["a", "a", "b"], 3, 0.0, Quota(None)) == [0, 1, 2]
    assert diversify(found, vectors, ["a", "a", "b"], 3, 0.0, Quota(1)) == [0, 2]
    assert diversify(found, vectors, ["", "", "b"], 2, 0.0, Quota(1)) == [0, 1]
