"""Trend: items that sell more than usual in the last days rank higher, for everybody.

An item's trend is ln((recent + PRIOR) / (usual + PRIOR)): the purchases of the last days, divided by what they would be
at the usual rate. Factor models know little of it, and first purchases are often of new or seasonal items.

The trend is one more column of the item vectors, and the matching entry of a query vector is the query's length. So the
bonus is in proportion to a person's scores, which are small where little is known of the person.

With ALS at a gift shop, NDCG@10 of new purchases rises from .100 to .121 (docs/measurements-models.md).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from common.models.artifact import Artifact
from common.schemas.data import F32, F64, TRENDING, Interactions, Weighting

RECENT_DAYS: Final = 7.0
"""Half-life of the recent rate."""
USUAL_DAYS: Final = 112.0
"""Half-life of the usual rate. Neighbouring values give figures within 8 % of each other (docs/measurements-models.md).
"""

PRIOR: Final = 20.0
"""Purchases added to both rates, so that an item with few sales has no trend by chance."""


def item_trends(data: Interactions, now_s: int) -> F32:
    """(n_items,) float32, by item code: above 0 for items that sell more than usual at `now_s` (epoch seconds)."""
    recent, usual = (_bought(data, now_s, half_life) for half_life in (RECENT_DAYS, USUAL_DAYS))
    expected = usual * (RECENT_DAYS / USUAL_DAYS)
    return np.log((recent + PRIOR) / (expected + PRIOR)).astype(np.float32)


def _bought(data: Interactions, now_s: int, half_life_days: float) -> F64:
    weights = Weighting(half_life_days=half_life_days).weigh(data, now_s)
    return np.maximum(np.bincount(data.items, weights, minlength=data.n_items), 0)


def with_trend(artifact: Artifact, data: Interactions, now_s: int, weight: float) -> Artifact:
    """The artifact whose scores are its own + weight · trend · length of the query; unchanged where the weight is 0.

    `data` is what it was trained on. An item without events has trend 0.
    """
    if weight == 0:
        return artifact
    trend_of = dict(zip(data.item_ids, item_trends(data, now_s).tolist(), strict=True))
    column = np.array([[weight * trend_of.get(item_id, 0.0)] for item_id in artifact.item_ids], dtype=np.float32)
    lengths = np.linalg.norm(artifact.user_vectors, axis=1, keepdims=True)
    return replace(
        artifact,
        item_vectors=np.column_stack([artifact.item_vectors, column]),
        user_vectors=np.column_stack([artifact.user_vectors, lengths]),
        encoder=TRENDING + artifact.encoder,
        encoder_params={**artifact.encoder_params, "trend": weight},
    )
