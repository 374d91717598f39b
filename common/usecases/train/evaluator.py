"""The evaluator: fits candidates for publication on one fold of the data and judges them."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, Literal, Protocol

from common.config import Purchased
from common.errors import RefusedError, Stopped
from common.evaluation.baselines.base import Baseline, judge_baseline
from common.evaluation.cases import Relevance, make_cases
from common.evaluation.judge import PRIMARY, Judgement, judge
from common.evaluation.popular_window import PopularWindow, judge_window
from common.evaluation.repeats import RepeatDecision, judge_as_served, judge_repeats
from common.evaluation.split import Fold
from common.evaluation.trend import Trend, judge_trend
from common.models.artifact import Artifact
from common.models.base import FitOptions, Model, ModelConfig, TrainingData
from common.models.popular import Popular
from common.models.popularity import WINDOW_DAYS
from common.models.registry import make
from common.models.trend import with_trend
from common.schemas.data import Catalogue
from common.schemas.documents import RepeatPurchases
from common.serving.encoders import ENCODERS
from common.usecases.train.resource_usage import Usage, measured


@dataclass(frozen=True)
class Candidate:
    """A model that may be published. `origin`: the family's defaults, one of its other starts, the settings that are
    served now, the best of a training that was killed, or the search."""

    model: Model[ModelConfig]
    origin: Literal["default", "start", "served", "earlier", "tuned"]

    def __str__(self) -> str:
        return f"{self.model.family} ({self.origin})"


POPULAR: Final = Candidate(make(Popular.family), "default")
"""Popular with the usual window, where none was chosen for the shop."""


def popular_of(window_days: int) -> Candidate:
    """Popular with a window."""
    if window_days == WINDOW_DAYS:
        return POPULAR
    return Candidate(make(Popular.family, {"window_days": window_days}), "default")


@dataclass(frozen=True)
class Trial:
    """The result of a candidate on one fold.

    fit_s: seconds of the fit
    dim: width of the vectors
    peak_bytes: as in `Usage`
    curve: scores after some of the iterations, for families that can show them
    as_served: the figures as the model is served, with the trend and the treatment of repeat purchases; None if not
    asked for
    """

    candidate: Candidate
    judgement: Judgement
    fit_s: float
    dim: int
    peak_bytes: int = 0
    curve: Mapping[int, float] = field(default_factory=dict)
    as_served: Judgement | None = None

    def score(self, relevance: Relevance) -> float:
        """The primary metric; 0 where nobody has a relevant purchase."""
        return self.judgement.metrics[relevance].get(PRIMARY, 0.0)


@dataclass(frozen=True)
class Decisions:
    """How to serve a model, as judged on the validation window: the trend, and the treatment of repeat purchases."""

    trend: Trend
    repeats: RepeatDecision

    def served(self, purchased: Purchased) -> ServingSettings:
        """The decisions under the shop's setting."""
        return ServingSettings(self.repeats.served(purchased), self.trend.weight)


@dataclass(frozen=True)
class ServingSettings:
    """How a model is served under the shop's setting; `trend` is the weight that `with_trend` takes."""

    repeats: RepeatPurchases
    trend: float = 0.0


@dataclass(frozen=True)
class JudgedWindow:
    """What there is to know of a fold without its data.

    cut_s, end_s: epoch seconds of the cut and of the last event
    people: the number of the people by whom models are judged; `digest` tells these people from others
    newcomers: the number of people without an event before the cut
    relevances: those of which somebody has a relevant purchase
    """

    cut_s: int
    end_s: int
    people: int
    newcomers: int
    digest: str
    relevances: tuple[Relevance, ...]

    def relevance(self, purchased: Purchased) -> Relevance | None:
        """Which purchases decide, or None where nobody has a relevant one.

        If purchased items are shown by their score alone, all purchases count, because ranking repeat purchases is the
        model's work then. Otherwise new purchases decide, and `repeats` decides about the others. If nobody has a new
        purchase, all purchases count.
        """
        preferred = Relevance.ALL if purchased is Purchased.SHOW else Relevance.NEW
        usable = [relevance for relevance in (preferred, Relevance.ALL) if relevance in self.relevances]
        return usable[0] if usable else None


OnProgress = Callable[[int, Judgement], None]
"""Called after some of the iterations with the model's figures so far, by families that can show them."""


class Judging(Protocol):
    """What judges models on one fold: an `Evaluator`, or one in another process.

    Each call ends at `deadline`, on the clock of `time.monotonic`, and raises `Stopped` then. `popular_days` is the
    window of popular, which people get whom a model does not know.
    """

    popular_days: int

    @property
    def window(self) -> JudgedWindow: ...

    def choose_window(self, relevance: Relevance, deadline: float = math.inf) -> PopularWindow: ...

    def evaluate(
        self,
        candidate: Candidate,
        deadline: float = math.inf,
        on_progress: OnProgress | None = None,
        served: ServingSettings | None = None,
        keep: bool = False,
    ) -> Trial: ...

    def decide(self, candidate: Candidate, relevance: Relevance, deadline: float = math.inf) -> Decisions: ...

    def newcomers(self) -> dict[str, float]: ...

    def evaluate_baseline(self, baseline: type[Baseline], deadline: float) -> tuple[Judgement, Usage]: ...


