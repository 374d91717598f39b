"""Several scored lists as one, by places: the same in serving and where it is judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from common.schemas.data import F32, I32

FIRST_PLACES: Final = 5
"""How alike the first places count: the second counts this + 1 to this + 2 of the first."""

MODEL_SHARE: Final = 0.5
"""What the model's order of the items counts beside a list (docs/measurements-models.md)."""

Part = tuple[I32, F32, float]
"""(m,) int32 items, each once; (m,) float32 scores; the share of the list."""


def mixed(parts: Sequence[Part]) -> tuple[I32, F32]:
    """(n,) int32 items of any part, ascending, and (n,) float32: the sum of share / (FIRST_PLACES + place) over the
    lists. Of equal scores in a list the lower item has the better place."""
    found, gains = [np.empty(0, np.int32)], [np.empty(0, np.float64)]
    for items, scores, share in parts:
        order = np.lexsort((items, -scores))
        found.append(items[order])
        gains.append(share / (FIRST_PLACES + np.arange(1, len(order) + 1)))
    items, same_as = np.unique(np.concatenate(found), return_inverse=True)
    return items, np.bincount(same_as.ravel(), np.concatenate(gains), len(items)).astype(np.float32)
