"""What is due: the measure of `buy-again`, what it is held against, and the choice of its settings.

The question is what each person buys again in the next days, of all that they have bought and kept. Nothing else is
ranked, so a list cannot win by what is new. Items that were bought on the day of the cut are not due, as in serving.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from common.evaluation.bootstrap import interval, paired_interval, resampled_means
from common.evaluation.cases import MAX_PEOPLE
from common.evaluation.metrics import ndcg_at_k, recall_at_k
from common.evaluation.split import Fold
from common.models.due import (
    Expected,
    ItemRhythms,
    OwnPurchases,
    categories_of,
    due_columns,
    own_purchases,
)
from common.schemas.data import DAY_S, EVENT_TYPES, F64, NO_USER, Bools, Catalogue, EventType
from common.schemas.documents import DueSettings
from common.schemas.due import day_of, due_scores

HORIZONS: Final = (7, 28)
"""Days after the cut in which a purchase counts, each a measure of its own."""

K: Final = 10

OWN_FREQUENT: Final = DueSettings()
"""A person's own purchases, recent ones more: what is served where nothing is clearly better."""

USUAL: Final = DueSettings(half_life_days=112, early=0.1, late=0.2, rebuys=0.6, sold=0.4)
"""The settings that are tried first, good on two shops (docs/measurements-models.md)."""

CHOICES: Final[Mapping[str, tuple[float, ...]]] = {
    "sold": (0.0, 0.4, 0.8),
    "rebuys": (0.0, 0.3, 0.6, 0.9),
    "half_life_days": (56, 112, 224),
    "late": (0.1, 0.2, 0.4),
    "early": (0.1, 0.3),
}
"""The values that are tried of each setting, one setting after the other."""

DUE: Final = "buy-again"
FREQUENT, DECAYED, RECENT, OVERDUE = (
    "own most frequent",
    "own most frequent, decayed",
    "own most recent",
    "time since ÷ mean gap",
)
RIVALS: Final = (FREQUENT, DECAYED, RECENT, OVERDUE)

Json = dict[str, Any]


@dataclass(frozen=True, eq=False)
class DueCases:
    """The people who buy something again after the cut, with all that they have bought and kept.

    today: the day of the cut, since 1970
    relevant: by horizon, (m,) bool, the entries of `own` that are bought again
    """

    own: OwnPurchases
    expected: Expected
    today: int
    relevant: Mapping[int, Bools]


@dataclass(frozen=True, eq=False)
class DueJudgement:
    """The figures of one ranking by horizon: NDCG@10 and recall@10 (people,) float64 of the people who buy something
    again by then, in the same order for every ranking."""

    ndcg: Mapping[int, F64]
    recall: Mapping[int, F64]

    @property
    def score(self) -> float:
        """By which settings are chosen: the mean of NDCG@10 over the horizons."""
        return float(np.mean([ndcg.mean() for ndcg in self.ndcg.values() if len(ndcg)]))


def make_due_cases(fold: Fold, catalogue: Catalogue | None, seed: int) -> DueCases | None:
    """The cases of a fold, a seeded sample where there are more than `MAX_PEOPLE`; None where nobody buys again."""
    own, today = own_purchases(fold.past), day_of(fold.cut_s)
    rhythms = ItemRhythms.of(own, fold.past.n_items, today)
    relevant = {days: _bought_again(own, fold, days) for days in HORIZONS}
    people = np.unique(own.users[relevant[HORIZONS[-1]]])
    if not len(people):
        return None
    if len(people) > MAX_PEOPLE:
        people = np.random.default_rng(seed).choice(people, MAX_PEOPLE, replace=False)
    chosen = np.isin(own.users, people)
    return DueCases(
        own=own.of(chosen),
        expected=rhythms.expected(categories_of(catalogue, fold.past.item_ids)),
        today=today,
        relevant={days: those[chosen] for days, those in relevant.items()},
    )


def _bought_again(own: OwnPurchases, fold: Fold, days: int) -> Bools:
    future, width = fold.future, max(fold.past.n_items, 1)
    bought = (future.event_types == EVENT_TYPES.index(EventType.PURCHASE)) & (future.users != NO_USER)
    bought &= future.ts < fold.cut_s + days * DAY_S
    cells = future.users[bought].astype(np.int64) * width + future.items[bought]
    return np.isin(own.users * width + own.items, cells)


