"""The items that the person has bought most often, then the most popular ones.

This baseline is hard to beat where people repeat their purchases.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from common.evaluation.baselines.base import Baseline, cells_of
from common.evaluation.baselines.recent_popular import RecentPopular
from common.evaluation.split import Fold
from common.schemas.data import F32, I64


class OwnFrequent(Baseline):
    """A person's items by frequency, filled up with the popular items of the last four weeks."""

    name: ClassVar[str] = "own most frequent"

    def __init__(self, fold: Fold) -> None:
        self._cells = cells_of(fold)
        counts = RecentPopular(fold).scores(np.zeros(1, dtype=np.int64))[0]
        # Below one purchase, so that popular items fill the list and break ties, but never rank above the person's own.
        self._filling = counts / (1 + counts[counts > -np.inf].max(initial=0)) / 2

    def scores(self, people: I64) -> F32:
        cells = self._cells[people].tocoo()
        scores = np.tile(self._filling, (len(people), 1))
        own = np.maximum(scores[cells.row, cells.col], 0)
        scores[cells.row, cells.col] = own + np.ceil(cells.data)
        return scores
