"""A workbench that takes time without passing any: its clock is that of `time.monotonic` as long as a test lasts."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pytest

from common.errors import StopCause, Stopped
from common.evaluation.baselines.base import Baseline
from common.evaluation.cases import Relevance
from common.evaluation.judge import PRIMARY, Judgement
from common.evaluation.popular_window import PopularWindow
from common.evaluation.repeats import RepeatDecision
from common.evaluation.trend import Trend
from common.models.artifact import Artifact
from common.models.base import Model, ModelConfig
from common.models.popularity import WINDOW_DAYS
from common.usecases.train.evaluator import (
    POPULAR,
    Candidate,
    Decisions,
    JudgedWindow,
    Judging,
    OnProgress,
    ServingSettings,
    Trial,
    too_long,
)
from common.usecases.train.resource_usage import Usage
from common.usecases.train.workbench import Report, Windows

PEOPLE = np.random.default_rng(3).random(50)
CHOICE = "the choice of the window of popular"
SCORES = {"als": 0.5, "bpr": 0.4, "item2vec": 0.45, "lightfm": 0.55, "gru4rec": 0.6, "popular": 0.1}


@dataclass
class Clock:
    now: float = 1000.0

    def run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


@dataclass
class VirtualBench:
    """A `Bench` and its evaluators in one. `fit_s`: seconds of a fit by family; `hangs_from`: by family, its fits that
    still end, and from then on each takes for ever, until the deadline or `ends`; `dies`: families whose process dies
    instead."""

    clock: Clock
    ends: float
    fit_s: Mapping[str, float]
    hangs_from: Mapping[str, int] = field(default_factory=dict)
    dies: frozenset[str] = frozenset()
    fits: dict[str, int] = field(default_factory=dict)
    last: Artifact | None = None
    popular_days: int = WINDOW_DAYS

    @property
    def window(self) -> JudgedWindow:
        return JudgedWindow(1_700_000_000, 1_702_000_000, len(PEOPLE), 0, "people", tuple(Relevance))

    def windows(self) -> Windows | None:
        return Windows(self, cast("Judging", _OnTest(self)))

    def choose_window(self, relevance: Relevance, deadline: float = math.inf) -> PopularWindow:
        self._work(CHOICE, deadline)
        return PopularWindow(14, {14: 0.2, 28: 0.1})

    def evaluate(
        self,
        candidate: Candidate,
        deadline: float = math.inf,
        on_progress: OnProgress | None = None,
        served: ServingSettings | None = None,
        keep: bool = False,
    ) -> Trial:
        seconds = self._work(candidate.model.family, deadline)
        if keep:
            self.last = _artifact(candidate.model)
        per_person = SCORES.get(candidate.model.family, 0.3) + 0.01 * PEOPLE
        judgement = _judgement(per_person)
        return Trial(candidate, judgement, seconds, 8, as_served=judgement if served else None)

    def decide(self, candidate: Candidate, relevance: Relevance, deadline: float = math.inf) -> Decisions:
        self._work(candidate.model.family, deadline)
        self.last = _artifact(candidate.model)
        return Decisions(Trend(), RepeatDecision(0.1, 0.1, 0.2, 1.0, 100.0))

    def newcomers(self) -> dict[str, float]:
        return {}

    def evaluate_baseline(self, baseline: type[Baseline], deadline: float) -> tuple[Judgement, Usage]:
        self._work(baseline.name, deadline)
        return _judgement(PEOPLE), Usage()

    def fit(
        self, model: Model[ModelConfig], report: Report, deadline: float = math.inf, until_s: int | None = None
    ) -> Artifact:
        if model.family != POPULAR.model.family:
            self._work(model.family, deadline)
        return _artifact(model)

    def kept(self) -> Artifact | None:
        return self.last

    def _work(self, name: str, deadline: float) -> float:
        """Lets the time of one fit pass, or that until its end."""
        ends = min(deadline, self.ends)
        done = self.fits.get(name, 0)
        self.fits[name] = done + 1
        hangs = done >= self.hangs_from.get(name, done + 1)
        if hangs and name in self.dies:
            raise Stopped("its process crashed", StopCause.CRASHED)
        seconds = math.inf if hangs else self.fit_s.get(name, 0.0)
        if self.clock.now + seconds > ends:
            began, self.clock.now = self.clock.now, max(self.clock.now, ends)
            raise Stopped(too_long(ends - began))
        self.clock.now += seconds
        return seconds


@dataclass
class _OnTest:
    """The same on the test window."""

    bench: VirtualBench

    def __getattr__(self, name: str) -> Any:
        return getattr(self.bench, name)


def _judgement(per_person: np.ndarray) -> Judgement:
    figures = {PRIMARY: float(per_person.mean())}
    return Judgement(dict.fromkeys(Relevance, figures), dict.fromkeys(Relevance, per_person))


def _artifact(model: Model[ModelConfig]) -> Artifact:
    return Artifact(
        family=model.family,
        params=model.config.model_dump(mode="json"),
        item_ids=("a", "b"),
        item_vectors=np.eye(2, dtype=np.float32),
        user_keys=np.empty((0, 2), np.uint64),
        user_vectors=np.empty((0, 2), np.float32),
        encoder="mapped_mean",
    )
