"""Repeat purchases: whether items that a person has bought are hidden, shown by their score, or put forward.

About half of a grocer's purchases repeat earlier ones, and a factor model ranks them too low. Put forward, an item's
score grows by boost · ln(1 + purchases), where a purchase counts half after each half-life. This half-life is longer
than the model's own, which is chosen for finding new items. Items that are new to the person keep their order.

With ALS at a grocer, NDCG@10 of all purchases is .257 shown and .403 put forward (docs/measurements-models.md).

A boost of `FIRST` puts whatever a person has bought before everything else, the most frequent first. Popular has no
other, and any model is served so where the test window shows it clearly below the plainest list for known people: what
they buy most often, then popular. It is not tried beside the other boosts: they reach as much where people buy little
and rarely.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix

from common.config import Purchased
from common.evaluation.cases import Cases, Relevance
from common.evaluation.judge import Judgement, judge_scores, scores_of
from common.evaluation.metrics import ndcg_at_k
from common.evaluation.queries import Encoder, item_codes, rows_of
from common.evaluation.ranking import leads, top_k
from common.models.artifact import Artifact
from common.models.matrix import weight_matrix
from common.schemas.data import F32, NO_USER, Interactions, repeated
from common.schemas.documents import RepeatPurchases

STEPS: Final = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Boosts that are tried, in multiples of the mean distance between a person's best score and the mean of all scores."""

FIRST: Final = 64.0
"""The boost, in the same multiples, behind which the model's score only orders items that were bought equally often."""

HALF_LIFE_DAYS: Final = 112.0
"""Half-life with which boosts are tried; the other half-lives are then tried with the best boost."""

OTHER_HALF_LIVES: Final = (None, 56.0)

K: Final = 10


@dataclass(frozen=True)
class RepeatDecision:
    """NDCG@10 of all purchases for each treatment of repeat purchases, and the parameters of the best boost.

    hide, show, put_forward: NDCG@10
    boost: the best of those tried, in units of the model's score
    half_life_days: the best of those tried
    first: the boost that puts all purchases first
    forced: whether they must be first, because the test window has refuted what validation found best
    """

    hide: float
    show: float
    put_forward: float
    boost: float
    half_life_days: float | None = None
    first: float = 0.0
    forced: bool = False

    def with_purchases_first(self) -> RepeatDecision:
        """The decision to put all purchases first, the most frequent before the others."""
        return replace(self, boost=self.first, half_life_days=None, forced=True)

    @property
    def decision(self) -> Purchased:
        """The treatment with the highest NDCG@10; of equal ones hide before show before boost."""
        if self.forced:
            return Purchased.BOOST
        ndcg = {Purchased.HIDE: self.hide, Purchased.SHOW: self.show, Purchased.BOOST: self.put_forward}
        return max(ndcg, key=lambda purchased: ndcg[purchased])

    def served(self, purchased: Purchased = Purchased.AUTO) -> RepeatPurchases:
        """The treatment that recommend applies under the shop's setting."""
        decision = self.decision if purchased is Purchased.AUTO else purchased
        return RepeatPurchases(decision=decision.value, boost=self.boost, half_life_days=self.half_life_days)

    def as_dict(self) -> dict[str, Any]:
        """The decision for metrics.json."""
        return {**asdict(self), "decision": self.decision}


@dataclass(frozen=True, eq=False)
class _Boost:
    """A boost to be tried. gains: csr_matrix (n, n_items) float32, one entry for each item that a person has bought and
    not given back."""

    gains: Any
    boost: float
    half_life_days: float | None = None


