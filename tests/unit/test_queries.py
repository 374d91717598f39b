"""Query vectors of people that a model has no vector for, against histories that are put together event by event."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from common.evaluation.queries import item_codes, make_queries
from common.evaluation.split import Fold
from common.models.artifact import Array, Artifact
from common.schemas.data import DAY_S, F32, U64, EventType, Weighting
from tests.shops import NOON, Event, interactions

HALF_LIFE = 5.0
WEIGHT = {EventType.PURCHASE: 1.0, EventType.VIEW: 0.2, EventType.CART: 0.5, EventType.RETURN: -1.0}
DIM = 3


def shop_events() -> list[Event]:
    """Eight people with events of all types; "idle" has only what was given back at once."""
    rng = np.random.default_rng(4)
    kinds = [EventType.PURCHASE, EventType.VIEW, EventType.CART, EventType.RETURN]
    drawn = [
        Event(f"u{rng.integers(8)}", f"i{rng.integers(9)}", float(day), kinds[rng.choice(4, p=[0.4, 0.3, 0.2, 0.1])])
        for day in range(120)
    ]
    returned = [Event("idle", "i1", 7.5), Event("idle", "i1", 7.5, EventType.RETURN), Event(None, "i2", 8.5)]
    return [*drawn, *returned]


def model(user_keys: U64 | None = None) -> Artifact:
    """It knows the items i0 to i5 in an order of its own, and one that was never sold."""
    rng = np.random.default_rng(5)
    return Artifact(
        family="item2vec",
        params={"weighting": Weighting(half_life_days=HALF_LIFE).model_dump(mode="json")},
        item_ids=("i4", "never sold", "i0", "i5", "i2", "i1", "i3"),
        item_vectors=rng.normal(size=(7, DIM)).astype(np.float32),
        user_keys=np.empty((0, 2), np.uint64) if user_keys is None else user_keys,
        user_vectors=np.empty((0, DIM), np.float32) if user_keys is None else np.full((1, DIM), 7, np.float32),
        encoder="mean",
        encoder_arrays={"turn": rng.normal(size=(DIM, DIM)).astype(np.float32)},
        encoder_params={"scale": 3.0},
    )


def by_place(vectors: F32, weights: F32, arrays: Mapping[str, Array], params: Mapping[str, float]) -> F32:
    """An encoder to which order, weights, arrays and parameters all matter."""
    places = np.arange(1, len(weights) + 1, dtype=np.float32)
    turn = np.asarray(arrays["turn"], dtype=np.float32)
    return np.asarray(params["scale"] * ((places * weights) @ vectors) @ turn, dtype=np.float32)


def expected(events: list[Event], user: str, now_s: int, artifact: Artifact) -> F32:
    last: dict[str, int] = {}
    weights: dict[str, float] = {}
    for event in events:
        if event.user == user:
            ts = NOON + round(event.day * DAY_S)
            last[event.item] = ts
            recency = 0.5 ** ((now_s - ts) / DAY_S / HALF_LIFE)
            weights[event.item] = weights.get(event.item, 0.0) + WEIGHT[event.kind] * recency
    items = sorted((item for item in last if weights[item] > 1e-9 and item in artifact.item_ids), key=last.__getitem__)
    rows = [artifact.item_ids.index(item) for item in items]
    weighed = np.array([weights[item] for item in items], np.float32)
    return by_place(artifact.item_vectors[rows], weighed, artifact.encoder_arrays, artifact.encoder_params)


@pytest.fixture
def fold() -> Fold:
    data = interactions(shop_events())
    return Fold(cut_s=int(data.ts[-1]) + 1, past=data, future=data.where(data.ts < 0))


def test_a_query_is_made_of_the_persons_known_items_oldest_first(fold: Fold) -> None:
    users = sorted({event.user for event in shop_events() if event.user is not None})
    queries = make_queries(model(), fold, fold.past.user_keys, by_place)
    wanted = [expected(shop_events(), user, fold.cut_s, model()) for user in users]
    assert queries.dtype == np.float32
    np.testing.assert_allclose(queries, wanted, rtol=1e-4, atol=1e-7)
    assert not queries[users.index("idle")].any()


def test_a_stored_vector_goes_before_the_encoder(fold: Fold) -> None:
    artifact = model(fold.past.user_keys[3:4])
    alone = make_queries(model(), fold, fold.past.user_keys, by_place)
    queries = make_queries(artifact, fold, fold.past.user_keys, by_place)
    assert queries[3].tolist() == [7, 7, 7]
    np.testing.assert_array_equal(np.delete(queries, 3, axis=0), np.delete(alone, 3, axis=0))


def test_an_item_without_events_has_no_code(fold: Fold) -> None:
    codes = item_codes(model(), fold)
    assert codes.tolist() == [4, -1, 0, 5, 2, 1, 3]
    assert codes.dtype == np.int64
