"""The hyperparameters of `cooccurrence`."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from pydantic import Field

from common.models.base import ModelConfig
from common.models.gru.config import SequenceOf

MOST_NEIGHBOURS: Final = 50
"""Most links of an item. On public sessions longer rows find nothing more."""


class Nearness(StrEnum):
    """How much less a pair counts with the steps d between its items: 1, 1/√d, 1/d or 1/d√d."""

    FLAT = "flat"
    ROOT = "root"
    INVERSE = "inverse"
    STEEP = "steep"

    @property
    def power(self) -> float:
        """The power of the steps by which a pair's count is divided."""
        return {Nearness.FLAT: 0.0, Nearness.ROOT: 0.5, Nearness.INVERSE: 1.0, Nearness.STEEP: 1.5}[self]


class CooccurrenceConfig(ModelConfig):
    """Hyperparameters of the links.

    A pair of items within `window` steps counts by its `nearness` and by the weight of the item that the link leads to;
    a link to the earlier item counts `backward` of that. A count is divided by (the item's sum + `shrinkage`) to the
    power of `row_power`, and by the other item's sum to the power of `column_power`: 0 lets items that are everywhere
    win, 1 divides by how often they occur. `memory` is as in `visit_weights`. `own` is the share of its row that an
    item of the visit gains itself, where such items are shown at all.

    The defaults were chosen on Yoochoose 1/64 (docs/measurements-models.md).
    """

    sequence_of: SequenceOf = SequenceOf.SESSION
    window: int = Field(10, ge=1, le=100)
    nearness: Nearness = Nearness.STEEP
    backward: float = Field(0.5, ge=0, le=1)
    row_power: float = Field(1.0, ge=0, le=1)
    column_power: float = Field(0.1, ge=0, le=1)
    shrinkage: float = Field(5.0, ge=0)
    neighbours: int = Field(MOST_NEIGHBOURS, ge=1, le=MOST_NEIGHBOURS)
    memory: float = Field(1.2, gt=0)
    own: float = Field(0.05, ge=0, le=1)
