"""What a base keeps for those who add to it: arrays beside the encoder's, so that an update costs what it brings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from common.schemas.data import F64, I64, Bools
from common.usecases.publish.layers.cold import Groups

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Extras:
    """`groups` give new items a vector. Of the base's items, trained (n_items,) bool tells which have theirs from
    training, and neighbours (n_items,) bool which may be listed as similar to another; popularity (n_items,) float64 is
    their score at `now_s`, and created_at (n_items,) int64 says since when they are there; times are epoch seconds."""

    groups: Groups
    trained: Bools
    neighbours: Bools
    popularity: F64
    created_at: I64
    now_s: int

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {
            "group_keys": self.groups.keys,
            "group_directions": self.groups.directions,
            "group_unknown": self.groups.unknown,
            "group_scale": self.groups.scale,
            "trained": self.trained,
            "neighbours": self.neighbours,
            "popularity": self.popularity,
            "created_at": self.created_at,
            "popularity_at": np.array([self.now_s], dtype=np.int64),
        }

    @classmethod
    def of(cls, arrays: Arrays) -> Extras:
        """From the encoder arrays of a base."""
        group_arrays = (arrays[f"group_{name}"] for name in ("keys", "directions", "unknown", "scale"))
        return cls(
            groups=Groups(*group_arrays),
            trained=arrays["trained"],
            neighbours=arrays["neighbours"],
            popularity=arrays["popularity"],
            created_at=arrays["created_at"],
            now_s=int(arrays["popularity_at"][0]),
        )
