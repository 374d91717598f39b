"""Items like those that the person has, by the cosine of who has them (Deshpande and Karypis 2004)."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import numpy as np
from scipy.sparse import csr_matrix, vstack

from common.evaluation.baselines.base import Baseline, taken_of
from common.evaluation.split import Fold
from common.schemas.data import F32, I64

NEIGHBOURS: Final = 100
SHRINKAGE: Final = 10.0
"""People in common that a similarity must outweigh; with 5 to 50 the grocer's and the gift shop's figures are level."""

_ROWS: Final = 2000
"""Items compared with all others at once: their similarities are held in full until the nearest are picked."""


class ItemKNN(Baseline):
    name: ClassVar[str] = "item-kNN"

    def __init__(self, fold: Fold) -> None:
        self._taken = taken_of(fold)
        by_item = self._taken.T.tocsr()
        norms = np.sqrt(np.maximum(np.diff(by_item.indptr), 1)).astype(np.float32)
        blocks = [_nearest(by_item, norms, start) for start in range(0, by_item.shape[0], _ROWS)]
        self._similar = vstack(blocks).tocsr()

    def scores(self, people: I64) -> F32:
        return np.asarray((self._taken[people] @ self._similar).todense())


def _nearest(by_item: Any, norms: F32, start: int) -> Any:
    """csr_matrix (rows, n_items): the similarities of some items to their nearest, not to themselves."""
    rows = slice(start, min(start + _ROWS, by_item.shape[0]))
    common = (by_item[rows] @ by_item.T).tocoo()
    other = common.row + start != common.col
    row, col, count = common.row[other], common.col[other], common.data[other]
    similar = count / (norms[row + start] * norms[col] + SHRINKAGE)
    order = np.lexsort((-similar, row))
    first = np.searchsorted(row[order], np.arange(rows.stop - start))
    nearest = order[np.arange(len(order)) - first[row[order]] < NEIGHBOURS]
    shape = (rows.stop - start, by_item.shape[0])
    return csr_matrix((similar[nearest].astype(np.float32), (row[nearest], col[nearest])), shape=shape)
