"""What a shop wants to sell, against a plain reading of the definition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from common.ids import UserKey
from common.serving import selection
from common.serving.bundle import ServedBundle
from common.serving.filters import Filter
from common.serving.promotions import Promotion
from common.serving.ranking import RankingRequest, rank
from tests.bundles import Goods, History, layer_content, open_layers

ADA = UserKey(b"a" * 16)
N, DIM = 300, 6
RANDOM = np.random.default_rng(5)
VECTORS = RANDOM.standard_normal((N, DIM)).astype(np.float32)
TASTE = RANDOM.standard_normal(DIM).astype(np.float32)
SCORES = VECTORS @ TASTE
CATEGORIES = [f"c{number % 7}" for number in range(N)]
BRANDS = [f"b{number % 5}" for number in range(N)]
MATERIALS = [("wool", "silk")[number % 2] for number in range(N)]


@pytest.fixture(params=["gathered", "by index"])
def bundle(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ServedBundle:
    if request.param == "by index":
        monkeypatch.setattr(selection, "EXACT_MAX", 0)
    extra = tuple({"material": material} for material in MATERIALS)
    goods = Goods(range(N), VECTORS, categories=CATEGORIES, brands=BRANDS, extra=extra)
    gram = (VECTORS.T @ VECTORS + np.eye(DIM)).astype(np.float32)
    content = layer_content(goods, {ADA: History([0], TASTE)}, {"gram": gram}, newest=np.arange(N, dtype=np.int32))
    return open_layers([content], tmp_path)


def shown(bundle: ServedBundle, *promotions: Promotion, wanted: Filter | None = None, n: int = 10) -> list[int]:
    request = RankingRequest(
        n, wanted or Filter(), bundle.find_person(ADA), hide=np.array([0], np.int32), promotions=promotions
    )
    return [pick.item_no for pick in rank(bundle, request)]


def expected(allowed: list[int], gains: dict[int, float], n: int = 10) -> list[int]:
    plain = sorted(allowed, key=lambda item: -SCORES[item])
    unit = SCORES[plain[0]] - SCORES[plain[n - 1]]
    return sorted(allowed, key=lambda item: -(SCORES[item] + gains.get(item, 0.0) * unit))[:n]


@pytest.mark.parametrize("weight", [0.01, 0.5, 1.0, 5.0])
def test_an_item_rises_by_its_weight(bundle: ServedBundle, weight: float) -> None:
    gains = {item: weight for item in range(N) if CATEGORIES[item] == "c3"}
    assert shown(bundle, Promotion("category", "c3", weight)) == expected(list(range(1, N)), gains)


def test_of_several_promotions_the_largest_counts(bundle: ServedBundle) -> None:
    rules = (Promotion("brand", "b1", 0.4), Promotion("category", "c2", 0.8), Promotion("material", "silk", 0.3))
    fields = {"brand": BRANDS, "category": CATEGORIES, "material": MATERIALS}
    weights = {item: [rule.weight for rule in rules if fields[rule.field][item] == rule.value] for item in range(1, N)}
    gains = {item: max(found) for item, found in weights.items() if found}
    assert shown(bundle, *rules) == expected(list(range(1, N)), gains)


def test_a_filter_holds_for_what_is_promoted(bundle: ServedBundle) -> None:
    wanted = Filter(categories=("c1", "c2"), attributes=(("material", "wool"),))
    allowed = [item for item in range(1, N) if CATEGORIES[item] in ("c1", "c2") and MATERIALS[item] == "wool"]
    rules = (Promotion("category", "c2", 0.6), Promotion("category", "c5", 9.0), Promotion("material", "silk", 9.0))
    gains = {item: 0.6 for item in allowed if CATEGORIES[item] == "c2"}
    assert shown(bundle, *rules, wanted=wanted) == expected(allowed, gains)


def test_what_nobody_sells_changes_nothing(bundle: ServedBundle) -> None:
    assert shown(bundle, Promotion("brand", "unheard of", 5.0)) == shown(bundle)


def test_one_item_alone_is_itself(bundle: ServedBundle) -> None:
    assert shown(bundle, Promotion("brand", "b1", 5.0), n=1) == expected(list(range(1, N)), {}, n=1)
