"""How sure a difference between two models is."""

from __future__ import annotations

from typing import Final

import numpy as np

from common.schemas.data import F64

RESAMPLES: Final = 1000
LEVEL: Final = 0.95


def paired_interval(ours: F64, theirs: F64, seed: int) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of mean(ours - theirs); both (n_users,), for the same people."""
    return interval(resampled_means((ours - theirs)[:, np.newaxis], seed)[:, 0])


def resampled_means(values: F64, seed: int) -> F64:
    """(RESAMPLES, m) means over resamples of the rows of (n_users, m) values: the same people in every column, so that
    columns may be subtracted from each other."""
    rng = np.random.default_rng(seed)
    n = len(values)
    return np.stack([values[rng.integers(0, n, n)].mean(axis=0) for _ in range(RESAMPLES)])


def interval(means: F64) -> tuple[float, float]:
    """Of `LEVEL`, by percentiles of (RESAMPLES,) means."""
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
