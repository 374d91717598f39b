"""The fit of the chosen model on all data, and what is published where it does not end in time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from common.errors import RefusedError, Stopped
from common.models.artifact import Artifact
from common.models.base import Model, ModelConfig
from common.models.popular import Popular
from common.usecases.train.model_selection import ModelSelection, TrainPlan
from common.usecases.train.workbench import Bench

FITTING, PUBLISHING = 0.7, 0.85
"""The progress of a run, from 0 to 1, at which the fit begins and ends."""


class FitLog(Protocol):
    """What is told of a fit: a `RunLog` takes it."""

    def step(self, name: str, progress: float = 0.0) -> None: ...

    def note(self, *, notices: Sequence[str] = ()) -> None: ...


def fit_on_all(bench: Bench, selection: ModelSelection, plan: TrainPlan, log: FitLog) -> Artifact:
    """The artifact of the first model that can learn from the data.

    A model whose fit was ended is published as it was kept in the comparison, which has learned from all but the newest
    weeks. Where it was not, popular replaces nothing that is served. Raises the last model's `RefusedError` if none can
    learn, and `Stopped` where what is served stays.
    """
    stopped: Stopped | None = None
    for model in selection.models:
        if stopped and plan.served and isinstance(model, Popular):
            raise Stopped(f"what was served stays: {stopped.message}", stopped.cause)
        log.step(f"fitting {model.family}", FITTING)
        try:
            return _fit(bench, model, plan, log)
        except Stopped as stop:
            last: RefusedError = stop
            stopped = stop
            log.note(notices=[f"the fit of {model.family} on all data was ended: {stop.message}"])
            kept = _kept(bench, model, selection, log)
            if kept:
                return kept
        except RefusedError as refusal:
            last = refusal
            log.note(notices=[f"{model.family} was left out: {refusal.message}"])
    raise last


def _fit(bench: Bench, model: Model[ModelConfig], plan: TrainPlan, log: FitLog) -> Artifact:
    def report(step: int, steps: int) -> None:
        log.step(f"fitting {model.family}", FITTING + (PUBLISHING - FITTING) * step / steps)

    return bench.fit(model, report, plan.deadline)


def _kept(bench: Bench, model: Model[ModelConfig], selection: ModelSelection, log: FitLog) -> Artifact | None:
    kept = _kept_of(bench, model, selection)
    if kept is not None:
        until = datetime.fromtimestamp(selection.kept_until_s or 0, UTC)
        log.note(notices=[f"published is what {model.family} had learned from the data before {until:%Y-%m-%d}"])
    return kept


def kept_before_test(bench: Bench, selection: ModelSelection) -> Artifact | None:
    """What the first model has learned from the data before `selection.kept_until_s`, if the comparison has kept it."""
    return _kept_of(bench, selection.models[0], selection)


def _kept_of(bench: Bench, model: Model[ModelConfig], selection: ModelSelection) -> Artifact | None:
    kept = bench.kept() if selection.kept_until_s else None
    if kept is None or (kept.family, kept.params) != (model.family, model.config.model_dump(mode="json")):
        return None
    return kept
