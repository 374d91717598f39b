"""The judgement of one model by the purchases after the cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from common.evaluation import metrics
from common.evaluation.cases import Cases, Relevance
from common.evaluation.queries import Encoder, item_codes, make_queries
from common.evaluation.ranking import blocks_of_scores, top_k
from common.models.artifact import Artifact
from common.schemas.data import F32, F64, I32, Bools

MAX_K: Final = 20
PRIMARY: Final = "ndcg@10"

FEW_ITEMS: Final = 5
"""People with at most so many different items before the cut also have figures of their own, because a
model knows little of them."""


@dataclass(frozen=True)
class Judgement:
    """The figures of one model on the cases.

    metrics: by relevance, the mean of each metric over the people with a relevant purchase, and their number `people`
    primary: by relevance, (people,) float64, each person's NDCG@10, in the same order for every model on the same cases
    cold: by "people" and "items", metrics of all purchases where little is known. "people" have at most `FEW_ITEMS`
    items before the cut; "items" had no event before it, and their recall@20 is the share of them that was shown to the
    person who bought them
    """

    metrics: dict[Relevance, dict[str, float]]
    primary: dict[Relevance, F64]
    cold: dict[str, dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Lists:
    """The lists of people: items (n, MAX_K) int32, hits (n, MAX_K) bool, and relevant (n,) int32, the number of
    relevant items."""

    items: I32
    hits: Bools
    relevant: I32


def judge(artifact: Artifact, cases: Cases, encode: Encoder, fallback: Artifact) -> Judgement:
    """The figures of a model: ranks the whole catalogue for each case and counts the hits.

    A person whom the model does not know gets the list of `fallback`, a popular model, as in serving. An item that the
    model does not know is never shown, and still counts as relevant.
    """
    return judge_scores(scores_of(artifact, cases, encode, fallback), cases)


def judge_scores(blocks: Iterator[tuple[slice, F32]], cases: Cases) -> Judgement:
    """The figures of any source of scores.

    blocks: pairs of a slice of the cases and (n, n_items) float32 scores, which are overwritten; -inf for items that
    must not be shown.
    """
    lists = _make_lists(blocks, cases)
    everything = lists[Relevance.ALL]
    return Judgement(
        metrics={relevance: _means(lists[relevance], cases) for relevance in Relevance},
        primary={
            relevance: metrics.ndcg_at_k(lists[relevance].hits, lists[relevance].relevant, 10)
            for relevance in Relevance
        },
        cold={"people": _for_few_items(everything, cases), "items": _for_new_items(everything, cases)},
    )


def _make_lists(blocks: Iterator[tuple[slice, F32]], cases: Cases) -> dict[Relevance, _Lists]:
    shape = (len(cases.user_keys), MAX_K)
    items = {relevance: np.empty(shape, dtype=np.int32) for relevance in Relevance}
    hits = {relevance: np.empty(shape, dtype=np.bool_) for relevance in Relevance}
    relevant = {relevance: cases.relevant(relevance) for relevance in Relevance}
    for rows, scores in blocks:
        items[Relevance.ALL][rows], hits[Relevance.ALL][rows] = top_k(scores, relevant[Relevance.ALL][rows], MAX_K)
        owned = cases.owned[rows].tocoo()
        scores[owned.row, owned.col] = -np.inf
        items[Relevance.NEW][rows], hits[Relevance.NEW][rows] = top_k(scores, relevant[Relevance.NEW][rows], MAX_K)
    lists = {}
    for relevance in Relevance:
        n_relevant = np.diff(relevant[relevance].indptr).astype(np.int32)
        counted = n_relevant > 0
        lists[relevance] = _Lists(items[relevance][counted], hits[relevance][counted], n_relevant[counted])
    return lists


def scores_of(artifact: Artifact, cases: Cases, encode: Encoder, fallback: Artifact) -> Iterator[tuple[slice, F32]]:
    """Yields slices of the cases and their (n, n_items) float32 scores, -inf for items that the model does not know."""
    queries = make_queries(artifact, cases.fold, cases.user_keys, encode)
    unknown = np.asarray(~queries.any(axis=1))
    codes = item_codes(artifact, cases.fold)
    vectors = artifact.item_vectors
    if (codes < 0).any():
        vectors, codes = vectors[codes >= 0], codes[codes >= 0]
    popular = np.full(cases.fold.past.n_items, -np.inf, dtype=np.float32)
    popular[item_codes(fallback, cases.fold)] = fallback.item_vectors[:, 0]
    for rows, scores in blocks_of_scores(queries, vectors, codes, cases.fold.past.n_items):
        scores[unknown[rows]] = popular
        yield rows, scores


def _means(lists: _Lists, cases: Cases) -> dict[str, float]:
    items, hits, relevant = lists.items, lists.hits, lists.relevant
    if len(items) == 0:
        return {"people": 0}
    means = {f"ndcg@{k}": metrics.ndcg_at_k(hits, relevant, k).mean() for k in (10, 20)}
    means |= {f"recall@{k}": metrics.recall_at_k(hits, relevant, k).mean() for k in (10, 20)}
    means |= {
        "hit_rate@10": metrics.hit_rate_at_k(hits, 10).mean(),
        "mrr@20": metrics.mrr_at_k(hits, 20).mean(),
        "coverage@10": metrics.coverage_at_k(items, cases.n_known, 10),
        "novelty@10": metrics.novelty_at_k(items, cases.buyers, cases.n_users, 10),
        "people": len(items),
    }
    return {name: float(value) for name, value in means.items()}


def _for_few_items(lists: _Lists, cases: Cases) -> dict[str, float]:
    few = np.diff(cases.owned.indptr) <= FEW_ITEMS
    if not few.any():
        return {"people": 0}
    gains = metrics.ndcg_at_k(lists.hits[few], lists.relevant[few], 10)
    hits = metrics.hit_rate_at_k(lists.hits[few], 10)
    return {PRIMARY: float(gains.mean()), "hit_rate@10": float(hits.mean()), "people": float(few.sum())}


def _for_new_items(lists: _Lists, cases: Cases) -> dict[str, float]:
    past = cases.fold.past
    is_new = np.bincount(past.items, minlength=past.n_items) == 0
    bought: Any = cases.bought
    new_bought = np.asarray(bought @ is_new.astype(np.int64)).ravel()
    buyers = new_bought > 0
    if not buyers.any():
        return {"people": 0}
    new_hits = (lists.hits & is_new[lists.items]).sum(axis=1)
    recall = float((new_hits[buyers] / new_bought[buyers]).mean())
    return {f"recall@{MAX_K}": recall, "people": float(buyers.sum())}
