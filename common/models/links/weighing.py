"""From counted pairs to the links of items: two normalisations, and the best of each item."""

from __future__ import annotations

import numpy as np

from common.models.links.config import CooccurrenceConfig
from common.models.links.counting import LinkCounts
from common.schemas.data import F64, I32, I64
from common.schemas.links import ItemLinks


def link_weights(pairs: LinkCounts, leaving: F64, arriving: F64, config: CooccurrenceConfig) -> F64:
    """(m,) float64: the weight of each pair. leaving, arriving: (n_items,) float64 as `item_sums` gives them."""
    of_item = (leaving[pairs.items] + config.shrinkage) ** config.row_power
    of_other = arriving[pairs.others] ** config.column_power
    weights: F64 = pairs.counts / (of_item * of_other)
    return weights


def best_links(pairs: LinkCounts, weights: F64, neighbours: int) -> I64:
    """(k,) int64: the places of the pairs that are kept, ascending: each item's heaviest `neighbours`, of equal ones
    those of the lower number."""
    order = np.lexsort((pairs.others, -weights, pairs.items))
    items = pairs.items[order]
    begins = np.flatnonzero(np.diff(items, prepend=-1))
    lengths = np.diff(np.append(begins, len(items)))
    rank = np.arange(len(items)) - np.repeat(begins, lengths)
    return np.sort(order[(rank < neighbours) & (weights[order] > 0)])


def as_links(pairs: LinkCounts, weights: F64) -> ItemLinks:
    """The links of sorted pairs."""
    nos, lengths = np.unique(pairs.items, return_counts=True)
    return ItemLinks(nos.astype(np.int32), _offsets(lengths), pairs.others, weights.astype(np.float32))


def _offsets(lengths: I64 | I32) -> I64:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
