"""The gate: whether the winner of a comparison may be published.

It refuses a winner that is worse than popular or clearly worse than the served model; the served model then stays.
Where nothing is served yet, `model_selection` publishes popular in place of a refused winner. In place of a winner that
serves known people worse than the plainest list for them, it publishes that list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from common.evaluation.bootstrap import paired_interval
from common.evaluation.cases import Relevance
from common.evaluation.judge import PRIMARY, Judgement
from common.usecases.train.deadlines import step_ends
from common.usecases.train.evaluator import Judging, ServingSettings, Trial


@dataclass(frozen=True)
class FinalEvaluation:
    """The test evaluation, by one `evaluator` on one window: the winner, popular, and the model that is served now.

    `popular` is the winner's trial if popular has won; `served` is None if the served model has won or nothing is
    served. `floor` are the figures of what each person buys most often, then popular; None where they are not known.
    """

    evaluator: Judging
    winner: Trial
    popular: Trial
    served: Trial | None
    floor: Judgement | None = None

    def below_floor(self, seed: int) -> str | None:
        """The reason why known people are better served by what they buy most often, then popular; None where the
        winner, as it is served, is not clearly worse than that."""
        ours = self.winner.as_served
        if ours is None or self.floor is None or not len(ours.primary[Relevance.ALL]):
            return None
        mine, plain = ours.primary[Relevance.ALL], self.floor.primary[Relevance.ALL]
        if paired_interval(mine, plain, seed)[1] >= 0:
            return None
        return (
            f"{self.winner.candidate} as served is clearly worse than own most frequent, then popular: "
            f"{PRIMARY} {mine.mean():.4f} against {plain.mean():.4f}, judged by all purchases"
        )

    def refusal(self, relevance: Relevance, gate_margin: float) -> str | None:
        """The reason why the winner must not be published; None if it may be."""
        judged = f"judged by {relevance.replace('_', ' ')}"
        score, floor = self.winner.score(relevance), self.popular.score(relevance)
        if score < floor:
            return f"{self.winner.candidate} is worse than popular: {PRIMARY} {score:.4f} against {floor:.4f}, {judged}"
        served = self.served.score(relevance) if self.served else 0.0
        if score < served * (1 - gate_margin):
            return (
                f"{self.winner.candidate} is more than {gate_margin:.0%} worse than what is served: "
                f"{PRIMARY} {score:.4f} against {served:.4f}, {judged}"
            )
        return None


def evaluate_on_test(
    test_evaluator: Judging,
    evaluator: Judging,
    trials: Sequence[Trial],
    winner: Trial,
    as_served: ServingSettings,
    deadline: float,
) -> FinalEvaluation:
    """The test evaluation of the winner, popular and the served model. What the winner has learned is kept.

    Where the test window has no cases, `test_evaluator` is the `evaluator` of the validation window, which has judged
    popular and the served model already. Raises `Stopped` where there was no time for all three.
    """
    popular = trials[-1]
    served = _served(trials, winner)
    ends = step_ends(deadline, winner.fit_s)
    judged = {id(winner): test_evaluator.evaluate(winner.candidate, ends, served=as_served, keep=True)}
    if test_evaluator is not evaluator:
        others = [trial for trial in (popular, served) if trial and trial is not winner]
        judged |= {id(trial): test_evaluator.evaluate(trial.candidate, step_ends(deadline)) for trial in others}
    return FinalEvaluation(
        test_evaluator, judged[id(winner)], judged.get(id(popular), popular), judged.get(id(served), served)
    )


def without_test(evaluator: Judging, trials: Sequence[Trial], winner: Trial) -> FinalEvaluation:
    """The trials on the validation window in place of a test evaluation."""
    return FinalEvaluation(evaluator, winner, trials[-1], _served(trials, winner))


def _served(trials: Sequence[Trial], winner: Trial) -> Trial | None:
    return next((trial for trial in trials if trial.candidate.origin == "served" and trial is not winner), None)
