"""The most popular items of the last four weeks, the same for everybody."""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np

from common.evaluation.baselines.base import Baseline
from common.evaluation.split import Fold
from common.schemas.data import DAY_S, F32, I64, Weighting

WINDOW_DAYS: Final = 28


class RecentPopular(Baseline):
    """The counts of the last `WINDOW_DAYS` days before the cut."""

    name: ClassVar[str] = "popular of 28 days"

    def __init__(self, fold: Fold) -> None:
        recent = fold.past.where(fold.past.ts >= fold.cut_s - WINDOW_DAYS * DAY_S)
        weights = Weighting().weigh(recent, fold.cut_s)
        counts = np.bincount(recent.items, weights, minlength=fold.past.n_items)
        self._scores = np.where(counts > 0, counts, -np.inf).astype(np.float32)

    def scores(self, people: I64) -> F32:
        return np.tile(self._scores, (len(people), 1))
