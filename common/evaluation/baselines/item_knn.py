"""Item-kNN: items similar to those of the person, by the cosine of their buyers (Deshpande and Karypis 2004)."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import numpy as np
from scipy.sparse import csr_matrix, vstack

from common.evaluation.baselines.base import Baseline, taken_of
from common.evaluation.split import Fold
from common.schemas.data import F32, I64

NEIGHBOURS: Final = 100
SHRINKAGE: Final = 10.0
"""Added to the denominator of the cosine, so that few common buyers give a low similarity; with 5 to 50 the figures of
two real shops are equal."""

PAIRS_PER_S: Final = 3e7
"""Speed of the comparison, measured on the grocer's year: 448 million pairs of 68,000 items."""

_ROWS: Final = 2000
"""Items compared with all others at once; their similarities are in memory until the nearest are chosen."""


class ItemKNN(Baseline):
    """Item-kNN with `NEIGHBOURS` neighbours an item."""

    name: ClassVar[str] = "item-kNN"
    costly: ClassVar[bool] = True

    @classmethod
    def least_s(cls, fold: Fold) -> float:
        """Seconds by the number of item pairs with a common buyer: the sum of each person's number of items squared."""
        return float((np.diff(taken_of(fold).indptr).astype(np.float64) ** 2).sum() / PAIRS_PER_S)

    def __init__(self, fold: Fold) -> None:
        self._taken = taken_of(fold)
        by_item = self._taken.T.tocsr()
        norms = np.sqrt(np.maximum(np.diff(by_item.indptr), 1)).astype(np.float32)
        blocks = [_nearest(by_item, norms, start) for start in range(0, by_item.shape[0], _ROWS)]
        self._similar = vstack(blocks).tocsr()

    def scores(self, people: I64) -> F32:
        return np.asarray((self._taken[people] @ self._similar).todense())


def _nearest(by_item: Any, norms: F32, start: int) -> Any:
    """csr_matrix (rows, n_items): the similarities of some items to their nearest, without the items themselves."""
    rows = slice(start, min(start + _ROWS, by_item.shape[0]))
    common = (by_item[rows] @ by_item.T).tocsr()
    values, columns, ends = [], [], [0]
    for row in range(common.shape[0]):
        own = slice(common.indptr[row], common.indptr[row + 1])
        others = common.indices[own]
        similar = common.data[own] / (norms[row + start] * norms[others] + SHRINKAGE)
        similar[others == row + start] = 0
        best = np.argpartition(-similar, NEIGHBOURS)[:NEIGHBOURS] if len(similar) > NEIGHBOURS else slice(None)
        values.append(similar[best])
        columns.append(others[best])
        ends.append(ends[-1] + len(values[-1]))
    return csr_matrix((np.concatenate(values), np.concatenate(columns), ends), shape=common.shape)
