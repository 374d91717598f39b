"""Which trial to serve: accuracy first, but not for a difference that is noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from common.evaluation.bootstrap import LEVEL
from common.tuning.records import State, TrialRecord

MAX_LOSS: Final = 0.05
"""Share of the best score that narrow vectors may cost where few people leave a wide interval; differences below it are
taken for level in the literature (Hidasi and Czapp 2023)."""


def best_trial(records: Sequence[TrialRecord]) -> TrialRecord | None:
    """Of the trials that cannot be told from the best, the one with the narrowest vectors; of those, the best.

    A trial cannot be told from the best if the paired bootstrap interval of their difference holds 0, and it is at most
    `MAX_LOSS` worse. None where no trial came to its end.
    """
    done = [record for record in records if record.state is State.DONE and record.score is not None]
    if not done:
        return None
    best = max(done, key=_score)
    level = [record for record in done if record is best or _as_good(record, best)]
    return min(level, key=lambda record: (record.width or 0, -_score(record)))


def _as_good(record: TrialRecord, best: TrialRecord) -> bool:
    if (
        _score(record) < (1 - MAX_LOSS) * _score(best)
        or len(record.resampled) != len(best.resampled)
        or not best.resampled
    ):
        return False
    lost = np.quantile(np.subtract(best.resampled, record.resampled), (1 - LEVEL) / 2)
    return bool(lost <= 0)


def _score(record: TrialRecord) -> float:
    return record.score or 0.0
