"""How long a search may go on, so that what it finds can still be used."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass


@dataclass
class Clock:
    """`deadline` is on the clock of `time.monotonic`; time to fit the best model `spare` times is left before."""

    deadline: float
    spare: int = 0
    best_score: float = -math.inf
    best_s: float = 0.0

    def limit(self, share: float = 1.0) -> float:
        """When a trial that begins now must have ended; `share` of the time left is its own."""
        now = time.monotonic()
        own = now + share * (self.deadline - now) / (1 + self.spare)
        return min(own, self.deadline - self.spare * self.best_s)

    def note(self, seconds: float, score: float) -> None:
        if score > self.best_score:
            self.best_score, self.best_s = score, seconds
