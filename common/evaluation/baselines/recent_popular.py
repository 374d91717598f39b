"""The items that most people took in the last four weeks, the same for everybody."""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np

from common.evaluation.baselines.base import Baseline
from common.evaluation.split import Fold
from common.models.popularity import popularity
from common.schemas.data import F32, I64

DAYS: Final = 28


class RecentPopular(Baseline):
    """Popular with the window of `DAYS` days before the cut, whatever window is best for the shop."""

    name: ClassVar[str] = "popular of 28 days"

    def __init__(self, fold: Fold) -> None:
        scores = popularity(fold.past, fold.cut_s, DAYS)
        self._scores = np.where(scores > 0, scores, -np.inf).astype(np.float32)

    def scores(self, people: I64) -> F32:
        return np.tile(self._scores, (len(people), 1))
