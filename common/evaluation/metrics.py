"""Ranking metrics.

hits: (n_users, ≥ k) bool, True where the person bought the recommended item, best rank first. relevant: (n_users,) int,
the number of different items that the person bought, at least 1. Metrics of one person return (n_users,) float64.
"""

from __future__ import annotations

import numpy as np

from common.schemas.data import F64, I32, I64, Bools


def ndcg_at_k(hits: Bools, relevant: I32, k: int) -> F64:
    """Normalised discounted cumulative gain of the first k (Järvelin and Kekäläinen 2002).

    A hit has gain 1 and discount log2(rank + 1); the sum is divided by that of the best possible list of k.
    """
    discounts = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discounts)[np.minimum(relevant, k) - 1]
    return np.asarray(hits[:, :k] @ discounts[: hits.shape[1]] / ideal)


def recall_at_k(hits: Bools, relevant: I32, k: int) -> F64:
    """The share of the bought items that are among the first k."""
    return np.asarray(hits[:, :k].sum(axis=1) / relevant)


def hit_rate_at_k(hits: Bools, k: int) -> F64:
    """1 where at least one of the first k was bought, else 0."""
    return np.asarray(hits[:, :k].any(axis=1), dtype=np.float64)


def mrr_at_k(hits: Bools, k: int) -> F64:
    """1 / rank of the first hit among the first k, 0 without one."""
    first = hits[:, :k]
    return np.where(first.any(axis=1), 1 / (1 + first.argmax(axis=1)), 0.0)


def coverage_at_k(items: I32, n_items: int, k: int) -> float:
    """The share of the catalogue that is recommended to at least one person.

    items: (n_users, ≥ k) int32, -1 for an empty place; n_items: size of the catalogue.
    """
    shown = items[:, :k]
    return len(np.unique(shown[shown >= 0])) / n_items


def novelty_at_k(items: I32, buyers: I64, n_users: int, k: int) -> float:
    """The mean of -log2 of the share of people who bought a recommended item, in bits; higher is less obvious.

    buyers: (n_items,) int64, the number of people who bought an item before. One is added to both counts, so that an
    item without buyers has a finite value (Zhou et al. 2010).
    """
    shown = items[:, :k]
    shown = shown[shown >= 0]
    return float(-np.log2((buyers[shown] + 1) / (n_users + 1)).mean()) if len(shown) else 0.0
