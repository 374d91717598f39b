"""The workbench in a worker, as the training sees it."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from common.errors import RefusedError
from common.evaluation.baselines.base import Baseline
from common.evaluation.cases import Relevance
from common.evaluation.judge import Judgement
from common.evaluation.popular_window import PopularWindow
from common.models.artifact import Artifact
from common.models.base import Model, ModelConfig
from common.models.popular import Popular
from common.models.popularity import WINDOW_DAYS
from common.usecases.train.evaluator import Candidate, Decisions, JudgedWindow, OnProgress, ServingSettings, Trial
from common.usecases.train.resource_usage import Usage
from common.usecases.train.workbench import Report, Windows, Workbench
from common.usecases.train.worker.process import Listen, Worker
from common.usecases.train.worker.serve import FITTED, KEPT, AskedWindow


class RemoteBench:
    """A `Bench` whose fits and judgements are jobs of a worker, which ends them where they do not end themselves.

    Popular is fitted here, by `own`: it needs no library, and something can be published even after the last deadline.
    """

    def __init__(self, worker: Worker, own: Workbench) -> None:
        self._worker = worker
        self._own = own

    def windows(self) -> Windows | None:
        found: tuple[JudgedWindow, JudgedWindow | None] | None = self._worker.run("windows", {})
        if found is None:
            return None
        validation, test = found
        return Windows(
            RemoteEvaluator(self._worker, "validation", validation),
            RemoteEvaluator(self._worker, "test", test) if test else None,
        )

    def fit(
        self, model: Model[ModelConfig], report: Report, deadline: float = math.inf, until_s: int | None = None
    ) -> Artifact:
        if isinstance(model, Popular):
            return self._own.fit(model, report, until_s=until_s)
        _require_library(model)
        self._worker.run("fit", {"model": model, "until_s": until_s}, deadline, report)
        fitted = self._worker.directory / FITTED
        artifact = Artifact.load(fitted)
        shutil.rmtree(fitted)
        return artifact

    def kept(self) -> Artifact | None:
        directory = self._worker.directory / KEPT
        return Artifact.load(directory) if directory.exists() else None


class RemoteEvaluator:
    """`Judging` on one of the worker's windows."""

    def __init__(self, worker: Worker, name: str, window: JudgedWindow) -> None:
        self._worker = worker
        self._name = name
        self._window = window
        self.popular_days = WINDOW_DAYS

    @property
    def window(self) -> JudgedWindow:
        return self._window

    def choose_window(self, relevance: Relevance, deadline: float = math.inf) -> PopularWindow:
        window: PopularWindow = self._run("choose_window", {"relevance": relevance}, deadline)
        return window

    def evaluate(
        self,
        candidate: Candidate,
        deadline: float = math.inf,
        on_progress: OnProgress | None = None,
        served: ServingSettings | None = None,
        keep: bool = False,
    ) -> Trial:
        _require_library(candidate.model)
        arguments = {"candidate": candidate, "told": on_progress is not None, "served": served, "keep": keep}
        trial: Trial = self._run("evaluate", arguments, deadline, on_progress)
        return replace(trial, candidate=candidate)

    def decide(self, candidate: Candidate, relevance: Relevance, deadline: float = math.inf) -> Decisions:
        arguments = {"candidate": candidate, "relevance": relevance}
        decisions: Decisions = self._run("decide", arguments, deadline)
        return decisions

    def newcomers(self) -> dict[str, float]:
        figures: dict[str, float] = self._run("newcomers", {})
        return figures

    def evaluate_baseline(self, baseline: type[Baseline], deadline: float) -> tuple[Judgement, Usage]:
        found: tuple[Judgement, Usage] = self._run("baseline", {"baseline": baseline}, deadline)
        return found

    def _run(
        self, job: str, arguments: Mapping[str, Any], deadline: float = math.inf, listen: Listen | None = None
    ) -> Any:
        """Every job says which popular unknown people get: a worker that replaces a killed one does not know."""
        window = AskedWindow(self._name, self.popular_days)
        return self._worker.run(job, {"window": window, **arguments}, deadline, listen)


def _require_library(model: Model[ModelConfig]) -> None:
    if lacking := model.lacks():
        raise RefusedError(lacking)
