"""Bootstrap confidence intervals of means and of differences between two models."""

from __future__ import annotations

from typing import Final

import numpy as np

from common.schemas.data import F64

RESAMPLES: Final = 1000
LEVEL: Final = 0.95
"""The confidence level of all intervals."""


def paired_interval(ours: F64, theirs: F64, seed: int) -> tuple[float, float]:
    """The percentile bootstrap interval of mean(ours - theirs) at `LEVEL`.

    ours and theirs: (n_users,) float64, the values of the same people in the same order. Returns (low, high).
    """
    return interval(resampled_means((ours - theirs)[:, np.newaxis], seed)[:, 0])


def resampled_means(values: F64, seed: int) -> F64:
    """The means of each column over `RESAMPLES` resamples of the rows.

    values: (n_users, m) float64. Returns (RESAMPLES, m) float64. A resample takes the same people in every column, so
    columns may be subtracted from each other.
    """
    rng = np.random.default_rng(seed)
    n = len(values)
    return np.stack([values[rng.integers(0, n, n)].mean(axis=0) for _ in range(RESAMPLES)])


def interval(means: F64) -> tuple[float, float]:
    """The interval at `LEVEL` from resampled means (RESAMPLES,), as (low, high)."""
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
