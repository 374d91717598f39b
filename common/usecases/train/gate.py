"""The gate: whether the winner of a comparison may be published.

It refuses a winner that is worse than popular or clearly worse than the served model; the served model then stays.
Where nothing is served yet, `model_selection` publishes popular in place of a refused winner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from common.evaluation.cases import Relevance
from common.evaluation.judge import PRIMARY
from common.usecases.train.evaluator import Evaluator, ServingSettings, Trial


@dataclass(frozen=True)
class FinalEvaluation:
    """The test evaluation, by one `evaluator` on one window: the winner, popular, and the model that is served now.

    `popular` is the winner's trial if popular has won; `served` is None if the served model has won or nothing is
    served.
    """

    evaluator: Evaluator
    winner: Trial
    popular: Trial
    served: Trial | None

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
    test_evaluator: Evaluator, evaluator: Evaluator, trials: Sequence[Trial], winner: Trial, as_served: ServingSettings
) -> FinalEvaluation:
    """The test evaluation of the winner, popular and the served model.

    Where the test window has no cases, `test_evaluator` is the `evaluator` of the validation window, which has judged
    popular and the served model already.
    """
    popular = trials[-1]
    served = next((trial for trial in trials if trial.candidate.origin == "served" and trial is not winner), None)
    judged = {id(winner): test_evaluator.evaluate(winner.candidate, served=as_served)}
    if test_evaluator is not evaluator:
        others = [trial for trial in (popular, served) if trial and trial is not winner]
        judged |= {id(trial): test_evaluator.evaluate(trial.candidate) for trial in others}
    return FinalEvaluation(
        test_evaluator, judged[id(winner)], judged.get(id(popular), popular), judged.get(id(served), served)
    )
