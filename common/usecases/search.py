"""The search for better settings than the candidates' own, on the validation window, and the choice among all."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from common.config import Settings
from common.errors import RefusedError
from common.evaluation.cases import Question
from common.evaluation.judge import Judgement
from common.models.base import Model
from common.models.registry import FAMILIES, make
from common.tuning.choice import choose
from common.tuning.records import State, TrialRecord, resampled_means
from common.tuning.search import Plan, search
from common.tuning.trial import Known, Verdict, Watch
from common.usecases.trials import POPULAR, Candidate, Stage, Trial


@dataclass(frozen=True)
class Found:
    """`trials` were held to the end; `records` are those of all, other processes' on the same database included."""

    trials: tuple[Trial, ...] = ()
    records: tuple[TrialRecord, ...] = ()


def hold_search(
    stage: Stage, question: Question, tried: Sequence[Trial], settings: Settings, deadline: float, spare: int
) -> Found:
    """Goes on from `tried`, with the families among them, as long as the best can be fitted `spare` times after it."""
    if not tried or settings.tune_trials == 0:
        return Found()
    held: list[Trial] = []

    def objective(model: Model, watch: Watch) -> Verdict:
        def on_the_way(step: int, judgement: Judgement) -> None:
            watch.score(step, float(judgement.primary[question].mean()))

        held.append(stage.hold_trial(Candidate(model, "tuned"), watch.deadline, on_the_way))
        return _verdict(held[-1], question)

    known = _known(tried, question)
    storage = settings.optuna_storage
    plan = Plan(
        name=f"{settings.shop}/{_name(stage, question, settings.seed)}",
        seed=settings.seed,
        deadline=deadline,
        max_width=settings.max_dim,
        known=known,
        spare=spare,
        storage_url=storage.get_secret_value() if storage else None,
        max_trials=settings.tune_trials,
    )
    records = search([FAMILIES[family] for family in known], objective, plan)
    held += _of_others(stage, records, held)
    return Found(tuple(held), tuple(records))


def select(trials: Sequence[Trial], question: Question, seed: int) -> Trial:
    """The winner. Popular, the last, if nothing is better; else of those that cannot be told from the best the one with
    the narrowest vectors."""
    best = max(trials, key=lambda trial: trial.score(question))
    if best.candidate is POPULAR:
        return best
    records = [_record(number, trial, question, seed) for number, trial in enumerate(trials[:-1])]
    chosen = choose(records)
    return trials[chosen.number] if chosen else best


def _name(stage: Stage, question: Question, seed: int) -> str:
    """What trials must have in common to be compared: the same people, asked the same."""
    people = hashlib.sha256(stage.cases.user_keys.tobytes()).hexdigest()[:16]
    return f"{stage.cases.fold.cut_s}-{question}-{seed}-{people}"


def _known(tried: Sequence[Trial], question: Question) -> dict[str, list[Known]]:
    known: dict[str, list[Known]] = {}
    for trial in tried:
        one = Known(_params(trial), _verdict(trial, question), trial.fit_s)
        known.setdefault(trial.candidate.model.family, []).append(one)
    return known


def _of_others(stage: Stage, records: Sequence[TrialRecord], held: Sequence[Trial]) -> list[Trial]:
    """The best of other processes' trials, held here once more; none where this process has the best itself."""
    best = choose(records)
    if best is None:
        return []
    model = make(best.family, best.params)
    if any(trial.candidate.model.config == model.config for trial in held):
        return []
    try:
        return [stage.hold_trial(Candidate(model, "tuned"))]
    except RefusedError:
        return []


def _record(number: int, trial: Trial, question: Question, seed: int) -> TrialRecord:
    per_person = trial.judgement.primary[question]
    return TrialRecord(
        family=trial.candidate.model.family,
        number=number,
        params=_params(trial),
        state=State.DONE,
        seconds=trial.fit_s,
        score=trial.score(question),
        width=trial.dim,
        resampled=tuple(resampled_means(per_person, seed)),
    )


def _verdict(trial: Trial, question: Question) -> Verdict:
    return Verdict(trial.judgement.primary[question], trial.dim)


def _params(trial: Trial) -> dict[str, Any]:
    return trial.candidate.model.config.model_dump(mode="json")
