"""Hyperparameters from a part of train."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from common.cpus import usable_cpus
from common.models.artifact import Artifact
from common.models.base import FitOptions, Model, ModelConfig, TrainingData
from common.models.registry import FAMILIES
from common.tuning.records import TrialRecord
from common.tuning.search import SearchPlan, search
from common.tuning.trial import Verdict, Watch
from tests.eval.judging import per_query
from tests.eval.tasks import Task


def tune(
    task: Task, model: str, metric: str, *, k: int, budget_s: float, max_width: int, first: list[dict[str, Any]]
) -> tuple[TrialRecord | None, list[TrialRecord]]:
    """The best trial and all of them, judged by `metric` on what `task` holds out of its train."""
    inner = task.for_tuning(seed=0)
    threads = usable_cpus()

    def objective(candidate: Model[ModelConfig], watch: Watch) -> Verdict:
        def inspect(step: int, snapshot: Callable[[], Artifact]) -> None:
            watch.score(step, float(per_query(inner, snapshot(), k)[metric].mean()))

        options = FitOptions(1, threads, int(inner.train.ts[-1]), lambda *_: watch.time(), inspect)
        artifact = candidate.fit(TrainingData(inner.train), options)
        return Verdict(per_query(inner, artifact, k)[metric], artifact.dim)

    plan = SearchPlan("eval", 1, time.monotonic() + budget_s, max_width, {model: first})
    records = search([FAMILIES[model]], objective, plan)
    done = [record for record in records if record.score is not None]
    # Width costs nothing here.
    return max(done, key=lambda record: record.score or 0, default=None), records
