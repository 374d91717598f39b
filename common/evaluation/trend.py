"""The weight of the trend: how much items that sell more than usual should gain, chosen by NDCG@10."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from common.evaluation.cases import Cases, Relevance
from common.evaluation.judge import scores_of
from common.evaluation.metrics import ndcg_at_k
from common.evaluation.queries import Encoder, make_queries
from common.evaluation.ranking import leads, top_k
from common.models.artifact import Artifact
from common.models.trend import item_trends
from common.schemas.data import F32, F64

STEPS: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.6)
"""Weights that are tried, in multiples of the median person's distance between the best score and the mean of all
scores, divided by the length of the query vector."""

K: Final = 10


@dataclass(frozen=True)
class Trend:
    """The chosen weight, as `with_trend` takes it: the best of those tried, or 0. `tried` is NDCG@10 by weight."""

    weight: float = 0.0
    tried: Mapping[float, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The trend for metrics.json."""
        return {
            "weight": self.weight,
            "tried": [{"weight": weight, "ndcg": ndcg} for weight, ndcg in self.tried.items()],
        }


def judge_trend(artifact: Artifact, cases: Cases, encode: Encoder, fallback: Artifact, relevance: Relevance) -> Trend:
    """The weight of the trend that is best for `relevance`.

    It is 0 for a model that ranks the same for everybody, because such a model has a half-life of its own.
    """
    if artifact.family == fallback.family:
        return Trend()
    lengths = np.linalg.norm(make_queries(artifact, cases.fold, cases.user_keys, encode), axis=1)
    if not lengths.any():
        return Trend()
    gains = item_trends(cases.fold.past, cases.fold.cut_s)
    unit = _unit(artifact, cases, encode, fallback, lengths)
    weights = [0.0, *(step * unit for step in STEPS)]
    relevant = cases.relevant(relevance)
    hits = np.zeros((len(weights), relevant.shape[0], K), dtype=np.bool_)
    for rows, scores in scores_of(artifact, cases, encode, fallback):
        if relevance is Relevance.NEW:
            owned = cases.owned[rows].tocoo()
            scores[owned.row, owned.col] = -np.inf
        gained = lengths[rows, np.newaxis] * gains
        for weight, weight_hits in zip(weights, hits, strict=True):
            weight_hits[rows] = top_k(scores + np.float32(weight) * gained, relevant[rows], K)[1]
    n_relevant = np.diff(relevant.indptr).astype(np.int32)
    kept = n_relevant > 0
    tried = {w: float(ndcg_at_k(h[kept], n_relevant[kept], K).mean()) for w, h in zip(weights, hits, strict=True)}
    return Trend(max(tried, key=lambda weight: tried[weight]), tried)


def _unit(artifact: Artifact, cases: Cases, encode: Encoder, fallback: Artifact, lengths: F32 | F64) -> float:
    leading = np.concatenate([leads(scores) for _, scores in scores_of(artifact, cases, encode, fallback)])
    known_people = lengths > 0
    return float(np.median(leading[known_people] / lengths[known_people]))
