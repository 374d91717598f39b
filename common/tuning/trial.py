"""The interface between a search and the function that fits and evaluates a model."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import optuna

from common.errors import Stopped
from common.models.base import Model, ModelConfig
from common.schemas.data import F64


@dataclass(frozen=True)
class Verdict:
    """The result of a trial. per_person: (n,) float64, the deciding metric of each person, the same people in every
    trial; width: of the vectors."""

    per_person: F64
    width: int


@dataclass(frozen=True)
class Known:
    """A trial done before the search: nested params, the mean over the people, and the seconds that it took."""

    params: Mapping[str, Any]
    score: float
    seconds: float


class Watch:
    """The calls by which a trial reports its progress. Both may raise an exception that ends the trial and must not be
    caught."""

    def __init__(self, trial: optuna.Trial, deadline: float) -> None:
        """deadline: on the clock of `time.monotonic`."""
        self._trial = trial
        self.deadline = deadline

    def time(self) -> None:
        """Checks the deadline; to be called as often as is convenient."""
        if time.monotonic() > self.deadline:
            raise Stopped("the time for it was spent")

    def score(self, step: int, score: float) -> None:
        """Reports the score after `step` iterations, so that the trial can be pruned."""
        self._trial.report(score, step)
        if self._trial.should_prune():
            raise optuna.TrialPruned


Objective = Callable[[Model[ModelConfig], Watch], Verdict]
"""Fits and evaluates the model. Raises `RefusedError` where it cannot be fitted, and `Stopped` where it was ended."""
