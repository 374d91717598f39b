"""Links from items to other items: the second shape of a model, beside vectors.

A row holds the items that follow or accompany one item, each with a weight. The answer to a visit or a basket is the
weighted sum of the rows of its items, so it needs neither vectors nor an index.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from common.schemas.data import F32, I32, I64

LINKS: Final = "links"
"""The name that an artifact of this shape has in place of an encoder's."""

RECENT: Final = 32
"""Items of a visit that count, the latest: older ones have almost no weight, and this bounds the cost of an answer."""


class Place(StrEnum):
    """What links answer: the item that comes next in a visit, or a line of a basket by its other lines."""

    VISIT = "visit"
    BASKET = "basket"


@dataclass(frozen=True, eq=False)
class ItemLinks:
    """Rows of links. All items are given as numbers.

    The row of nos[i] is [offsets[i], offsets[i + 1]) of the last two arrays: nos (m,) int32, ascending; offsets
    (m + 1,) int64; items (k,) int32, ascending within a row; weights (k,) float32, above 0.
    """

    nos: I32
    offsets: I64
    items: I32
    weights: F32

    def span(self, item_no: int) -> slice | None:
        """The slice of `items` and `weights` that is the item's row; None if the item has no row here."""
        at = int(np.searchsorted(self.nos, item_no))
        if at == len(self.nos) or self.nos[at] != item_no:
            return None
        return slice(int(self.offsets[at]), int(self.offsets[at + 1]))

    def problem(self, n_items: int) -> str | None:
        """What is wrong with the rows in a catalogue of `n_items`; None where they can be used. Reads every entry."""
        nos, offsets, items, weights = self.nos, self.offsets, self.items, self.weights
        if len(offsets) != len(nos) + 1 or offsets[0] != 0 or offsets[-1] != len(items):
            return f"rows of {len(items)} links do not end where the links do"
        if (np.diff(offsets) < 0).any():
            return "rows of links overlap"
        if len(nos) and (nos[0] < 0 or nos[-1] >= n_items or (np.diff(nos) <= 0).any()):
            return f"rows of links are not of ascending item numbers below {n_items}"
        if len(items) != len(weights):
            return f"{len(items)} links have {len(weights)} weights"
        if len(items) and (items.min() < 0 or items.max() >= n_items):
            return f"links lead to item numbers that are not below {n_items}"
        if not _ascends_within(items, offsets):
            return "links of a row do not ascend"
        if not (np.isfinite(weights).all() and (weights > 0).all()):
            return "weights of links must be finite and above 0"
        return None


def _ascends_within(items: I32, offsets: I64) -> bool:
    rises = np.diff(items) > 0
    begins = offsets[1:-1]
    inner = begins[(begins > 0) & (begins < len(items))]
    rises[inner - 1] = True
    return bool(rises.all())


def visit_weights(length: int, memory: float) -> F32:
    """(length,) float32: the weights of a visit's items, oldest first.

    An item counts exp(-1 / memory) of the item after it, and items before the last `RECENT` count nothing.
    """
    steps_back = np.arange(length - 1, -1, -1)
    weights = np.exp(-steps_back / memory) if math.isfinite(memory) else np.ones(length)
    return np.where(steps_back < RECENT, weights, 0).astype(np.float32)
