"""The leaderboard of a night: baselines and families on the people of the test evaluation. It is for reading; no
decision depends on it.

Its rows take time from the search. So costly rows are bounded, and a row that is left out says why.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from common.errors import RefusedError
from common.evaluation.baselines import BASELINES
from common.evaluation.baselines.base import Baseline
from common.evaluation.baselines.own_frequent import OwnFrequent
from common.evaluation.cases import Relevance
from common.evaluation.judge import Judgement
from common.models.popular import Popular
from common.usecases.train.deadlines import step_ends
from common.usecases.train.evaluator import Candidate, Judging, Trial
from common.usecases.train.resource_usage import Usage

COSTLY_SHARE: Final = 0.1
"""Share of the time left that each costly baseline may take."""

FAMILIES_SHARE: Final = 0.15
"""Share of the time left that the search leaves for the best of each family."""

OUT_OF_TIME: Final = "the time budget was spent"
OTHER_WINDOW: Final = "it was judged by the test window, and the models by the validation window alone"


class RowKind(StrEnum):
    """What a row of the leaderboard stands for."""

    CHAMPION = "champion"
    AS_SERVED = "as_served"
    SERVED = "served"
    FAMILY = "family"
    BASELINE = "baseline"


@dataclass(frozen=True)
class LeaderboardRow:
    """One row of the leaderboard: judged, or left out for a reason.

    candidate: None for a baseline
    validation: the score by which a family's best was chosen
    purchased: the treatment of repeat purchases in the champion's row `AS_SERVED`, which also has the trend; all other
    rows are what a model ranks by itself
    """

    kind: RowKind
    name: str
    judgement: Judgement | None = None
    usage: Usage | None = None
    left_out: str | None = None
    candidate: Candidate | None = None
    validation: float | None = None
    purchased: str | None = None

    @classmethod
    def of_trial(cls, kind: RowKind, trial: Trial, validation: float | None = None) -> LeaderboardRow:
        """The row of a trial; `validation` is its score on the validation window."""
        usage = Usage(trial.fit_s, trial.peak_bytes)
        family = trial.candidate.model.family
        return cls(kind, family, trial.judgement, usage, candidate=trial.candidate, validation=validation)

    @classmethod
    def as_served(cls, trial: Trial, purchased: str) -> LeaderboardRow:
        """The champion's row with trend and treatment of repeat purchases."""
        name = f"{trial.candidate.model.family} as served"
        usage = Usage(trial.fit_s, trial.peak_bytes)
        return cls(RowKind.AS_SERVED, name, trial.as_served, usage, candidate=trial.candidate, purchased=purchased)


def not_comparable(rows: Sequence[LeaderboardRow]) -> list[LeaderboardRow]:
    """The rows without their figures, which are of other people than those of the models."""
    return [replace(row, judgement=None, usage=None, left_out=OTHER_WINDOW) if row.judgement else row for row in rows]


def evaluate_baselines(evaluator: Judging, deadline: float) -> list[LeaderboardRow]:
    """The rows of the baselines. `deadline` is on the clock of `time.monotonic`."""
    return [_evaluate_baseline(baseline, evaluator, deadline) for baseline in BASELINES]


def _evaluate_baseline(baseline: type[Baseline], evaluator: Judging, deadline: float) -> LeaderboardRow:
    now = time.monotonic()
    ends = now + COSTLY_SHARE * (deadline - now) if baseline.costly else step_ends(deadline)
    try:
        if now >= deadline:
            raise RefusedError(OUT_OF_TIME)
        judgement, usage = evaluator.evaluate_baseline(baseline, ends)
    except RefusedError as refusal:
        return LeaderboardRow(RowKind.BASELINE, baseline.name, left_out=refusal.message)
    return LeaderboardRow(RowKind.BASELINE, baseline.name, judgement, usage)


def floor_of(rows: Sequence[LeaderboardRow]) -> Judgement | None:
    """The figures of what each person buys most often, then popular; None where the row was left out."""
    return next((row.judgement for row in rows if row.name == OwnFrequent.name), None)


def reserve_s(tried: Sequence[Trial], deadline: float) -> float:
    """Seconds that the search should leave for `evaluate_families`."""
    once_each = sum(max(trial.fit_s for trial in tried if _family(trial) == family) for family in _families(tried))
    return max(0.0, min(once_each, FAMILIES_SHARE * (deadline - time.monotonic())))


def evaluate_families(
    evaluator: Judging | None, trials: Sequence[Trial], shown: Sequence[Trial], relevance: Relevance, deadline: float
) -> list[LeaderboardRow]:
    """The rows of the best of each family, best first, without families in `shown`.

    With an `evaluator` they are evaluated once more on it; without, their validation figures are shown. Rows that would
    not end before `deadline` are left out with the reason.
    """
    families_shown = {_family(trial) for trial in shown}
    best = [
        max((trial for trial in trials if _family(trial) == family), key=lambda trial: trial.score(relevance))
        for family in _families(trials)
        if family not in families_shown
    ]
    best.sort(key=lambda trial: -trial.score(relevance))
    if evaluator is None:
        return [LeaderboardRow.of_trial(RowKind.FAMILY, trial, trial.score(relevance)) for trial in best]
    return [_evaluate_family(evaluator, trial, relevance, deadline) for trial in best]


def _evaluate_family(evaluator: Judging, trial: Trial, relevance: Relevance, deadline: float) -> LeaderboardRow:
    validation = trial.score(relevance)
    try:
        if time.monotonic() + trial.fit_s > deadline:
            raise RefusedError(OUT_OF_TIME)
        test_trial = evaluator.evaluate(trial.candidate, deadline)
    except RefusedError as refusal:
        left_out = refusal.message
        return LeaderboardRow(
            RowKind.FAMILY, _family(trial), left_out=left_out, candidate=trial.candidate, validation=validation
        )
    return LeaderboardRow.of_trial(RowKind.FAMILY, test_trial, validation)


def _families(trials: Sequence[Trial]) -> list[str]:
    """The families of the trials without popular, which has a row of its own."""
    return list(dict.fromkeys(_family(trial) for trial in trials if _family(trial) != Popular.family))


def _family(trial: Trial) -> str:
    return trial.candidate.model.family
