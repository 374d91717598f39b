"""The result of each trial as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from common.models.space import nested
from common.schemas.data import F64

RESAMPLES: Final = 200
"""Bootstrap means kept with each trial. Each end of a 95 % interval depends on five of them; a trial stays under 4
kB."""


class State(StrEnum):
    """How a trial ended."""

    DONE = "done"
    PRUNED = "pruned"
    REFUSED = "refused"
    OUT_OF_TIME = "out_of_time"
    OUT_OF_MEMORY = "out_of_memory"
    CRASHED = "crashed"
    LOST = "lost"
    """The process ended before the trial did."""


@dataclass(frozen=True)
class TrialRecord:
    """One trial.

    score: mean over the people
    resampled: means of the score over bootstrap resamples of the people, the same resamples in every trial
    width: width of the vectors
    curve: scores during the fit, by step
    began_s: epoch seconds
    """

    family: str
    number: int
    params: dict[str, Any]
    state: State
    seconds: float
    score: float | None = None
    width: int | None = None
    reason: str | None = None
    curve: dict[int, float] = field(default_factory=dict)
    began_s: float | None = None
    resampled: tuple[float, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The record for metrics.json, without the resamples."""
        return {name: value for name, value in asdict(self).items() if name != "resampled"}


def resampled_means(per_person: F64, seed: int) -> list[float]:
    """(RESAMPLES,) means over resamples of the people; the resamples depend only on the number of people and the
    seed."""
    rng = np.random.default_rng(seed)
    n = len(per_person)
    return [round(float(per_person[rng.integers(0, n, n)].mean()), 7) for _ in range(RESAMPLES)]


def record_of(family: str, trial: FrozenTrial) -> TrialRecord:
    """The record of an Optuna trial."""
    attributes = trial.user_attrs
    return TrialRecord(
        family=family,
        number=trial.number,
        params=nested(trial.params),
        state=_state(trial),
        seconds=trial.duration.total_seconds() if trial.duration else 0.0,
        score=trial.value if trial.state is TrialState.COMPLETE else None,
        width=attributes.get("width"),
        reason=attributes.get("reason"),
        curve=dict(trial.intermediate_values),
        began_s=trial.datetime_start.timestamp() if trial.datetime_start else None,
        resampled=tuple(attributes.get("resampled", ())),
    )


def _state(trial: FrozenTrial) -> State:
    if "state" in trial.user_attrs:
        return State(trial.user_attrs["state"])
    if trial.state is TrialState.COMPLETE:
        return State.DONE
    return State.PRUNED if trial.state is TrialState.PRUNED else State.LOST
