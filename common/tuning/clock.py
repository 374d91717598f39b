"""The time limits of a search, so that enough time is left to use its result."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass


@dataclass
class Clock:
    """The time that is left for trials.

    `deadline` is on the clock of `time.monotonic`. Before it, enough time is kept to fit the best model `spare` times.
    """

    deadline: float
    spare: int = 0
    best_score: float = -math.inf
    best_s: float = 0.0

    def limit(self, share: float = 1.0) -> float:
        """The time at which a trial that begins now must have ended; the trial may use `share` of the time left."""
        now = time.monotonic()
        own = now + share * (self.deadline - now) / (1 + self.spare)
        return min(own, self.deadline - self.spare * self.best_s)

    def note(self, seconds: float, score: float) -> None:
        """Records how long a trial took; the time of the best one is what is kept `spare` times."""
        if score > self.best_score:
            self.best_score, self.best_s = score, seconds
