"""The past to learn from and the future to guess: one cut in time for everybody, so that nothing leaks back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from common.schemas.data import DAY_S, Interactions

MAX_HELD_OUT: Final = 0.4
"""Share of the data's time that both windows together may take; of a shorter history each takes a proportion."""


@dataclass(frozen=True)
class Fold:
    """Events before `cut_s` (epoch seconds), and those of the window that begins there."""

    cut_s: int
    past: Interactions
    future: Interactions


@dataclass(frozen=True)
class Split:
    """`test.past` is all that comes before the test window, validation included. `test` is None for a window of 0."""

    validation: Fold
    test: Fold | None


def temporal_split(data: Interactions, validation_days: float, test_days: float) -> Split | None:
    """The last `test_days` for the test, the `validation_days` before them for validation.

    Windows are shortened, in proportion, to `MAX_HELD_OUT` of the data's time. None where a fold would have nothing
    to learn from or nothing to guess: all events at one moment, or none.
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