def judge_repeats(artifact: Artifact, cases: Cases, encode: Encoder, fallback: Artifact) -> RepeatDecision:
    """The best treatment of repeat purchases for a model.

    A model that ranks the same for everybody is served as a list, so purchases can only be put before all of it.
    """

    def gains(half_life_days: float | None) -> Any:
        return _gains(artifact, cases, half_life_days)

    def judged(boosts: list[_Boost]) -> list[float]:
        return _judge(scores_of(artifact, cases, encode, fallback), cases, boosts)

    usual = gains(HALF_LIFE_DAYS)
    hidden, shown = _hiding(usual), _Boost(usual, 0.0)
    unit = float(np.mean(np.concatenate([leads(scores) for _, scores in scores_of(artifact, cases, encode, fallback)])))
    steps = (FIRST,) if artifact.family == fallback.family else STEPS
    first = [_Boost(usual, step * unit, HALF_LIFE_DAYS) for step in steps]
    hide, show, *forward = judged([hidden, shown, *first])
    best = first[int(np.argmax(forward))]
    others = [_Boost(gains(half_life), best.boost, half_life) for half_life in OTHER_HALF_LIVES]
    tried = dict(zip([best, *others], [max(forward), *judged(others)], strict=True))
    best = max(tried, key=lambda boost: tried[boost])
    return RepeatDecision(hide, show, tried[best], best.boost, best.half_life_days, FIRST * unit)


def judge_as_served(
    artifact: Artifact, cases: Cases, encode: Encoder, fallback: Artifact, served: RepeatPurchases
) -> Judgement:
    """The figures of `judge`, with repeat purchases treated as `served` says."""
    gains = _gains(artifact, cases, served.half_life_days)
    boosts = {"hide": _hiding(gains), "show": _Boost(gains, 0.0), "boost": _Boost(gains, served.boost)}
    blocks = _boosted(scores_of(artifact, cases, encode, fallback), boosts[served.decision])
    return judge_scores(blocks, cases)


def _hiding(gains: Any) -> _Boost:
    """The boost that hides every item with a gain, however small."""
    return _Boost(csr_matrix((np.ones_like(gains.data), gains.indices, gains.indptr), shape=gains.shape), -np.inf)


def _boosted(blocks: Iterator[tuple[slice, F32]], boost: _Boost) -> Iterator[tuple[slice, F32]]:
    for rows, scores in blocks:
        own = boost.gains[rows].tocoo()
        scores[own.row, own.col] += boost.boost * own.data
        yield rows, scores


def _judge(blocks: Iterator[tuple[slice, F32]], cases: Cases, boosts: list[_Boost]) -> list[float]:
    """NDCG@10 of all purchases with each of the boosts."""
    relevant = cases.relevant(Relevance.ALL)
    hits = np.zeros((len(boosts), relevant.shape[0], K), dtype=np.bool_)
    for rows, scores in blocks:
        own = boosts[0].gains[rows].tocoo()
        shown = scores[own.row, own.col]
        for boost, boost_hits in zip(boosts, hits, strict=True):
            scores[own.row, own.col] = shown + boost.boost * boost.gains[rows].data
            boost_hits[rows] = top_k(scores, relevant[rows], K)[1]
    n_relevant = np.diff(relevant.indptr).astype(np.int32)
    return [float(ndcg_at_k(boost_hits, n_relevant, K).mean()) for boost_hits in hits]


def _gains(artifact: Artifact, cases: Cases, half_life_days: float | None) -> Any:
    """csr_matrix (n, n_items) float32: ln(1 + purchases), as in serving; 0 for items that the model does not know."""
    past, people = cases.fold.past, rows_of(cases.fold.past.user_keys, cases.user_keys)
    purchases = weight_matrix(past, repeated(half_life_days), cases.fold.cut_s)[people]
    known = np.zeros(past.n_items + 1, dtype=np.bool_)
    known[item_codes(artifact, cases.fold)] = True
    rows, items = _kept(past)[people].nonzero()
    gains = np.log1p(np.asarray(purchases[rows, items]).ravel()) * known[items]
    return csr_matrix((gains.astype(np.float32), (rows, items)), shape=(len(people), past.n_items))


def _kept(past: Interactions) -> Any:
    """csr_matrix (n_users, n_items) bool: items that the person bought more of than returned."""
    own = past.users != NO_USER
    place = (past.users[own], past.items[own])
    return csr_matrix(coo_matrix((past.pieces()[own], place), shape=(past.n_users, past.n_items))) > 0
