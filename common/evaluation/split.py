"""The temporal split: events before a cut to learn from, and events after it to predict.

The cut is at one time for everybody, so that nothing of the future reaches the past.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from common.schemas.data import DAY_S, Interactions

MAX_HELD_OUT: Final = 0.4
"""Most of the data's time that both windows together may take; in a shorter history they are shortened in
proportion."""


@dataclass(frozen=True)
class Fold:
    """The events before the cut (`past`) and those of the window that begins there (`future`). cut_s: epoch seconds."""

    cut_s: int
    past: Interactions
    future: Interactions


@dataclass(frozen=True)
class Split:
    """The validation fold, and the test fold that follows it; `test` is None for a test window of 0 days.

    `test.past` is all events before the test window, the validation window included.
    """

    validation: Fold
    test: Fold | None


def temporal_split(data: Interactions, validation_days: float, test_days: float) -> Split | None:
    """The last `test_days` as the test window, and the `validation_days` before them as the validation window.

    Both are shortened, in proportion, to `MAX_HELD_OUT` of the data's time. Returns None where a fold would have an
    empty past or future: all events at one moment, or no events.
    """
    if len(data) == 0:
        return None
    first, end = int(data.ts[0]), int(data.ts[-1]) + 1
    held_out = (validation_days + test_days) * DAY_S
    scale = min(1.0, MAX_HELD_OUT * (end - first) / held_out)
    test_cut = end - int(test_days * DAY_S * scale)
    validation_cut = test_cut - int(validation_days * DAY_S * scale)
    validation = _fold(data, validation_cut, test_cut)
    test = _fold(data, test_cut, end) if test_days > 0 else None
    folds = [validation] if test is None else [validation, test]
    return Split(validation, test) if all(len(fold.past) and len(fold.future) for fold in folds) else None


def _fold(data: Interactions, cut_s: int, end_s: int) -> Fold:
    past = data.where(data.ts < cut_s)
    return Fold(cut_s=cut_s, past=past, future=data.where((data.ts >= cut_s) & (data.ts < end_s)))
