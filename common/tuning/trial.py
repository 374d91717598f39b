"""What a search asks of whoever can fit and judge a model."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import optuna

from common.models.base import Model, ModelConfig
from common.schemas.data import F64


@dataclass(frozen=True)
class Verdict:
    """per_person (n,) float64: the metric that decides, a value a person, the same people in every trial; `width` of
    the vectors."""

    per_person: F64
    width: int


@dataclass(frozen=True)
class Known:
    """A trial held before the search: nested params, what came of it, and the seconds that it took."""

    params: Mapping[str, Any]
    verdict: Verdict
    seconds: float


class OutOfTime(Exception):
    """Ends a trial from within. It never leaves the search."""


class Watch:
    """What a trial is to call as it goes on. Both calls may end it by an exception, which it must let pass."""

    def __init__(self, trial: optuna.Trial, deadline: float) -> None:
        """deadline: on the clock of `time.monotonic`."""
        self._trial = trial
        self.deadline = deadline

    def time(self) -> None:
        """As often as is convenient."""
        if time.monotonic() > self.deadline:
            raise OutOfTime

    def score(self, step: int, score: float) -> None:
        """With what the model is worth after `step` iterations."""
        self._trial.report(score, step)
        if self._trial.should_prune():
            raise optuna.TrialPruned


Objective = Callable[[Model[ModelConfig], Watch], Verdict]
"""Fits the model and judges it. Raises `RefusedError` where it cannot be fitted."""