class Evaluator:
    """A fold and its test cases. Candidates learn from the fold's past; people whom a model does not know get the
    popular list.

    `kept` is the last artifact that was to be kept.
    """

    def __init__(self, fold: Fold, catalogue: Catalogue | None, seed: int, threads: int) -> None:
        """Raises `RefusedError` where not even popular can learn from the past."""
        self._data = TrainingData(fold.past, catalogue)
        self._options = FitOptions(seed=seed, threads=threads, now_s=fold.cut_s)
        self._popular_days = WINDOW_DAYS
        self._fallback = self._fit(POPULAR.model)
        self.cases = make_cases(fold, seed)
        self.kept: Artifact | None = None

    @property
    def popular_days(self) -> int:
        """The window of popular, which people get whom a model does not know."""
        return self._popular_days

    @popular_days.setter
    def popular_days(self, days: int) -> None:
        if days != self._popular_days:
            self._fallback = self._fit(popular_of(days).model)
            self._popular_days = days

    @cached_property
    def window(self) -> JudgedWindow:
        cases = self.cases
        return JudgedWindow(
            cut_s=cases.fold.cut_s,
            end_s=int(cases.fold.future.ts[-1]),
            people=len(cases.user_keys),
            newcomers=cases.newcomers,
            digest=hashlib.sha256(cases.user_keys.tobytes()).hexdigest()[:16],
            relevances=tuple(relevance for relevance in Relevance if cases.relevant(relevance).nnz),
        )

    def evaluate(
        self,
        candidate: Candidate,
        deadline: float = math.inf,
        on_progress: OnProgress | None = None,
        served: ServingSettings | None = None,
        keep: bool = False,
    ) -> Trial:
        """The trial of a candidate on this fold.

        `on_progress` may end the fit by an exception. With `served` the trial has `as_served`. Raises `RefusedError`
        where the candidate cannot learn from the past, and `Stopped` where it has not done so at `deadline`, on the
        clock of `time.monotonic`.
        """

        def inspect(step: int, snapshot: Callable[[], Artifact]) -> None:
            if on_progress:
                on_progress(step, self._judge(snapshot()))

        with measured() as usage:
            artifact = self._fit(candidate.model, report=watching(deadline), inspect=inspect)
        if keep:
            self.kept = artifact
        as_served = self._judge_as_served(artifact, served) if served else None
        judgement = self._judge(artifact)
        return Trial(candidate, judgement, usage.seconds, artifact.dim, usage.peak_bytes, as_served=as_served)

    def choose_window(self, relevance: Relevance, deadline: float = math.inf) -> PopularWindow:
        """The window of popular that is best on this fold; it does not take it. Raises `Stopped` where it is not found
        at `deadline`."""
        return judge_window(self.cases, relevance, self._options.seed, watching(deadline))

    def newcomers(self) -> dict[str, float]:
        """The metrics of the popular list, which all newcomers get, for people without an event before the cut."""
        cases = make_cases(self.cases.fold, self._options.seed, newcomers=True)
        return judge(self._fallback, cases, ENCODERS[self._fallback.encoder], self._fallback).metrics[Relevance.ALL]

    def decide(self, candidate: Candidate, relevance: Relevance, deadline: float = math.inf) -> Decisions:
        """How to serve a candidate: first the trend by `relevance`, then, with it, the treatment of repeat purchases.

        It fits the candidate once more, and keeps what it has learned. Raises as `evaluate` does.
        """
        artifact = self._fit(candidate.model, report=watching(deadline))
        self.kept = artifact
        trend = judge_trend(artifact, self.cases, ENCODERS[artifact.encoder], self._fallback, relevance)
        trending = self._with_trend(artifact, trend.weight)
        repeats = judge_repeats(trending, self.cases, ENCODERS[trending.encoder], self._fallback)
        return Decisions(trend, repeats)

    def evaluate_baseline(self, baseline: type[Baseline], deadline: float) -> tuple[Judgement, Usage]:
        """The figures of a baseline. Raises `RefusedError` where it would not end, or has not ended, in time."""
        least_s, share_s = baseline.least_s(self.cases.fold), deadline - time.monotonic()
        if least_s > share_s:
            raise RefusedError(f"it takes {least_s:.0f} s or more, and its share of the time was {share_s:.0f} s")
        with measured() as usage:
            learned = baseline(self.cases.fold)
        return judge_baseline(learned, self.cases, deadline), usage

    def _judge(self, artifact: Artifact) -> Judgement:
        return judge(artifact, self.cases, ENCODERS[artifact.encoder], self._fallback)

    def _judge_as_served(self, artifact: Artifact, served: ServingSettings) -> Judgement:
        trending = self._with_trend(artifact, served.trend)
        return judge_as_served(trending, self.cases, ENCODERS[trending.encoder], self._fallback, served.repeats)

    def _with_trend(self, artifact: Artifact, weight: float) -> Artifact:
        return with_trend(artifact, self._data.interactions, self._options.now_s, weight)

    def _fit(self, model: Model[ModelConfig], **listeners: Any) -> Artifact:
        return model.fit(self._data, replace(self._options, **listeners))


def watching(deadline: float) -> Callable[[int, int], None]:
    """The `report` of a fit that ends itself after `deadline`, as far as its library calls it."""
    start = time.monotonic()

    def watch_the_clock(_step: int, _steps: int) -> None:
        if time.monotonic() > deadline:
            raise Stopped(too_long(deadline - start))

    return watch_the_clock


def too_long(seconds: float) -> str:
    return f"it took longer than {seconds:.0f} s, its share of the time budget"
