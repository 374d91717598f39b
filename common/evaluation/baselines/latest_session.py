"""VS-KNN for people: the items of sessions similar to the person's latest session."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from common.evaluation.baselines.base import Baseline
from common.evaluation.baselines.vs_knn import VSKNN
from common.evaluation.split import Fold
from common.models.sessions import sessions_of
from common.schemas.data import F32, I64, NO_USER, Weighting


class LatestSession(Baseline):
    """VS-KNN, with the person's latest session as the query. Items of no similar session are not shown."""

    name: ClassVar[str] = "VS-KNN"
    costly: ClassVar[bool] = True

    def __init__(self, fold: Fold) -> None:
        self._sessions = sessions_of(fold.past, Weighting())
        self._knn = VSKNN(self._sessions, fold.past.n_items)
        self._latest = np.full(fold.past.n_users, NO_USER, dtype=np.int64)
        known = np.flatnonzero(self._sessions.people != NO_USER)
        # Sessions are in order of time, so a person's last one is written last.
        self._latest[self._sessions.people[known]] = known
        self._n_items = fold.past.n_items

    def scores(self, people: I64) -> F32:
        scores = np.full((len(people), self._n_items), -np.inf, dtype=np.float32)
        offsets = self._sessions.offsets
        for row, session in enumerate(self._latest[people].tolist()):
            if session != NO_USER:
                own = self._knn.scores(self._sessions.items[offsets[session] : offsets[session + 1]])
                scores[row, own > 0] = own[own > 0]
        return scores
