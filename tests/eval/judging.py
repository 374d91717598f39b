"""One model on one task: fitted, ranked over the whole catalogue, and counted by the product's own metrics."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from common.evaluation import metrics
from common.evaluation.links import scores_of_links, top_k_of_links
from common.evaluation.queries import item_codes
from common.evaluation.ranking import blocks_of_scores, top_k
from common.evaluation.split import Fold
from common.models.artifact import Artifact
from common.models.base import FitOptions, Model, ModelConfig, TrainingData
from common.models.registry import make
from common.models.shape import DataShape
from common.schemas.data import F64, Bools
from common.serving.encoders import ENCODERS
from tests.eval.tasks import Task

MAX_WIDTH = 2048

MB = 1 << 10
"""ru_maxrss counts in KiB."""


@dataclass(frozen=True)
class Result:
    """`peak_mb` is the process's, data and libraries included, since its start."""

    model: str
    params: dict[str, Any]
    seed: int
    metrics: dict[str, float]
    fit_s: float
    fit_cpu_s: float
    peak_mb: int


def evaluate(task: Task, model: str, params: Mapping[str, Any], *, k: int, seed: int, threads: int) -> Result:
    def judge(artifact: Artifact) -> dict[str, float]:
        return {name: float(values.mean()) for name, values in per_query(task, artifact, k).items()}

    options = FitOptions(seed, threads, int(task.train.ts[-1]))
    suited = make(model, params).suited(DataShape.of(task.train, MAX_WIDTH))
    return fit_and_judge(suited, TrainingData(task.train), options, judge)


def fit_and_judge(
    model: Model[ModelConfig], data: TrainingData, options: FitOptions, judge: Callable[[Artifact], dict[str, float]]
) -> Result:
    start, cpu = time.monotonic(), time.process_time()
    artifact = model.fit(data, options)
    fit_s, fit_cpu_s = time.monotonic() - start, time.process_time() - cpu
    found = judge(artifact)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // MB
    params = model.config.model_dump(mode="json")
    return Result(model.family, params, options.seed, found, round(fit_s, 1), round(fit_cpu_s, 1), peak_mb)


def per_query(task: Task, artifact: Artifact, k: int) -> dict[str, F64]:
    """Each metric for each query."""
    relevant = task.relevant()
    hits = _hits_of_links(task, artifact, k) if artifact.links else _hits(task, artifact, k)
    # Where a model says nothing, all scores are equal, and a tie counts against it.
    n_relevant = np.diff(relevant.indptr).astype(np.int32)
    return {
        f"recall@{k}": metrics.recall_at_k(hits, n_relevant, k),
        f"ndcg@{k}": metrics.ndcg_at_k(hits, n_relevant, k),
        f"hit_rate@{k}": metrics.hit_rate_at_k(hits, k),
        f"mrr@{k}": metrics.mrr_at_k(hits, k),
    }


def _hits(task: Task, artifact: Artifact, k: int) -> Bools:
    queries, relevant, seen = task.queries(artifact, ENCODERS[artifact.encoder]), task.relevant(), task.seen()
    codes = item_codes(artifact, Fold(0, task.train, task.train))
    hits = np.zeros((len(queries), k), dtype=np.bool_)
    for rows, scores in blocks_of_scores(queries, artifact.item_vectors, codes, task.train.n_items):
        if task.mask_train:
            known = seen[rows].tocoo()
            scores[known.row, known.col] = -np.inf
        hits[rows] = top_k(scores, relevant[rows], k)[1]
    return hits


def _hits_of_links(task: Task, artifact: Artifact, k: int) -> Bools:
    offsets, items = task.visits(artifact)
    codes = item_codes(artifact, Fold(0, task.train, task.train))
    relevant, seen = task.relevant()[:, codes].tocsr(), task.seen()[:, codes].tocsr()
    hits = np.zeros((relevant.shape[0], k), dtype=np.bool_)
    for rows, scores in scores_of_links(artifact, offsets, items, own=not task.mask_train):
        shown = scores - scores.multiply(seen[rows]) if task.mask_train else scores
        hits[rows] = top_k_of_links(shown.tocsr(), relevant[rows], k)[1]
    return hits
