"""The search for better settings than the candidates' own, on the validation window, and the choice among all."""

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
    """`trials` were held to the end; `records` are those of all, other processes' on the same database included."""

    trials: tuple[Trial, ...] = ()
    records: tuple[TrialRecord, ...] = ()


def search_settings(
    evaluator: Evaluator, relevance: Relevance, tried: Sequence[Trial], settings: Settings, deadline: float, spare: int
) -> SearchResult:
    """Goes on from `tried`, with the families among them, as long as the best can be fitted `spare` times after it."""
    if not tried or settings.tune_trials == 0:
        return SearchResult()
    held: list[Trial] = []

    def objective(model: Model[ModelConfig], watch: Watch) -> Verdict:
        def on_the_way(step: int, judgement: Judgement) -> None:
            watch.score(step, float(judgement.primary[relevance].mean()))

        held.append(evaluator.evaluate(Candidate(model, "tuned"), watch.deadline, on_the_way))
        return _verdict(held[-1], relevance)

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
    held += _of_others(evaluator, records, held)
    return SearchResult(tuple(held), tuple(records))


def select_trial(trials: Sequence[Trial], relevance: Relevance, seed: int) -> Trial:
    """The winner. Popular, the last, if nothing is better; else of those that cannot be told from the best the one with
    the narrowest vectors."""
    best = max(trials, key=lambda trial: trial.score(relevance))
    if best.candidate is POPULAR:
        return best
    records = [_record(number, trial, relevance, seed) for number, trial in enumerate(trials[:-1])]
    chosen = best_trial(records)
    return trials[chosen.number] if chosen else best


def _name(evaluator: Evaluator, relevance: Relevance, seed: int) -> str:
    """What trials must have in common to be compared: the same people, asked the same."""
    people = hashlib.sha256(evaluator.cases.user_keys.tobytes()).hexdigest()[:16]
    return f"{evaluator.cases.fold.cut_s}-{relevance}-{seed}-{people}"


def _known(tried: Sequence[Trial], relevance: Relevance) -> dict[str, list[Known]]:
    known: dict[str, list[Known]] = {}
    for trial in tried:
        one = Known(_params(trial), _verdict(trial, relevance), trial.fit_s)
        known.setdefault(trial.candidate.model.family, []).append(one)
    return known


def _of_others(evaluator: Evaluator, records: Sequence[TrialRecord], held: Sequence[Trial]) -> list[Trial]:
    """The best of other processes' trials, held here once more; none where this process has the best itself."""
    best = best_trial(records)
    if best is None:
        return []
    model = make(best.family, best.params)
    if any(trial.candidate.model.config == model.config for trial in held):
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
