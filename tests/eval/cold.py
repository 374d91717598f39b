"""Items without events: are those that a person will buy ranked before the others, from their features alone?

Features must not cost anything where there are events: the same model is held against itself without a catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.stats import rankdata

from common.evaluation.cases import Cases, Relevance, make_cases
from common.evaluation.judge import PRIMARY, judge
from common.evaluation.queries import make_queries
from common.evaluation.split import Fold, temporal_split
from common.models.artifact import Artifact
from common.models.base import FitOptions, TrainingData
from common.models.popular import Popular
from common.models.registry import make
from common.schemas.data import F64, I64
from common.serving.encoders import ENCODERS
from tests.eval.judging import Result, fit_and_judge

SHARE_COLD = 0.2
WINDOW_DAYS = 28.0


def evaluate_cold(data: TrainingData, model: str, params: Mapping[str, Any], *, seed: int, threads: int) -> Result:
    """`cold_auc`: mean over `people` of the AUC among items whose events were all withheld, a fifth drawn at random;
    `warm_ndcg@10`: of all purchases of the other items, `ids_only_ndcg@10` the same without a catalogue, and
    `warm_to_ids_only` the one divided by the other. All on the last four weeks."""
    split = temporal_split(data.interactions, WINDOW_DAYS, 0)
    if split is None:
        raise ValueError("too short a history")
    cold = np.random.default_rng(seed).random(data.interactions.n_items) < SHARE_COLD
    past, future = split.validation.past, split.validation.future
    fold = Fold(split.validation.cut_s, past.where(~cold[past.items]), future)
    warm = make_cases(replace(fold, future=future.where(~cold[future.items])), seed)
    fitted, options = make(model, params), FitOptions(seed, threads, fold.cut_s)

    def judge_both(artifact: Artifact) -> dict[str, float]:
        aucs = cold_aucs(_of_data(artifact, fold), fold, np.flatnonzero(cold))
        by_features = _ndcg(artifact, warm, options)
        by_ids = _ndcg(fitted.fit(TrainingData(fold.past), options), warm, options)
        return {
            "cold_auc": float(aucs.mean()),
            "warm_to_ids_only": by_features / by_ids,
            "warm_ndcg@10": by_features,
            "ids_only_ndcg@10": by_ids,
            "people": float(len(aucs)),
        }

    return fit_and_judge(fitted, TrainingData(fold.past, data.catalogue), options, judge_both)


def _ndcg(artifact: Artifact, cases: Cases, options: FitOptions) -> float:
    popular = make(Popular.family).fit(TrainingData(cases.fold.past), options)
    judgement = judge(_of_data(artifact, cases.fold), cases, ENCODERS[artifact.encoder], popular)
    return judgement.metrics[Relevance.ALL][PRIMARY]


def cold_aucs(artifact: Artifact, fold: Fold, cold: I64) -> F64:
    """(n,) for people with events before the cut who bought some of `cold` (item codes) after it, and not all: how
    likely a bought one is ranked before another, a tie counting half. Items that the model has no vector for are left
    out."""
    row_of = {item: row for row, item in enumerate(artifact.item_ids)}
    known = [code for code in cold.tolist() if fold.past.item_ids[code] in row_of]
    vectors = artifact.item_vectors[[row_of[fold.past.item_ids[code]] for code in known]]
    buyers = np.intersect1d(fold.future.users[np.isin(fold.future.items, known)], fold.past.users)
    people = buyers[buyers >= 0]
    queries = make_queries(artifact, fold, fold.past.user_keys[people], ENCODERS[artifact.encoder])
    aucs = []
    for person, query in zip(people, queries, strict=True):
        bought = np.isin(known, fold.future.items[fold.future.users == person])
        n_bought = int(bought.sum())
        if n_bought < len(known):
            above = rankdata(vectors @ query)[bought].sum() - n_bought * (n_bought + 1) / 2
            aucs.append(above / (n_bought * (len(known) - n_bought)))
    return np.array(aucs)


def _of_data(artifact: Artifact, fold: Fold) -> Artifact:
    """Without the items that were never sold at all, which the events have no code for."""
    codes = set(fold.past.item_ids)
    kept = [row for row, item in enumerate(artifact.item_ids) if item in codes]
    return Artifact(
        family=artifact.family,
        params=artifact.params,
        item_ids=tuple(artifact.item_ids[row] for row in kept),
        item_vectors=artifact.item_vectors[kept],
        user_keys=artifact.user_keys,
        user_vectors=artifact.user_vectors,
        encoder=artifact.encoder,
        encoder_params=artifact.encoder_params,
        encoder_arrays=artifact.encoder_arrays,
    )
