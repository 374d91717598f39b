"""The trials of one family."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import optuna
from optuna.trial import TrialState, create_trial

from common.errors import RefusedError, StopCause, Stopped
from common.models.base import Model, ModelConfig
from common.models.space import bounded, nested, within
from common.tuning.clock import Clock
from common.tuning.records import State, TrialRecord, record_of, resampled_means
from common.tuning.study import distribution, suggest
from common.tuning.trial import Known, Objective, Watch

MOST_ENDED: Final = 2
"""Trials of a family that may be out of time before no more of it are begun."""

STATES: Final = {
    StopCause.OUT_OF_TIME: State.OUT_OF_TIME,
    StopCause.OUT_OF_MEMORY: State.OUT_OF_MEMORY,
    StopCause.CRASHED: State.CRASHED,
}


class FamilySearch:
    """One family's study, and the trials that this process runs in it."""

    def __init__(
        self,
        family: type[Model[ModelConfig]],
        study: optuna.Study,
        clock: Clock,
        *,
        max_width: int,
        max_trials: int,
        seed: int,
    ) -> None:
        self.name = family.family
        self._family = family
        self._study = study
        self._clock = clock
        self._space = bounded(family.search_space, max_width)
        self._max_trials = max_trials if self._space else 1
        self._seed = seed
        self._seconds: list[float] = []
        self._ended = 0

    def enqueue(self, first: Sequence[Mapping[str, Any]]) -> None:
        """Queues the configs to be tried before the sampler suggests any: `first`, the family's defaults and its other
        starts."""
        own = [config.model_dump(mode="json") for config in (self._family.Config(), *self._family.starts)]
        for params in [*first, *own]:
            self._study.enqueue_trial(within(params, self._space), skip_if_exists=True)

    def learn(self, known: Sequence[Known]) -> None:
        """Gives trials from before the search to the sampler. Params outside the space only add to the known times."""
        for trial in known:
            self._clock.note(trial.seconds, trial.score)
            self._seconds.append(trial.seconds)
            params = within(trial.params, self._space)
            if self._space and params.keys() == self._space.keys():
                ranges = {path: distribution(range_) for path, range_ in self._space.items()}
                marks = {"known": True}
                self._study.add_trial(
                    create_trial(params=params, distributions=ranges, value=trial.score, user_attrs=marks)
                )

    def may_go_on(self) -> bool:
        """Whether another trial is allowed and likely to end in time.

        Not where `MOST_ENDED` had to be ended, or where one has ended its process: each of them costs its share of all
        families' time.
        """
        if self._ended >= MOST_ENDED:
            return False
        in_time = bool(self._seconds) and time.monotonic() + float(np.median(self._seconds)) < self._clock.limit()
        return in_time and self._has_room()

    def run_trial(self, objective: Objective, share: float = 1.0) -> None:
        """Runs one trial, which may use `share` of the time left. Does nothing if there have been enough trials, those
        of other processes included."""
        if self._has_room():
            limit = self._clock.limit(share)
            self._study.optimize(lambda trial: self._timed(trial, objective, limit), n_trials=1)

    def _has_room(self) -> bool:
        return len(self._study.get_trials(deepcopy=False, states=_COUNTED_STATES)) < self._max_trials

    def records(self) -> list[TrialRecord]:
        """The records of all trials of the study, those of other processes included."""
        trials = self._study.get_trials(deepcopy=False, states=_COUNTED_STATES)
        return [record_of(self.name, trial) for trial in trials if "known" not in trial.user_attrs]

    def _timed(self, trial: optuna.Trial, objective: Objective, deadline: float) -> float:
        start = time.monotonic()
        try:
            score = self._evaluate(trial, objective, deadline)
            self._clock.note(time.monotonic() - start, score)
            return score
        finally:
            if trial.user_attrs.get("state") != State.OUT_OF_TIME:
                self._seconds.append(time.monotonic() - start)

    def _evaluate(self, trial: optuna.Trial, objective: Objective, deadline: float) -> float:
        model = self._family.from_params(nested(suggest(trial, self._space)))
        try:
            verdict = objective(model, Watch(trial, deadline))
        except Stopped as end:
            self._ended += 1 if end.cause is StopCause.OUT_OF_TIME else MOST_ENDED
            raise _ended(trial, STATES[end.cause], end.message) from end
        except RefusedError as refusal:
            raise _ended(trial, State.REFUSED, refusal.message) from refusal
        trial.set_user_attr("width", verdict.width)
        trial.set_user_attr("resampled", resampled_means(verdict.per_person, self._seed))
        return float(verdict.per_person.mean())


_COUNTED_STATES = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING)


def _ended(trial: optuna.Trial, state: State, reason: str) -> optuna.TrialPruned:
    """The exception for a stopped trial. Optuna takes it as pruned, so the sampler avoids that part of the space."""
    trial.set_user_attr("state", state.value)
    trial.set_user_attr("reason", reason)
    return optuna.TrialPruned(reason)
