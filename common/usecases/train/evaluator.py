"""Candidates for publication, each judged on one fold of the data."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from common.config import Purchased
from common.errors import RefusedError
from common.evaluation.cases import Relevance, make_cases
from common.evaluation.judge import PRIMARY, Judgement, judge
from common.evaluation.repeats import RepeatDecision, judge_as_served, judge_repeats
from common.evaluation.split import Fold
from common.evaluation.trend import Trend, judge_trend
from common.models.artifact import Artifact
from common.models.base import FitOptions, Model, ModelConfig, TrainingData
from common.models.popular import Popular
from common.models.registry import make
from common.models.trend import with_trend
from common.schemas.data import Catalogue
from common.schemas.documents import RepeatPurchases
from common.serving.encoders import ENCODERS
from common.usecases.train.resource_usage import measured


@dataclass(frozen=True)
class Candidate:
    """`origin`: the family's defaults, one of its other starts, the settings that are served now, or a search's."""

    model: Model[ModelConfig]
    origin: Literal["default", "start", "served", "tuned"]

    def __str__(self) -> str:
        return f"{self.model.family} ({self.origin})"


POPULAR: Final = Candidate(make(Popular.family), "default")


@dataclass(frozen=True)
class Trial:
    """A candidate on one fold; `fit_s` in seconds, `dim` the width of its vectors, `peak_bytes` as `Usage` has it.
    `curve` is what it was worth after some of its iterations, where its family shows that; `as_served`, if asked for,
    what it is worth as it is served: with the trend, and with what people have hidden or put forward."""

    candidate: Candidate
    judgement: Judgement
    fit_s: float
    dim: int
    peak_bytes: int = 0
    curve: Mapping[int, float] = field(default_factory=dict)
    as_served: Judgement | None = None

    def score(self, relevance: Relevance) -> float:
        return self.judgement.metrics[relevance].get(PRIMARY, 0.0)


@dataclass(frozen=True)
class Decisions:
    """What a model's own scores leave open when it is served, judged on the validation window."""

    trend: Trend
    repeats: RepeatDecision

    def served(self, purchased: Purchased) -> Served:
        return Served(self.repeats.served(purchased), self.trend.weight)


@dataclass(frozen=True)
class Served:
    """How a model is served under the shop's setting; `trend` is the weight that `with_trend` takes."""

    repeats: RepeatPurchases
    trend: float = 0.0


OnTheWay = Callable[[int, Judgement], None]
"""Told after some of the iterations what the model is worth so far, by a family that can show it."""


class Evaluator:
    """A fold and its cases. Candidates see its past; people whom one does not know get the popular list."""

    def __init__(self, fold: Fold, catalogue: Catalogue | None, seed: int, threads: int) -> None:
        """Raises `RefusedError` where not even popular can learn from the past."""
        self._data = TrainingData(fold.past, catalogue)
        self._options = FitOptions(seed=seed, threads=threads, now_s=fold.cut_s)
        self._fallback = self._fit(POPULAR.model)
        self.cases = make_cases(fold, seed)

    def relevance(self, purchased: Purchased) -> Relevance | None:
        """What to decide by, or else what anybody can be asked; None: nobody can.

        Shown by their score alone, repeated purchases are the model's work. Otherwise that is what is new to people,
        and `repeats` decides about the rest.
        """
        preferred = Relevance.ALL if purchased is Purchased.SHOW else Relevance.NEW
        answerable = [relevance for relevance in (preferred, Relevance.ALL) if self.cases.relevant(relevance).nnz]
        return answerable[0] if answerable else None

    def evaluate(
        self,
        candidate: Candidate,
        deadline: float = math.inf,
        on_the_way: OnTheWay | None = None,
        served: Served | None = None,
    ) -> Trial:
        """Raises `RefusedError` where the candidate cannot learn from the past, or not until `deadline`, which is on
        the clock of `time.monotonic`. `on_the_way` may end the fit by an exception. With `served` the trial has
        `as_served`."""

        def watch_the_clock(_step: int, _steps: int) -> None:
            if time.monotonic() > deadline:
                raise RefusedError(f"its fit took longer than {deadline - start:.0f} s, its share of the time budget")

        def inspect(step: int, snapshot: Callable[[], Artifact]) -> None:
            if on_the_way:
                on_the_way(step, self._judge(snapshot()))

        start = time.monotonic()
        with measured() as usage:
            artifact = self._fit(candidate.model, report=watch_the_clock, inspect=inspect)
        as_served = self._judge_as_served(artifact, served) if served else None
        judgement = self._judge(artifact)
        return Trial(candidate, judgement, usage.seconds, artifact.dim, usage.peak_bytes, as_served=as_served)

    def newcomers(self) -> dict[str, float]:
        """What the popular list, which they all are shown, is worth to people without an event before the cut."""
        cases = make_cases(self.cases.fold, self._options.seed, newcomers=True)
        return judge(self._fallback, cases, ENCODERS[self._fallback.encoder], self._fallback).metrics[Relevance.ALL]

    def decide(self, candidate: Candidate, relevance: Relevance) -> Decisions:
        """How to serve it: the trend by `relevance`, and with it what people have already. Fits once more. Raises
        `RefusedError` as `evaluate` does."""
        artifact = self._fit(candidate.model)
        trend = judge_trend(artifact, self.cases, ENCODERS[artifact.encoder], self._fallback, relevance)
        trending = self._with_trend(artifact, trend.weight)
        repeats = judge_repeats(trending, self.cases, ENCODERS[trending.encoder], self._fallback)
        return Decisions(trend, repeats)

    def _judge(self, artifact: Artifact) -> Judgement:
        return judge(artifact, self.cases, ENCODERS[artifact.encoder], self._fallback)

    def _judge_as_served(self, artifact: Artifact, served: Served) -> Judgement:
        trending = self._with_trend(artifact, served.trend)
        return judge_as_served(trending, self.cases, ENCODERS[trending.encoder], self._fallback, served.repeats)

    def _with_trend(self, artifact: Artifact, weight: float) -> Artifact:
        return with_trend(artifact, self._data.interactions, self._options.now_s, weight)

    def _fit(self, model: Model[ModelConfig], **listeners: Any) -> Artifact:
        return model.fit(self._data, replace(self._options, **listeners))
