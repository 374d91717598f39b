"""What to do with items that the person has already: hide them, show them by their score, or put them forward.

About half of what a grocer's customers buy is what they have bought before, and a factor model ranks it too low. Put
forward, an item's score grows by boost · ln(1 + purchases), of which each counts half as much every half-life. That
half-life is not the model's, which is short where it is to find something new. NDCG@10 of all purchases in the last 28
days but 28, with ALS that forgets within 28 days: on the gift shop shown .274, put forward by the model's own weights
.304, by purchases that never fade .320; on the grocer .257, .386, and .403 by purchases that fade within 112 days. What
is new to the person keeps its order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix

from common.config import Purchased
from common.evaluation.cases import Cases, Relevance
from common.evaluation.judge import Judgement, judge_scores, scores_of
from common.evaluation.metrics import ndcg_at_k
from common.evaluation.queries import Encoder, item_codes, rows_of
from common.evaluation.ranking import top_k
from common.models.artifact import Artifact
from common.models.matrix import weight_matrix
from common.schemas.data import F32, NO_USER, Interactions, repeated
from common.schemas.documents import RepeatPurchases

STEPS: Final = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Boosts that are tried, in multiples of a person's best score over the mean of all items, averaged over people."""

HALF_LIFE_DAYS: Final = 112.0
"""With which boosts are tried; other half-lives then with the best of them."""

OTHER_HALF_LIVES: Final = (None, 56.0)

K: Final = 10


@dataclass(frozen=True)
class RepeatDecision:
    """NDCG@10 of all purchases, repeated or not, by what is done; `boost`, in units of the model's score, and
    `half_life_days` are the best of those tried."""

    hide: float
    show: float
    put_forward: float
    boost: float
    half_life_days: float | None = None

    @property
    def decision(self) -> Purchased:
        """The best; of equals the one that changes least for who is used to find something new."""
        found = {Purchased.HIDE: self.hide, Purchased.SHOW: self.show, Purchased.BOOST: self.put_forward}
        return max(found, key=lambda purchased: found[purchased])

    def served(self, purchased: Purchased = Purchased.AUTO) -> RepeatPurchases:
        """What recommend does under the shop's setting."""
        decision = self.decision if purchased is Purchased.AUTO else purchased
        return RepeatPurchases(decision=decision.value, boost=self.boost, half_life_days=self.half_life_days)

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "decision": self.decision}


@dataclass(frozen=True, eq=False)
class _Boost:
    """`gains` csr_matrix (n, n_items) float32: an entry for each item that a person has bought and not given back."""

    gains: Any
    boost: float
    half_life_days: float | None = None


def judge_repeats(artifact: Artifact, cases: Cases, encode: Encoder, fallback: Artifact) -> RepeatDecision:
    """A model that says the same of everybody is not put anything forward in: serving gives its list as it is."""

    def gains(half_life_days: float | None) -> Any:
        return _gains(artifact, cases, half_life_days)

    def judged(boosts: list[_Boost]) -> list[float]:
        return _judge(scores_of(artifact, cases, encode, fallback), cases, boosts)

    usual = gains(HALF_LIFE_DAYS)
    hidden, shown = _hiding(usual), _Boost(usual, 0.0)
    if artifact.family == fallback.family:
        hide, show = judged([hidden, shown])
        return RepeatDecision(hide, show, put_forward=show, boost=0.0)
    unit = _unit(scores_of(artifact, cases, encode, fallback))
    first = [_Boost(usual, step * unit, HALF_LIFE_DAYS) for step in STEPS]
    hide, show, *forward = judged([hidden, shown, *first])
    best = first[int(np.argmax(forward))]
    others = [_Boost(gains(half_life), best.boost, half_life) for half_life in OTHER_HALF_LIVES]
    tried = dict(zip([best, *others], [max(forward), *judged(others)], strict=True))
    best = max(tried, key=lambda boost: tried[boost])
    return RepeatDecision(hide, show, tried[best], best.boost, best.half_life_days)


def judge_as_served(
    artifact: Artifact, cases: Cases, encode: Encoder, fallback: Artifact, served: RepeatPurchases
) -> Judgement:
    """What `judge` says, with what people have hidden or put forward as `served` says."""
    gains = _gains(artifact, cases, served.half_life_days)
    boosts = {"hide": _hiding(gains), "show": _Boost(gains, 0.0), "boost": _Boost(gains, served.boost)}
    blocks = _boosted(scores_of(artifact, cases, encode, fallback), boosts[served.decision])
    return judge_scores(blocks, cases)


def _hiding(gains: Any) -> _Boost:
    """Of all that there is a gain for, however small."""
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
        for boost, found in zip(boosts, hits, strict=True):
            scores[own.row, own.col] = shown + boost.boost * boost.gains[rows].data
            found[rows] = top_k(scores, relevant[rows], K)[1]
    n_relevant = np.diff(relevant.indptr).astype(np.int32)
    return [float(ndcg_at_k(found, n_relevant, K).mean()) for found in hits]


def _gains(artifact: Artifact, cases: Cases, half_life_days: float | None) -> Any:
    """csr_matrix (n, n_items) float32: ln(1 + purchases), as serving has them; 0 for what the model does not know."""
    past, people = cases.fold.past, rows_of(cases.fold.past.user_keys, cases.user_keys)
    purchases = weight_matrix(past, repeated(half_life_days), cases.fold.cut_s)[people]
    known = np.zeros(past.n_items + 1, dtype=np.bool_)
    known[item_codes(artifact, cases.fold)] = True
    rows, items = _kept(past)[people].nonzero()
    gains = np.log1p(np.asarray(purchases[rows, items]).ravel()) * known[items]
    return csr_matrix((gains.astype(np.float32), (rows, items)), shape=(len(people), past.n_items))


def _kept(past: Interactions) -> Any:
    """csr_matrix (n_users, n_items) bool: of what was more bought than returned."""
    own = past.users != NO_USER
    place = (past.users[own], past.items[own])
    return csr_matrix(coo_matrix((past.pieces()[own], place), shape=(past.n_users, past.n_items))) > 0


def _unit(blocks: Iterator[tuple[slice, F32]]) -> float:
    """By how much a person's best score is above the mean of the items that the model knows, averaged over people."""
    leads: list[F32] = []
    for _, scores in blocks:
        known = scores > -np.inf
        mean = np.where(known, scores, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
        leads.append(scores.max(axis=1) - mean)
    return float(np.concatenate(leads).mean()) if leads else 0.0
