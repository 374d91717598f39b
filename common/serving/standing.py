"""What of the base's ranking still stands under the deltas on top of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from common.schemas.data import F32
from common.serving.index import FLAT_MAX
from common.serving.items import Items
from common.serving.selection import Selection

MANY: Final = FLAT_MAX
"""Of newer items: looking at more of them takes longer than the search that is to be spared."""


@dataclass(frozen=True, eq=False)
class Standing:
    """holds: a byte for each item number, 1 for what ranks as it did in the base, and may be shown; newer (m, dim)
    float32: the vectors of all else that may be shown. With too many of these, nothing holds."""

    holds: bytes
    newer: F32

    @classmethod
    def of(cls, items: Items, available: Selection) -> Standing:
        """`available` are the items that may be shown without a filter."""
        base = items.layers[0]
        allowed = np.zeros(items.n, np.bool_)
        allowed[available.all_items()] = True
        as_before = np.zeros(items.n, np.bool_)
        as_before[: base.info.n_items] = base.available
        redefined = items.redefined()
        of_base = redefined[redefined < base.info.n_items]
        as_before[of_base] &= (items.vectors(of_base) == base.item_vectors[of_base]).all(axis=1)
        newer = np.flatnonzero(allowed & ~as_before).astype(np.int32)
        if len(newer) > MANY:
            return cls(bytes(items.n), np.empty((0, items.dim), np.float32))
        return cls((allowed & as_before).tobytes(), items.vectors(newer))
