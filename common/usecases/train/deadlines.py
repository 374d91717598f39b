"""The time of a training: until when its fits may run, so that the whole call ends with its budget.

What comes after the fits, publishing and the report, cannot be cut short. So its time is kept free, as the last
training has measured it.
"""

from __future__ import annotations

import time
from typing import Final

from common.schemas.documents import RunRecord, RunState
from common.usecases.shared.context import Context
from common.usecases.shared.run_watch import last_run

FIRST_SHARE: Final = 0.1
FIRST_READINGS: Final = 3.0
"""What is kept for publishing where no training has measured it yet: a share of the budget, or as many times what
folding and reading the store took. A grocer's year on a quarter of a core: 34 s and 103 s."""

MOST_SHARE: Final = 0.5
SLOWER: Final = 1.5
"""How much longer than the last time publishing may take. Where reading took longer than that in comparison, the
machine is slower today by as much."""

BEFORE_FITS: Final = ("compacting", "reading")
AFTER_FITS: Final = ("publishing", "reporting")

USUAL_TIMES: Final = 2.0


def publishing_s(ctx: Context, budget_s: float, reading_s: float) -> float:
    """Seconds to keep for publishing and the report. `reading_s`: what it took to fold and read the store today."""
    last = last_run(ctx, "train", RunState.DONE)
    measured_s = _seconds(last, AFTER_FITS) if last else 0.0
    if last is None or measured_s == 0:
        return min(max(FIRST_SHARE * budget_s, FIRST_READINGS * reading_s), MOST_SHARE * budget_s)
    slower = reading_s / max(_seconds(last, BEFORE_FITS), 1.0)
    return min(measured_s * max(SLOWER, slower), MOST_SHARE * budget_s)


def step_ends(deadline: float, usual_s: float = 0.0) -> float:
    """When a step must have ended that is followed by others until `deadline`: in half of the time left, or in twice
    what the same fit took before, if that is longer."""
    now = time.monotonic()
    return now + min(deadline - now, max((deadline - now) / 2, USUAL_TIMES * usual_s))


def _seconds(run: RunRecord, steps: tuple[str, ...]) -> float:
    return sum(run.timings_s.get(step, 0.0) for step in steps)
