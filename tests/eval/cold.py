"""Items without events: are those that a person will buy ranked before the others, from their features alone?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.stats import rankdata

from common.evaluation.cases import Question, make_cases
from common.evaluation.judge import PRIMARY, judge
from common.evaluation.queries import make_queries
from common.evaluation.split import Fold, temporal_split
from common.models.artifact import Artifact
from common.models.base import FitOptions, TrainingData
from common.models.popular import Popular
from common.models.registry import make
from common.schemas.data import F64, I64
from common.serving.encoders import ENCODERS

SHARE_COLD = 0.2
WINDOW_DAYS = 28.0


def evaluate_cold(
    data: TrainingData, model: str, params: Mapping[str, Any], *, seed: int, threads: int
) -> dict[str, float]:
    """`cold_auc`: mean over people of the AUC among items whose events were all withheld, a fifth drawn at random;
    `warm_ndcg@10`: of all purchases of the other items. Both on the last four weeks."""
    split = temporal_split(data.interactions, WINDOW_DAYS, 0)
    if split is None:
        raise ValueError("too short a history")
    cold = np.random.default_rng(seed).random(data.interactions.n_items) < SHARE_COLD
    warm_past = split.validation.past.where(~cold[split.validation.past.items])
    fold = Fold(split.validation.cut_s, warm_past, split.validation.future)
    options = FitOptions(seed, threads, fold.cut_s)
    artifact, popular = (
        one.fit(TrainingData(fold.past, data.catalogue), options) for one in (make(model, params), make(Popular.family))
    )
    aucs = cold_aucs(_of_data(artifact, fold), fold, np.flatnonzero(cold))
    warm = Fold(fold.cut_s, fold.past, fold.future.where(~cold[fold.future.items]))
    judgement = judge(_of_data(artifact, fold), make_cases(warm, seed), ENCODERS[artifact.encoder], popular)
    found = {"warm_ndcg@10": judgement.metrics[Question.ALL][PRIMARY], "people": float(len(aucs))}
    return found | ({"cold_auc": float(aucs.mean())} if len(aucs) else {})


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
