"""Sorting by packed keys."""

from __future__ import annotations

import numpy as np

from common.schemas.data import I32, I64


def stable_order(keys: I32 | I64) -> I64:
    """The result of `np.argsort(keys, kind="stable")`, for keys ≥ 0.

    Each key and its position are packed into one number, and these are sorted by value, which numpy does with vector
    instructions: 10 million keys in half the time.
    """
    bits = len(keys).bit_length()
    if len(keys) == 0 or int(keys.max()).bit_length() + bits > 63:
        return np.argsort(keys, kind="stable")
    packed = (keys.astype(np.int64) << bits) | np.arange(len(keys))
    packed.sort()
    return packed & ((1 << bits) - 1)
