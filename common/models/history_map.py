"""Query vectors from histories, for families whose library cannot add a person to a fitted model.

A ridge regression over the people of the training predicts a person's factors from the weighted mean of the vectors of
their items. The encoder `mapped_mean` applies it to histories, sessions and baskets.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

import numpy as np

from common.schemas.data import F32

RIDGE: Final = 1e-3
"""Ridge penalty, as a share of the features' mean square: enough for a shop with fewer people than factors."""


class QuerySource(StrEnum):
    """Where a known person's query vector comes from: the library's user factors, or the history, as for a new
    person."""

    FACTORS = "factors"
    HISTORY = "history"


def fit_history_map(cells: Any, item_vectors: F32, user_vectors: F32) -> F32:
    """The matrix `map`, for which [weighted mean of a person's items, 1] @ map is close to the person's factors.

    cells: csr_matrix (n_users, n_items), all values > 0, no row empty; item_vectors and user_vectors: (n, dim), the
    last column a bias, which is 1 for people. Returns (dim + 1, dim - 1) float32.
    """
    totals = np.asarray(cells.sum(axis=1), dtype=np.float64)
    means = (cells @ item_vectors) / totals
    features = np.column_stack([means, np.ones(len(means))])
    system = features.T @ features
    system.flat[:: len(system) + 1] += RIDGE * np.trace(system) / len(system)
    return np.linalg.solve(system, features.T @ user_vectors[:, :-1]).astype(np.float32)
