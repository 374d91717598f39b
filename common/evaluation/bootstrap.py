"""How sure a difference between two models is."""

from __future__ import annotations

from typing import Final

import numpy as np

from common.schemas.data import F64

RESAMPLES: Final = 1000
LEVEL: Final = 0.95


def paired_interval(ours: F64, theirs: F64, seed: int) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of mean(ours - theirs); both (n_users,), for the same people."""
    differences = ours - theirs
    rng = np.random.default_rng(seed)
    means = [differences[rng.integers(0, len(differences), len(differences))].mean() for _ in range(RESAMPLES)]
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
