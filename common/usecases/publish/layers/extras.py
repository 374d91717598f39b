"""What a base stores for later updates: arrays beside the encoder's, so that an update's cost depends on its batches
only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from common.models.popularity import PopularCounts
from common.schemas.data import I32, I64, Bools
from common.usecases.publish.layers.cold import Groups

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class BaseArrays:
    """The arrays of a base for updates.

    groups: for the vectors of new items
    trained: (n_items,) bool, items of the base with a vector from training
    neighbours: (n_items,) bool, items that may be listed as similar to another
    counts: what `popular` counts of each item, at `now_s`
    created_at: (n_items,) int64, since when the items exist

    Times are epoch seconds.
    """

    groups: Groups
    trained: Bools
    neighbours: Bools
    counts: PopularCounts
    created_at: I64
    now_s: int

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by their names among the encoder arrays of a base."""
        return {
            "group_keys": self.groups.keys,
            "group_directions": self.groups.directions,
            "group_unknown": self.groups.unknown,
            "group_scale": self.groups.scale,
            "trained": self.trained,
            "neighbours": self.neighbours,
            "popularity": self.counts.people,
            "popularity_guests": self.counts.guests,
            "popularity_events": self.counts.events,
            "created_at": self.created_at,
            "popularity_at": np.array([self.now_s], dtype=np.int64),
        }

    def trained_of(self, numbers: I32) -> Bools:
        """(m,) bool: which of the item numbers have a vector from training."""
        mask = np.zeros(len(numbers), dtype=np.bool_)
        of_base = numbers < len(self.trained)
        mask[of_base] = self.trained[numbers[of_base]]
        return mask

    @classmethod
    def of(cls, arrays: Arrays) -> BaseArrays:
        """From the encoder arrays of a base."""
        group_arrays = (arrays[f"group_{name}"] for name in ("keys", "directions", "unknown", "scale"))
        return cls(
            groups=Groups(*group_arrays),
            trained=arrays["trained"],
            neighbours=arrays["neighbours"],
            counts=_counts(arrays),
            created_at=arrays["created_at"],
            now_s=int(arrays["popularity_at"][0]),
        )


def _counts(arrays: Arrays) -> PopularCounts:
    """A base without arrays of guests and events was made when one array held decayed purchases."""
    people = arrays["popularity"]
    nothing = np.zeros(len(people))
    return PopularCounts(people, arrays.get("popularity_guests", nothing), arrays.get("popularity_events", nothing))
