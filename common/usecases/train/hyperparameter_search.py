"""The search for better hyperparameters on the validation window, and the choice of the winner among all trials."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from common.config import Settings
from common.errors import RefusedError
from common.evaluation.cases import Relevance
from common.evaluation.judge import Judgement
from common.models.base import Model, ModelConfig
from common.models.registry import FAMILIES, make
from common.models.shape import DataShape
from common.tuning.best_trial import best_trial
from common.tuning.records import State, TrialRecord, resampled_means
from common.tuning.search import SearchPlan, search
from common.tuning.trial import Known, Verdict, Watch
from common.usecases.train.deadlines import step_ends
from common.usecases.train.evaluator import Candidate, JudgedWindow, Judging, Trial

PEOPLE_PER_TRIAL: Final = 5
"""People to judge by for each trial of a family. The best of many trials by few people is the luckiest one: with 14
people the figure of one setting has an interval as wide as the distance between settings."""


@dataclass(frozen=True)
class SearchResult:
    """`trials` are this process's finished trials and the best of others; `records` are those of all trials, other
    processes' on the same database included."""

    trials: tuple[Trial, ...] = ()
    records: tuple[TrialRecord, ...] = ()


@dataclass(frozen=True)
class SearchContext:
    """What a search is about.

    name: of `search_name`
    deadline: on the clock of `time.monotonic`
    spare: how many times there must be time left to fit the best model
    known: trials of an earlier training on the same data
    finished: called with each finished trial
    shape: of the data; trials have settings that it can carry
    """

    evaluator: Judging
    relevance: Relevance
    settings: Settings
    name: str
    deadline: float
    spare: int
    known: tuple[TrialRecord, ...] = ()
    finished: Callable[[Trial], None] = lambda _trial: None
    shape: DataShape | None = None

    def suited(self, model: Model[ModelConfig]) -> Candidate:
        return Candidate(model.suited(self.shape) if self.shape else model, "tuned")

    @property
    def max_width(self) -> int:
        return self.shape.width if self.shape else self.settings.max_dim


def search_settings(context: SearchContext, tried: Sequence[Trial]) -> SearchResult:
    """Continues from `tried` and from what is known, with the families among them."""
    settings, relevance = context.settings, context.relevance
    people = len(tried[0].judgement.primary[relevance]) if tried else 0
    max_trials = min(settings.tune_trials, people // PEOPLE_PER_TRIAL)
    if max_trials == 0:
        return SearchResult()
    finished: list[Trial] = []

    def objective(model: Model[ModelConfig], watch: Watch) -> Verdict:
        def on_progress(step: int, judgement: Judgement) -> None:
            watch.score(step, float(judgement.primary[relevance].mean()))

        trial = context.evaluator.evaluate(context.suited(model), watch.deadline, on_progress)
        finished.append(trial)
        context.finished(trial)
        return Verdict(trial.judgement.primary[relevance], trial.dim)

    known = _known(tried, context)
    storage = settings.optuna_storage
    plan = SearchPlan(
        name=f"{settings.shop}/{context.name}",
        seed=settings.seed,
        deadline=context.deadline,
        max_width=context.max_width,
        known=known,
        spare=context.spare,
        storage_url=storage.get_secret_value() if storage else None,
        max_trials=max_trials,
    )
    records = search([FAMILIES[family] for family in known], objective, plan)
    finished += _of_others(context, records, finished)
    return SearchResult(tuple(finished), tuple(records))


def select_trial(trials: Sequence[Trial], relevance: Relevance, seed: int) -> Trial:
    """The winner: popular, the last trial, if none is better; else, among the trials as good as the best, the one with
    the narrowest vectors."""
    best = max(trials, key=lambda trial: trial.score(relevance))
    if best is trials[-1]:
        return best
    records = [record_of_trial(number, trial, relevance, seed) for number, trial in enumerate(trials[:-1])]
    chosen = best_trial(records)
    return trials[chosen.number] if chosen else best


def search_name(window: JudgedWindow, relevance: Relevance, popular_days: int, seed: int) -> str:
    """The name of a search. Trials with the same name can be compared: same people, same window, same relevance, and
    the same popular for people whom a model does not know."""
    return f"{window.cut_s}-{relevance}-{popular_days}-{seed}-{window.digest}"


def _known(tried: Sequence[Trial], context: SearchContext) -> dict[str, list[Known]]:
    """By family, what was tried here, and what an earlier training had tried beside it."""
    known: dict[str, list[Known]] = {}
    records = [record_of_trial(0, trial, context.relevance, context.settings.seed) for trial in tried]
    here = [(record.family, record.params) for record in records]
    records += [record for record in context.known if (record.family, record.params) not in here]
    for record in records:
        known.setdefault(record.family, []).append(Known(record.params, record.score or 0.0, record.seconds))
    return known


def _of_others(context: SearchContext, records: Sequence[TrialRecord], finished: Sequence[Trial]) -> list[Trial]:
    """The best trial of other processes, run here once more; none where this process has the best one itself."""
    best = best_trial(records)
    if best is None:
        return []
    candidate = context.suited(make(best.family, best.params))
    if any(trial.candidate.model.config == candidate.model.config for trial in finished):
        return []
    try:
        return [context.evaluator.evaluate(candidate, step_ends(context.deadline, best.seconds))]
    except RefusedError:
        return []


def record_of_trial(number: int, trial: Trial, relevance: Relevance, seed: int) -> TrialRecord:
    """The trial as plain data, of which `best_trial` can choose."""
    per_person = trial.judgement.primary[relevance]
    return TrialRecord(
        family=trial.candidate.model.family,
        number=number,
        params=_params(trial),
        state=State.DONE,
        seconds=trial.fit_s,
        score=trial.score(relevance),
        width=trial.dim,
        resampled=tuple(resampled_means(per_person, seed)),
    )


def _params(trial: Trial) -> dict[str, Any]:
    return trial.candidate.model.config.model_dump(mode="json")
