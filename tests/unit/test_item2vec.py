from __future__ import annotations

import numpy as np
import pytest

from common.errors import RefusedError
from common.models.base import FitOptions, TrainingData
from common.models.registry import make
from common.serving.encoders import ENCODERS
from tests.shops import NOON, Event, interactions

SMALL = {"embedding_size": 8, "epochs": 40, "sample": 0.0, "learning_rate": 0.1}


def test_what_is_bought_in_one_order_is_near_even_if_people_buy_everything() -> None:
    """One person buys tea things and soap things in turn, each in orders of their own."""
    orders = [("cup", "pot", "spoon"), ("soap", "sponge", "towel")] * 30
    data = interactions(
        Event("a", item, day + place / 100, order=day)
        for day, items in enumerate(orders)
        for place, item in enumerate(items)
    )
    artifact = make("item2vec", SMALL | {"sentence_of": "session"}).fit(TrainingData(data), FitOptions(1, 1, NOON))
    near = artifact.item_vectors @ artifact.item_vectors[artifact.item_ids.index("cup")]
    assert {artifact.item_ids[item] for item in np.argsort(-near)[:3]} == {"cup", "pot", "spoon"}


def test_vectors_have_length_one_and_so_has_a_query() -> None:
    data = interactions(Event(user, item) for user in "abc" for item in "xyz")
    artifact = make("item2vec", SMALL).fit(TrainingData(data), FitOptions(1, 1, NOON))
    np.testing.assert_allclose(np.linalg.norm(artifact.item_vectors, axis=1), 1, rtol=1e-5)
    query = ENCODERS["weighted_mean"](artifact.item_vectors[:2], np.array([0.2, 3.0], np.float32), {}, {})
    assert np.linalg.norm(query) == pytest.approx(1)
    assert query @ artifact.item_vectors[1] > query @ artifact.item_vectors[0]


def test_a_sentence_longer_than_a_batch_is_learned_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.models.item2vec.BATCH_WORDS", 20)
    data = interactions(Event("a", f"i{day:02}", day) for day in range(50))
    artifact = make("item2vec", SMALL).fit(TrainingData(data), FitOptions(1, 1, NOON))
    assert len(artifact.item_ids) == 50


def test_nothing_bought_together_is_refused() -> None:
    data = interactions(Event(user, "x") for user in "abc")
    with pytest.raises(RefusedError, match="nothing was bought together: 0 sequences"):
        make("item2vec", SMALL).fit(TrainingData(data), FitOptions(1, 1, NOON))
