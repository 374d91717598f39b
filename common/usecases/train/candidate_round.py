"""The round of a comparison's candidates, each with its share of the time, before the search for better settings."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from common.errors import RefusedError, StopCause, Stopped
from common.evaluation.cases import Relevance
from common.evaluation.judge import PRIMARY, Judgement
from common.usecases.train.evaluator import Candidate, Judging, Trial, popular_of

TRIALS_TO_COME: Final = 5
"""A candidate may take the time left divided by this. If it wins, as many steps of about its length follow: its own
trial, the judgement of repeat purchases, the test evaluation, the fit on all data, and the rest of the run. It is not
begun where the slowest trial of its family took longer than its share."""

STEPS_TO_COME: Final = 5
"""How many times as long as the best trial so far is kept free from all others: the decision how to serve it judges
several treatments, and takes twice as long; then come the test evaluation and the fit on all data, and a new process
where the last trial had to be ended."""

FIRST_SHARE: Final = 0.5
"""Share of the time left that the first candidate may take: it is what is served, and to be replaced only after a
comparison."""

CANDIDATES_SHARE: Final = 0.35
"""Share of the comparison's progress that is done when the round ends."""

SPENT: Final = "the time budget was spent"
DIED: Final = "the process of a trial of its family had died"

WORDS: Final = {
    StopCause.OUT_OF_TIME: "out of time",
    StopCause.OUT_OF_MEMORY: "out of memory",
    StopCause.CRASHED: "its process crashed",
}


@dataclass(frozen=True)
class NotTried:
    """A candidate without a result.

    begun: whether it was begun at all
    cause: why it was ended, or not begun; None where it cannot learn from the data
    """

    family: str
    origin: str
    reason: str
    cause: StopCause | None = None
    begun: bool = True

    @classmethod
    def after(cls, candidate: Candidate, refusal: RefusedError) -> NotTried:
        cause = refusal.cause if isinstance(refusal, Stopped) else None
        return cls(candidate.model.family, candidate.origin, refusal.message, cause)

    def __str__(self) -> str:
        what = "was left out" if self.begun else "was not tried"
        why = f", {WORDS[self.cause]}" if self.begun and self.cause else ""
        return f"{self.family} ({self.origin}) {what}{why}: {self.reason}"


ReportStep = Callable[[str, float], None]
"""Called with the name of a step and the share of the comparison that is done."""


@dataclass(frozen=True)
class CandidateRound:
    """The round of the candidates, before the search."""

    evaluator: Judging
    relevance: Relevance
    deadline: float
    step: ReportStep

    def evaluate(
        self, candidates: Sequence[Candidate], finished: Callable[[Trial], None]
    ) -> tuple[list[Trial], list[NotTried], float]:
        """The trials in the candidates' order, popular last, the candidates that were left out, and the seconds to be
        kept free to publish the best.

        A family that has ended its process, by lack of memory or a crash, is not tried again.
        """
        popular = self.evaluator.evaluate(popular_of(self.evaluator.popular_days))
        trials: list[Trial] = []
        not_tried: list[NotTried] = []
        slowest_s: dict[str, float] = {}
        died: set[str] = set()
        best_s = 0.0
        for number, candidate in enumerate(candidates):
            family = candidate.model.family
            start = time.monotonic()
            share_s = self._share_s(start, number == 0, best_s)
            if family in died or share_s <= slowest_s.get(family, 0.0):
                not_tried.append(_not_begun(candidate, family in died))
                continue
            self.step(f"judging {candidate}", CANDIDATES_SHARE * number / len(candidates))
            try:
                trials.append(self._with_curve(candidate, start + share_s))
                finished(trials[-1])
                if trials[-1] is max(trials, key=lambda trial: trial.score(self.relevance)):
                    best_s = time.monotonic() - start
            except RefusedError as refusal:
                not_tried.append(NotTried.after(candidate, refusal))
                if not_tried[-1].cause in (StopCause.OUT_OF_MEMORY, StopCause.CRASHED):
                    died.add(family)
            slowest_s[family] = max(slowest_s.get(family, 0.0), time.monotonic() - start)
        return [*trials, popular], not_tried, STEPS_TO_COME * best_s

    def _share_s(self, now: float, is_first: bool, best_s: float) -> float:
        left_s = self.deadline - now
        return min(left_s * (FIRST_SHARE if is_first else 1 / TRIALS_TO_COME), left_s - STEPS_TO_COME * best_s)

    def _with_curve(self, candidate: Candidate, deadline: float) -> Trial:
        curve: dict[int, float] = {}

        def note(step: int, judgement: Judgement) -> None:
            curve[step] = judgement.metrics[self.relevance].get(PRIMARY, 0.0)

        return replace(self.evaluator.evaluate(candidate, deadline, note), curve=curve)


def _not_begun(candidate: Candidate, family_died: bool) -> NotTried:
    reason, cause = (DIED, StopCause.CRASHED) if family_died else (SPENT, StopCause.OUT_OF_TIME)
    return NotTried(candidate.model.family, candidate.origin, reason, cause, begun=False)
