"""What is popular at a real shop: NDCG@10 for known people, and the share of next week's best sellers that it lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

import numpy as np

from common.evaluation.baselines.base import Baseline, judge_baseline
from common.evaluation.bootstrap import interval, paired_interval, resampled_means
from common.evaluation.cases import Relevance, make_cases
from common.evaluation.judge import PRIMARY
from common.evaluation.popular_window import judge_window
from common.evaluation.split import Fold, temporal_split
from common.models.base import TrainingData
from common.models.popularity import popularity
from common.schemas.data import DAY_S, EVENT_TYPES, F32, F64, I64, EventType, Interactions, Weighting

SEED: Final = 1
WINDOW_DAYS: Final = 28.0
BEST: Final = 20
"""Best sellers of the next week, and places of the list in which they are looked for."""

RESAMPLES: Final = 200

Json = dict[str, Any]


class FixedList(Baseline):
    """The same scores for everybody."""

    name: ClassVar[str] = "one list for everybody"

    def __init__(self, scores: F64) -> None:
        self._scores = np.where(scores > 0, scores, -np.inf).astype(np.float32)

    def scores(self, people: I64) -> F32:
        return np.tile(self._scores, (len(people), 1))


def evaluate_popular(data: TrainingData) -> list[Json]:
    """What is served first, its window chosen on the weeks before; `lead` is by how much it is better."""
    split = temporal_split(data.interactions, WINDOW_DAYS, WINDOW_DAYS)
    if split is None or split.test is None:
        raise ValueError("too short a history for a test window")
    fold = split.test
    days = judge_window(make_cases(split.validation, SEED), Relevance.NEW, SEED).days
    lists = {
        f"people of {days} days, as served": popularity(fold.past, fold.cut_s, days),
        "purchases of 28 days": _purchases(fold.past, fold.cut_s),
        "decayed purchases": _decayed(fold),
        "people of all time": popularity(fold.past, fold.cut_s, 10_000),
    }
    cases = make_cases(fold, SEED)
    judged = {name: judge_baseline(FixedList(scores), cases) for name, scores in lists.items()}
    ours = next(iter(judged.values()))
    shares = _shares(fold, list(lists.values()))
    rows = []
    for place, (name, judgement) in enumerate(judged.items()):
        low, high = interval(shares[:, place])
        row: Json = {"name": name, "best_sellers": {"mean": float(shares[0, place]), "low": low, "high": high}}
        for relevance in Relevance:
            primary, first = judgement.primary[relevance], ours.primary[relevance]
            ends = interval(resampled_means(primary[:, None], SEED)[:, 0])
            lead = paired_interval(first, primary, SEED)
            row[relevance] = {PRIMARY: _spread(float(primary.mean()), ends), "people": len(primary)}
            row[relevance]["lead"] = _spread(float((first - primary).mean()), lead)
        rows.append(row)
    return rows


def _spread(mean: float, ends: tuple[float, float]) -> Json:
    return {"mean": mean, "low": ends[0], "high": ends[1]}


def _purchases(past: Interactions, cut_s: int) -> F64:
    bought = (past.event_types == EVENT_TYPES.index(EventType.PURCHASE)) & (past.ts >= cut_s - 28 * DAY_S)
    return np.bincount(past.items[bought], minlength=past.n_items).astype(np.float64)


def _decayed(fold: Fold) -> F64:
    weights = Weighting(half_life_days=28).weigh(fold.past, fold.cut_s)
    return np.asarray(np.bincount(fold.past.items, weights, fold.past.n_items), dtype=np.float64)


def _shares(fold: Fold, lists: list[F64]) -> F64:
    """(1 + RESAMPLES, lists) float64: the share of the `BEST` best sellers of the week after the cut, by different
    people, that are among the first `BEST` of each list; of all people, then of resamples of them."""
    week = fold.future.where(
        (fold.future.ts < fold.cut_s + 7 * DAY_S)
        & (fold.future.event_types == EVENT_TYPES.index(EventType.PURCHASE))
        & (fold.future.users >= 0)
    )
    cells = np.unique(week.users.astype(np.int64) * week.n_items + week.items)
    people, items = np.unique(cells // week.n_items, return_inverse=True)[1], cells % week.n_items
    n = int(people.max()) + 1
    random = np.random.default_rng(SEED)
    tops = [set(np.argsort(-scores, kind="stable")[:BEST].tolist()) for scores in lists]
    shares = []
    for resample in range(1 + RESAMPLES):
        weights = np.ones(n) if resample == 0 else np.bincount(random.integers(0, n, n), minlength=n)
        sold = np.bincount(items, weights[people], week.n_items)
        best = set(np.argsort(-sold, kind="stable")[:BEST].tolist())
        shares.append([len(best & top) / BEST for top in tops])
    return np.array(shares)


def lines(found: list[Json]) -> Iterator[str]:
    for row in found:
        cells = [_cell(relevance, row[relevance]) for relevance in Relevance]
        best = row["best_sellers"]
        share = f"of next week's {BEST} best sellers {best['mean']:.2f} ({best['low']:.2f} to {best['high']:.2f})"
        yield f"{row['name']:32}{'   '.join(cells)}   {share}"


def _cell(relevance: Relevance, figures: Mapping[str, Any]) -> str:
    ndcg, lead = figures[PRIMARY], figures["lead"]
    return (
        f"{relevance} {ndcg['mean']:.4f} ({ndcg['low']:.4f} to {ndcg['high']:.4f}), first better by "
        f"{lead['low']:+.4f} to {lead['high']:+.4f}"
    )
