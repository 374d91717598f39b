"""One model, judged by what people bought after the cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from common.evaluation import metrics
from common.evaluation.cases import Cases, Question
from common.evaluation.queries import Encoder, item_codes, make_queries
from common.evaluation.ranking import blocks_of_scores, top_k
from common.models.artifact import Artifact
from common.schemas.data import F32, F64, I32, Bools

MAX_K: Final = 20
PRIMARY: Final = "ndcg@10"


@dataclass(frozen=True)
class Judgement:
    """`metrics`: by question, the name and the mean of each metric over `people`, those whom the question concerns.

    `primary`: by question, (people,) float64, each one's NDCG@10, in the same order for every model judged on the same
    cases.
    """

    metrics: dict[Question, dict[str, float]]
    primary: dict[Question, F64]


@dataclass(frozen=True)
class _Lists:
    """What each person was shown, and found: items and hits (n, MAX_K), relevant (n,)."""

    items: I32
    hits: Bools
    relevant: I32


def judge(artifact: Artifact, cases: Cases, encode: Encoder, fallback: Artifact) -> Judgement:
    """Ranks the catalogue for each case and counts the hits.

    A person of whom the model can say nothing gets the list of `fallback`, a popular model, as in serving. An item that
    the model does not know is never shown, and still counts among what was to be found.
    """
    return judge_scores(scores_of(artifact, cases, encode, fallback), cases)


def judge_scores(blocks: Iterator[tuple[slice, F32]], cases: Cases) -> Judgement:
    """The same for whatever gives scores.

    blocks: rows of the cases and (n, n_items) float32, which is overwritten, -inf for what is not to be shown.
    """
    lists = _make_lists(blocks, cases)
    return Judgement(
        metrics={question: _means(lists[question], cases) for question in Question},
        primary={
            question: metrics.ndcg_at_k(lists[question].hits, lists[question].relevant, 10) for question in Question
        },
    )


def _make_lists(blocks: Iterator[tuple[slice, F32]], cases: Cases) -> dict[Question, _Lists]:
    shape = (len(cases.user_keys), MAX_K)
    items = {question: np.empty(shape, dtype=np.int32) for question in Question}
    hits = {question: np.empty(shape, dtype=np.bool_) for question in Question}
    relevant = {question: cases.relevant(question) for question in Question}
    for rows, scores in blocks:
        items[Question.ALL][rows], hits[Question.ALL][rows] = top_k(scores, relevant[Question.ALL][rows], MAX_K)
        owned = cases.owned[rows].tocoo()
        scores[owned.row, owned.col] = -np.inf
        items[Question.NEW][rows], hits[Question.NEW][rows] = top_k(scores, relevant[Question.NEW][rows], MAX_K)
    lists = {}
    for question in Question:
        n_relevant = np.diff(relevant[question].indptr).astype(np.int32)
        asked = n_relevant > 0
        lists[question] = _Lists(items[question][asked], hits[question][asked], n_relevant[asked])
    return lists


def scores_of(artifact: Artifact, cases: Cases, encode: Encoder, fallback: Artifact) -> Iterator[tuple[slice, F32]]:
    """Rows of the cases and their (n, n_items) float32 scores, -inf for items that the model does not know."""
    queries = make_queries(artifact, cases.fold, cases.user_keys, encode)
    unknown = np.asarray(~queries.any(axis=1))
    codes = item_codes(artifact, cases.fold)
    popular = np.full(cases.fold.past.n_items, -np.inf, dtype=np.float32)
    popular[item_codes(fallback, cases.fold)] = fallback.item_vectors[:, 0]
    for rows, scores in blocks_of_scores(queries, artifact.item_vectors, codes, cases.fold.past.n_items):
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
