"""From what people have to query vectors, for families whose library cannot fold a person in.

A person's factors are predicted from the weighted mean of the vectors of their items, by a ridge regression over the
people of the training. The encoder `mapped_mean` applies it to histories, sessions and baskets.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

import numpy as np

from common.schemas.data import F32

RIDGE: Final = 1e-3
"""Share of a feature's mean square that is added to it: enough for a shop with fewer people than factors."""


class QuerySource(StrEnum):
    """Where a known person's query vector comes from: the library's user factors, or the history as for anybody."""

    FACTORS = "factors"
    HISTORY = "history"


def fit_history_map(cells: Any, item_vectors: F32, user_vectors: F32) -> F32:
    """(dim + 1, dim - 1) float32: [weighted mean of a person's items, 1] @ map ≈ the person's factors.

    cells: csr_matrix (n_users, n_items), all > 0, no row empty; both vectors (n, dim) end in a bias column, which for
    people is 1.
    """
    totals = np.asarray(cells.sum(axis=1), dtype=np.float64)
    means = (cells @ item_vectors) / totals
    features = np.column_stack([means, np.ones(len(means))])
    system = features.T @ features
    system.flat[:: len(system) + 1] += RIDGE * np.trace(system) / len(system)
    return np.linalg.solve(system, features.T @ user_vectors[:, :-1]).astype(np.float32)
