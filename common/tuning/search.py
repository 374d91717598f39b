"""The search: trials of several families in turn, until the time is used up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import optuna

from common.models.base import Model, ModelConfig
from common.tuning.clock import Clock
from common.tuning.family import FamilySearch
from common.tuning.records import TrialRecord
from common.tuning.study import open_study, storage_at
from common.tuning.trial import Known, Objective

MAX_TRIALS: Final = 200
"""Most trials of one family, over all processes. After that TPE gains little in spaces of ten dimensions."""


@dataclass(frozen=True)
class SearchPlan:
    """The limits and starting points of a search.

    name: processes that share the database at `storage_url` find each other by it, so it must name the data that trials
    are judged on
    deadline: on the clock of `time.monotonic`
    spare: how many times the best model can be fitted in the time that is kept before the deadline
    first: by family, params to try before any other, the best first
    known: by family, trials done before, the defaults among them; the search of that family continues from them
    """

    name: str
    seed: int
    deadline: float
    max_width: int
    first: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    known: Mapping[str, Sequence[Known]] = field(default_factory=dict)
    spare: int = 0
    storage_url: str | None = None
    max_trials: int = MAX_TRIALS


def search(families: Sequence[type[Model[ModelConfig]]], objective: Objective, plan: SearchPlan) -> list[TrialRecord]:
    """The records of every trial of every family, those of other processes on the same studies included.

    Families take turns, so that a slow one does not use the time of others: its first trial gets its share of the time
    left. Trials come in the order `plan.first`, the defaults, then what the sampler suggests. Raises `SettingError` for
    a database that cannot be used.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    clock = Clock(plan.deadline, plan.spare)
    with storage_at(plan.storage_url) as storage:
        searches = []
        for number, family in enumerate(families):
            study = open_study(storage, f"{plan.name}/{family.family}", plan.seed + number)
            limits = {"max_width": plan.max_width, "max_trials": plan.max_trials, "seed": plan.seed}
            searches.append(FamilySearch(family, study, clock, **limits))
        _run_first_trials(searches, objective, plan)
        while continuing := [one for one in searches if one.may_go_on()]:
            for one in continuing:
                one.run_trial(objective)
        return [record for one in searches for record in one.records()]


def _run_first_trials(searches: Sequence[FamilySearch], objective: Objective, plan: SearchPlan) -> None:
    for one in searches:
        one.learn(plan.known.get(one.name, ()))
    fresh = [one for one in searches if one.name not in plan.known]
    for position, one in enumerate(fresh):
        one.enqueue(plan.first.get(one.name, ()))
        one.run_trial(objective, share=1 / (len(fresh) - position))
