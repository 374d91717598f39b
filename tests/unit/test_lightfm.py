from __future__ import annotations

import numpy as np

from common.models.base import FitOptions, TrainingData
from common.models.item_features import item_features
from common.models.registry import make
from tests.shops import NOON, Event, catalogue, interactions


def test_features_are_shared_by_category_brand_and_price_band() -> None:
    rows = [
        ("cup", "kitchen", "Roth", 10.0),
        ("mug", "kitchen", "", 10.5),
        ("new cup", "kitchen", "Roth", 40.0),
        ("rug", "", "", float("nan")),
        ("unlike", "garden", "Grün", float("nan")),
    ]
    features = item_features(("cup", "mug", "rug"), catalogue(rows))
    shared = features.trained.toarray() @ features.trained.toarray().T
    assert shared.tolist() == [[4, 2, 0], [2, 3, 0], [0, 0, 1]]
    assert features.new_ids == ("new cup",)
    assert (features.new.toarray() @ features.trained.toarray().T).tolist() == [[2, 1, 0]]


def test_without_a_catalogue_an_item_is_its_own_only_feature() -> None:
    features = item_features(("a", "b"), None)
    assert features.trained.toarray().tolist() == [[1, 0], [0, 1]]
    assert features.new_ids == ()


def test_a_new_item_is_liked_by_those_who_like_its_category() -> None:
    """Even people buy tools and odd people toys; one new item of each has no events."""
    kinds = {f"{kind} {number}": kind for kind in ("tool", "toy") for number in range(8)}
    names = list(kinds)
    rng = np.random.default_rng(2)
    data = interactions(
        Event(f"u{user:02}", names[8 * (user % 2) + int(item)], float(day))
        for user in range(30)
        for day, item in enumerate(rng.permutation(8)[:5])
    )
    rows = [(name, kind, "", 1.0) for name, kind in (kinds | {"tool new": "tool", "toy new": "toy"}).items()]
    params = {"factors": 8, "people": "factors"}
    artifact = make("lightfm", params).fit(TrainingData(data, catalogue(rows)), FitOptions(1, 1, NOON))
    tool, toy = (artifact.item_vectors[artifact.item_ids.index(f"{kind} new")] for kind in ("tool", "toy"))
    prefers_tool = artifact.user_vectors @ (tool - toy) > 0
    assert prefers_tool.tolist() == [user % 2 == 0 for user in range(30)]


def test_weights_reach_the_library() -> None:
    shop = [Event(f"u{user}", f"i{item}") for user in range(6) for item in range(user % 3, 6)]
    often = [*shop, *(Event("u0", "i5", 1) for _ in range(30))]
    plain, weighted = (
        make("lightfm", {"factors": 4}).fit(TrainingData(interactions(data)), FitOptions(1, 1, NOON))
        for data in (shop, often)
    )
    assert not np.allclose(plain.item_vectors, weighted.item_vectors)
