"""Promotions: items that the shop wants to sell rank higher, by a weight that the shop sets.

A promotion costs less than .1 ms a request (docs/measurements-models.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from common.schemas.data import F32
from common.serving.filters import Filter
from common.serving.search import Hits


class Promotion(NamedTuple):
    """A rule: items whose `field` (`category`, `brand` or a column of the shop) is `value` rank higher.

    weight: how much their score rises, in units of the distance between the first and the last score of an answer. So
    it means the same for every model: with 1 the last item of an answer reaches the score of the first.
    """

    field: str
    value: str
    weight: float


def promoted(wanted: Filter, promotions: Iterable[Promotion]) -> list[tuple[Filter, float]]:
    """The filter and weight of each promotion that matches some items of `wanted`."""
    narrowed = ((wanted.narrowed(rule.field, rule.value), rule.weight) for rule in promotions)
    return [(those, weight) for those, weight in narrowed if those is not None]


def promote(hits: Hits, raised: list[tuple[Hits, float]], n: int, depth: int) -> Hits:
    """The best `depth` of all hits, with scores that contain the rise.

    hits: the best `depth` hits without promotion, the answer's `n` among them; raised: the best `depth` hits of each
    promotion, and its weight. An item of several promotions rises by the largest. The result is exact: an item behind
    `depth` others of its promotion stays behind them.
    """
    if len(hits.scores) < 2:
        return hits
    unit = hits.scores[0] - hits.scores[min(n, len(hits.scores)) - 1]
    item_nos = np.concatenate([hits.item_nos, *(those.item_nos for those, _ in raised)])
    scores: F32 = np.concatenate([hits.scores, *(those.scores + np.float32(weight) * unit for those, weight in raised)])
    best_first = np.argsort(-scores, kind="stable")
    once = np.sort(np.unique(item_nos[best_first], return_index=True)[1])[:depth]
    chosen = best_first[once]
    return Hits(item_nos[chosen], scores[chosen])
