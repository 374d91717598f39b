"""The search for better hyperparameters on the validation window, and the choice of the winner among all trials."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from common.config import Settings
from common.errors import RefusedError
from common.evaluation.cases import Relevance
from common.evaluation.judge import Judgement
from common.models.base import Model, ModelConfig
from common.models.registry import FAMILIES, make
from common.tuning.best_trial import best_trial
from common.tuning.records import State, TrialRecord, resampled_means
from common.tuning.search import SearchPlan, search
from common.tuning.trial import Known, Verdict, Watch
from common.usecases.train.evaluator import POPULAR, Candidate, Evaluator, Trial


@dataclass(frozen=True)
class SearchResult:
    """`trials` are this process's finished trials and the best of others; `records` are those of all trials, other
    processes' on the same database included."""

    trials: tuple[Trial, ...] = ()
    records: tuple[TrialRecord, ...] = ()


def search_settings(
    evaluator: Evaluator, relevance: Relevance, tried: Sequence[Trial], settings: Settings, deadline: float, spare: int
) -> SearchResult:
    """Continues from `tried`, with the families among them, while enough time is left to fit the best model `spare`
    times."""
    if not tried or settings.tune_trials == 0:
        return SearchResult()
    finished: list[Trial] = []

    def objective(model: Model[ModelConfig], watch: Watch) -> Verdict:
        def on_progress(step: int, judgement: Judgement) -> None:
            watch.score(step, float(judgement.primary[relevance].mean()))

        finished.append(evaluator.evaluate(Candidate(model, "tuned"), watch.deadline, on_progress))
        return _verdict(finished[-1], relevance)

    known = _known(tried, relevance)
    storage = settings.optuna_storage
    plan = SearchPlan(
        name=f"{settings.shop}/{_name(evaluator, relevance, settings.seed)}",
        seed=settings.seed,
        deadline=deadline,
        max_width=settings.max_dim,
        known=known,
        spare=spare,
        storage_url=storage.get_secret_value() if storage else None,
        max_trials=settings.tune_trials,
    )
    records = search([FAMILIES[family] for family in known], objective, plan)
    finished += _of_others(evaluator, records, finished)
    return SearchResult(tuple(finished), tuple(records))


def select_trial(trials: Sequence[Trial], relevance: Relevance, seed: int) -> Trial:
    """The winner: popular, the last trial, if none is better; else, among the trials as good as the best, the one with
    the narrowest vectors."""
    best = max(trials, key=lambda trial: trial.score(relevance))
    if best.candidate is POPULAR:
        return best
    records = [_record(number, trial, relevance, seed) for number, trial in enumerate(trials[:-1])]
    chosen = best_trial(records)
    return trials[chosen.number] if chosen else best


def _name(evaluator: Evaluator, relevance: Relevance, seed: int) -> str:
    """The name of a search. Trials with the same name can be compared: same people, same window, same relevance."""
    people = hashlib.sha256(evaluator.cases.user_keys.tobytes()).hexdigest()[:16]
    return f"{evaluator.cases.fold.cut_s}-{relevance}-{seed}-{people}"


def _known(tried: Sequence[Trial], relevance: Relevance) -> dict[str, list[Known]]:
    known: dict[str, list[Known]] = {}
    for trial in tried:
        one = Known(_params(trial), _verdict(trial, relevance), trial.fit_s)
        known.setdefault(trial.candidate.model.family, []).append(one)
    return known


def _of_others(evaluator: Evaluator, records: Sequence[TrialRecord], finished: Sequence[Trial]) -> list[Trial]:
    """The best trial of other processes, run here once more; none where this process has the best one itself."""
    best = best_trial(records)
    if best is None:
        return []
    model = make(best.family, best.params)
    if any(trial.candidate.model.config == model.config for trial in finished):
        return []
    try:
        return [evaluator.evaluate(Candidate(model, "tuned"))]
    except RefusedError:
        return []


def _record(number: int, trial: Trial, relevance: Relevance, seed: int) -> TrialRecord:
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


def _verdict(trial: Trial, relevance: Relevance) -> Verdict:
    return Verdict(trial.judgement.primary[relevance], trial.dim)


def _params(trial: Trial) -> dict[str, Any]:
    return trial.candidate.model.config.model_dump(mode="json")