def scores_of_due(cases: DueCases, settings: DueSettings) -> F64:
    """(m,) float64: as serving scores the entries on the day of the cut, by columns of half precision."""
    columns = due_columns(cases.own, cases.expected, settings, cases.today)
    return due_scores(*columns, settings, cases.today).astype(np.float64)


def scores_of_rivals(cases: DueCases) -> dict[str, F64]:
    """What every method has to beat: (m,) float64 ≥ 0, by name. Of equally frequent items the latest is first, of
    equally recent ones the most frequent."""
    own = cases.own
    since, counts = np.maximum(cases.today - own.last_days, 0), own.counts
    mean_gaps = (own.last_days - own.days[own.offsets[:-1]]) / np.maximum(counts - 1, 1)
    return {
        FREQUENT: counts.astype(np.float64),
        DECAYED: scores_of_due(cases, OWN_FREQUENT),
        RECENT: 1 / (1 + since - counts / (counts + 1)),
        # What was bought once has no gap, and comes last.
        OVERDUE: np.where(counts > 1, 1 + since / np.maximum(mean_gaps, 1), 0.5),
    }


def judge_due(cases: DueCases, scores: F64) -> DueJudgement:
    """The figures of a ranking by `scores` (m,) float64; what scores 0 is not shown."""
    own = cases.own
    order = np.lexsort((own.items, -own.last_days, -scores, own.users))
    begins = np.flatnonzero(np.diff(own.users[order], prepend=-1))
    rows = np.cumsum(np.diff(own.users[order], prepend=-1) != 0) - 1
    places = np.arange(len(order)) - begins[rows]
    shown = (places < K) & (scores[order] > 0)
    ndcg, recall = {}, {}
    for days, relevant in cases.relevant.items():
        hits = np.zeros((len(begins), K), dtype=np.bool_)
        hits[rows[shown], places[shown]] = relevant[order][shown]
        wanted = np.bincount(rows, relevant[order], len(begins)).astype(np.int32)
        counted = wanted > 0
        ndcg[days] = ndcg_at_k(hits[counted], wanted[counted], K)
        recall[days] = recall_at_k(hits[counted], wanted[counted], K)
    return DueJudgement(ndcg, recall)


def choose_due(cases: DueCases, go_on: Callable[[], bool] = lambda: True) -> tuple[DueSettings, list[Json]]:
    """The best settings, and all that were tried with their scores; no more are tried once `go_on` says no."""
    best = USUAL
    tried = {best: judge_due(cases, scores_of_due(cases, best)).score}
    for name, values in CHOICES.items():
        for value in values:
            settings = best.model_copy(update={name: float(value)})
            if settings not in tried and go_on():
                tried[settings] = judge_due(cases, scores_of_due(cases, settings)).score
        best = max(tried, key=lambda settings: tried[settings])
    return best, [{**settings.model_dump(), "ndcg": score} for settings, score in tried.items()]


def is_clearly_better(ours: DueJudgement, theirs: DueJudgement, seed: int) -> bool:
    """Whether the interval of the difference is above 0 for the longest horizon, and for none wholly below it."""
    intervals = {
        days: paired_interval(ours.ndcg[days], theirs.ndcg[days], seed) for days in HORIZONS if len(ours.ndcg[days])
    }
    return intervals[HORIZONS[-1]][0] > 0 and all(high >= 0 for _, high in intervals.values())


def figures_of(judged: Mapping[str, DueJudgement], seed: int) -> list[Json]:
    """A row for each ranking, by days of the horizon: the people, NDCG@10 and recall@10 with their intervals, and
    `lead`, by how much NDCG@10 of the first row is better. Empty where nobody buys again by then."""
    first = next(iter(judged.values()))
    return [
        {
            "name": name,
            "horizons": {
                str(days): _figures(one.ndcg[days], one.recall[days], first.ndcg[days], seed)
                for days in HORIZONS
                if len(one.ndcg[days])
            },
        }
        for name, one in judged.items()
    ]


def _figures(ndcg: F64, recall: F64, of_first: F64, seed: int) -> Json:
    values = np.column_stack([ndcg, recall, of_first - ndcg])
    means, resampled = values.mean(axis=0), resampled_means(values, seed)
    spreads = [_spread(float(mean), column) for mean, column in zip(means, resampled.T, strict=True)]
    return {"people": len(ndcg), **dict(zip(("ndcg@10", "recall@10", "lead"), spreads, strict=True))}


def _spread(mean: float, resampled: F64) -> Json:
    low, high = interval(resampled)
    return {"mean": mean, "low": low, "high": high}
