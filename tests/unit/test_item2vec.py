from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from common.errors import RefusedError
from common.models.artifact import Artifact
from common.models.base import FitOptions, TrainingData
from common.models.item2vec import Architecture
from common.models.registry import make
from common.schemas.data import EventType, Interactions
from common.serving.encoders import ENCODERS
from tests.shops import NOON, Event, checkerboard, interactions

SMALL = {"embedding_size": 8, "epochs": 40, "sample": 0.0, "learning_rate": 0.1, "popularity": 0.0}


def fit(data: Interactions, **params: Any) -> Artifact:
    return make("item2vec", SMALL | params).fit(TrainingData(data), FitOptions(1, 1, NOON))


@pytest.mark.parametrize("architecture", Architecture)
def test_what_is_bought_in_one_order_is_found_from_its_company_even_if_people_buy_everything(
    architecture: Architecture,
) -> None:
    """One person buys tea things and soap things in turn, each in orders of their own."""
    orders = [("cup", "pot", "spoon"), ("soap", "sponge", "towel")] * 30
    data = interactions(
        Event("a", item, day + place / 100, order=day)
        for day, items in enumerate(orders)
        for place, item in enumerate(items)
    )
    artifact = fit(data, sentence_of="session", architecture=architecture)
    given = artifact.item_vectors[[artifact.item_ids.index("cup")]]
    query = ENCODERS[artifact.encoder](given, np.ones(1, np.float32), artifact.encoder_arrays, {})
    found = dict(zip(artifact.item_ids, artifact.item_vectors @ query, strict=True))
    assert min(found["pot"], found["spoon"]) > max(found["soap"], found["sponge"], found["towel"])


def test_an_item_that_many_have_is_put_first_by_the_share_of_popularity() -> None:
    had_by = {"x": "abcd", "y": "bcd", "z": "a"}
    data = interactions(Event(user, item) for item, users in had_by.items() for user in users)
    plain, popular = fit(data), fit(data, popularity=0.5)
    np.testing.assert_array_equal(popular.item_vectors[:, :-1], plain.item_vectors[:, :-1])
    np.testing.assert_allclose(popular.item_vectors[:, -1], 0.5 * np.log([4, 3, 1]), rtol=1e-6)
    assert not plain.item_vectors[:, -1].any()


def test_people_are_kept_only_if_they_are_not_made_from_their_history() -> None:
    data = checkerboard(8)
    assert len(fit(data).user_vectors) == 0
    kept = fit(data, people="factors")
    np.testing.assert_array_equal(kept.user_keys, data.user_keys)
    assert (kept.user_vectors[:, -1] == 1).all()


def test_what_was_returned_is_in_no_history_of_people_that_are_kept() -> None:
    events = [Event(user, item) for user in "ab" for item in "xyz"]
    returned = [Event("b", item, 1.0, EventType.RETURN) for item in "xyz"]
    kept = fit(interactions(events + returned), people="factors")
    assert len(kept.user_keys) == 1


def test_each_epoch_reads_another_order_if_that_is_asked_for() -> None:
    data = interactions(Event("a", f"i{day:02}", day) for day in range(50))
    in_order, shuffled = (fit(data, shuffle=shuffle, window=1).item_vectors for shuffle in (False, True))
    assert not np.allclose(in_order, shuffled)


def test_a_sentence_longer_than_a_batch_is_learned_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.models.item2vec.BATCH_WORDS", 20)
    data = interactions(Event("a", f"i{day:02}", day) for day in range(50))
    assert len(fit(data).item_ids) == 50


def test_nothing_bought_together_is_refused() -> None:
    data = interactions(Event(user, "x") for user in "abc")
    with pytest.raises(RefusedError, match="nothing was bought together: 0 sequences"):
        fit(data)
