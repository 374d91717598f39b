"""The workbench: all data of a training, the evaluators of its two windows, and the fit for publication."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, Protocol

from common.config import Settings
from common.evaluation.split import Fold, Split, temporal_split
from common.models.artifact import Artifact
from common.models.base import FitOptions, Model, ModelConfig, TrainingData
from common.usecases.train.evaluator import Evaluator, Judging, watching

Report = Callable[[int, int], None]
"""Called with the step that a fit has done, and the number of its steps."""


@dataclass(frozen=True)
class Order:
    """How a shop's models are fitted and judged: the lengths of the windows in days, the seed, and the threads."""

    validation_days: float
    test_days: float
    seed: int
    threads: int

    @classmethod
    def of(cls, settings: Settings) -> Order:
        return cls(settings.validation_days, settings.test_days, settings.seed, settings.n_threads)


class Windows(NamedTuple):
    """What judges on the validation window and on the test window; `test` is None for a test window of 0 days."""

    validation: Judging
    test: Judging | None


class Bench(Protocol):
    """What fits and judges models: a `Workbench`, or one in another process."""

    def windows(self) -> Windows | None:
        """None where the data are too few for windows. Raises `RefusedError` where not even popular can learn from the
        data before them."""

    def fit(
        self, model: Model[ModelConfig], report: Report, deadline: float = math.inf, until_s: int | None = None
    ) -> Artifact:
        """The model that has learned from all data, or from those before `until_s`, in epoch seconds. Raises
        `RefusedError` where it cannot, and `Stopped` where it has not done so at `deadline`, on the clock of
        `time.monotonic`."""

    def kept(self) -> Artifact | None:
        """What was kept last by an evaluator: the winner, who has learned from the data before a window."""


class Workbench:
    """The workbench in this process."""

    def __init__(self, data: TrainingData, order: Order) -> None:
        self._data = data
        self._order = order

    @cached_property
    def split(self) -> Split | None:
        return temporal_split(self._data.interactions, self._order.validation_days, self._order.test_days)

    @cached_property
    def validation(self) -> Evaluator:
        assert self.split is not None
        return self._evaluator(self.split.validation)

    @cached_property
    def test(self) -> Evaluator | None:
        return self._evaluator(self.split.test) if self.split and self.split.test else None

    def windows(self) -> Windows | None:
        return Windows(self.validation, self.test) if self.split else None

    def fit(
        self, model: Model[ModelConfig], report: Report, deadline: float = math.inf, until_s: int | None = None
    ) -> Artifact:
        watch = watching(deadline)

        def told(step: int, steps: int) -> None:
            watch(step, steps)
            report(step, steps)

        data, events = self._data, self._data.interactions
        if until_s is not None:
            data = replace(data, interactions=events.where(events.ts < until_s))
        now_s = int(events.ts[-1]) if until_s is None else until_s
        options = FitOptions(seed=self._order.seed, threads=self._order.threads, now_s=now_s, report=told)
        return model.fit(data, options)

    def kept(self) -> Artifact | None:
        made = [vars(self).get(name) for name in ("test", "validation")]
        return next((evaluator.kept for evaluator in made if evaluator and evaluator.kept), None)

    def forget_windows(self) -> None:
        """Frees what was made to judge; it is made anew when it is needed again."""
        for name in ("split", "validation", "test"):
            vars(self).pop(name, None)

    def _evaluator(self, fold: Fold) -> Evaluator:
        return Evaluator(fold, self._data.catalogue, self._order.seed, self._order.threads)
