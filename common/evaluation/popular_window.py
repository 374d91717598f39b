"""The window of what is popular, chosen for a shop by NDCG@10."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from common.evaluation.bootstrap import paired_interval
from common.evaluation.cases import Cases, Relevance
from common.evaluation.metrics import ndcg_at_k
from common.models.popularity import WINDOW_DAYS, WINDOWS, popularity
from common.schemas.data import F64

K: Final = 10
DEPTH: Final = 500
"""Items of a list that are looked at: a person who has the first 490 of them sees fewer than ten."""

LEAD: Final = 1.1
"""How many times as good as the usual window another must be. What leads by 7 % in one month at a grocer is 5 % behind
in another, over eight months (docs/measurements-models.md)."""


@dataclass(frozen=True)
class PopularWindow:
    """The chosen window. `tried` is NDCG@10 by window, empty where there was nobody to judge by."""

    days: int = WINDOW_DAYS
    tried: Mapping[int, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The window for metrics.json."""
        return {"days": self.days, "tried": [{"days": days, "ndcg": ndcg} for days, ndcg in self.tried.items()]}


def judge_window(
    cases: Cases, relevance: Relevance, seed: int, report: Callable[[int, int], None] = lambda _step, _steps: None
) -> PopularWindow:
    """The best of `WINDOWS` that are `LEAD` times as good as `WINDOW_DAYS`, and not by chance; else `WINDOW_DAYS`.

    `report` is called with the number of windows judged and that of all; an exception of it ends the choice.
    """
    by_window: dict[int, F64] = {}
    for days in WINDOWS:
        by_window[days] = _ndcg(cases, relevance, days)
        report(len(by_window), len(WINDOWS))
    usual = by_window[WINDOW_DAYS]
    if len(usual) == 0:
        return PopularWindow()
    tried = {days: float(scores.mean()) for days, scores in by_window.items()}
    better = [days for days in WINDOWS if _leads(by_window[days], usual, seed)]
    return PopularWindow(max(better, key=lambda days: tried[days], default=WINDOW_DAYS), tried)


def _leads(ours: F64, usual: F64, seed: int) -> bool:
    return bool(ours.mean() >= LEAD * usual.mean() and paired_interval(ours, usual, seed)[0] > 0)


def _ndcg(cases: Cases, relevance: Relevance, days: int) -> F64:
    """(people,) float64: each person's NDCG@10 of the list, without the items that they have if new ones count."""
    scores = popularity(cases.fold.past, cases.fold.cut_s, days)
    ranked = np.argsort(-scores, kind="stable")[:DEPTH]
    ranked = ranked[scores[ranked] > 0]
    relevant = cases.relevant(relevance)
    counted = np.flatnonzero(np.diff(relevant.indptr))
    shown = np.ones((len(counted), len(ranked)), dtype=np.bool_)
    if relevance is Relevance.NEW:
        shown = ~cases.owned[counted][:, ranked].toarray()
    hits = relevant[counted][:, ranked].toarray() & shown
    first = np.zeros((len(counted), K), dtype=np.bool_)
    people, places = np.nonzero(hits)
    rank = shown.cumsum(axis=1)[people, places] - 1
    first[people[rank < K], rank[rank < K]] = True
    return ndcg_at_k(first, np.diff(relevant.indptr)[counted].astype(np.int32), K)
