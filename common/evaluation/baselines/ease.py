"""EASE: the linear model that predicts each item of a person from the person's other items, in closed form (Steck
2019)."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import numpy as np

from common.errors import RefusedError
from common.evaluation.baselines.base import Baseline, taken_of
from common.evaluation.split import Fold
from common.schemas.data import F32, I64

REGULARIZATION: Final = 200.0

MAX_ITEMS: Final = 20_000
"""Most items: the matrix of items × items takes 1.6 GB then, and its inverse the same again."""

FLOPS: Final = 4e10
"""Operations a second of the inverse, which needs 2 n³ of them, on two cores; 20,000 items take seven minutes."""


class EASE(Baseline):
    """EASE over the items with at least one buyer; the others are not shown."""

    name: ClassVar[str] = "EASE"
    costly: ClassVar[bool] = True

    @classmethod
    def least_s(cls, fold: Fold) -> float:
        return float(2 * len(_bought(taken_of(fold))) ** 3 / FLOPS)

    def __init__(self, fold: Fold) -> None:
        taken = taken_of(fold)
        self._items = _bought(taken)
        self._n_items = taken.shape[1]
        self._taken = taken[:, self._items]
        gram = np.asarray((self._taken.T @ self._taken).todense(), dtype=np.float32)
        gram[np.diag_indices_from(gram)] += REGULARIZATION
        precision = np.linalg.inv(gram)
        self._weights = precision / -np.diag(precision)
        np.fill_diagonal(self._weights, 0)

    def scores(self, people: I64) -> F32:
        scores = np.full((len(people), self._n_items), -np.inf, dtype=np.float32)
        scores[:, self._items] = self._taken[people] @ self._weights
        return scores


def _bought(taken: Any) -> I64:
    items = np.flatnonzero(np.bincount(taken.indices, minlength=taken.shape[1]))
    if len(items) > MAX_ITEMS:
        raise RefusedError(f"EASE is for up to {MAX_ITEMS:,} items, here are {len(items):,}")
    return items
