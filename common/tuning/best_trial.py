"""The choice of a trial: the best score, where differences within noise do not count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from common.evaluation.bootstrap import LEVEL
from common.tuning.records import State, TrialRecord

MAX_LOSS: Final = 0.05
"""Share of the best score that narrower vectors may cost where few people give a wide interval. The literature takes
smaller differences for equal (Hidasi and Czapp 2023)."""


def best_trial(records: Sequence[TrialRecord]) -> TrialRecord | None:
    """The trial with the narrowest vectors among those as good as the best; of equal width, the one with the best
    score.

    A trial is as good as the best if the paired bootstrap interval of their difference contains 0 and its score is at
    most `MAX_LOSS` lower. None where no trial was finished.
    """
    done = [record for record in records if record.state is State.DONE and record.score is not None]
    if not done:
        return None
    best = max(done, key=_score)
    as_good = [record for record in done if record is best or _is_as_good(record, best)]
    return min(as_good, key=lambda record: (record.width or 0, -_score(record)))


def _is_as_good(record: TrialRecord, best: TrialRecord) -> bool:
    if (
        _score(record) < (1 - MAX_LOSS) * _score(best)
        or len(record.resampled) != len(best.resampled)
        or not best.resampled
    ):
        return False
    low = np.quantile(np.subtract(best.resampled, record.resampled), (1 - LEVEL) / 2)
    return bool(low <= 0)


def _score(record: TrialRecord) -> float:
    return record.score or 0.0
