"""The neutral end of training: named arrays and JSON. No pickle, ever.

On disk an artifact is a directory: `artifact.json`, and one `.npy` file an array.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from common.schemas.data import F32, U64

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Artifact:
    """A trained model. The score of an item is the inner product of its row in `item_vectors` with a query vector.

    item_ids: n_items strings; item_vectors (n_items, dim) float32, a bias as the last column where the family has one;
    user_keys (n_users, 2) uint64 sorted; user_vectors (n_users, dim) float32, 1 in the bias column, or (0, dim) for a
    family whose encoder makes the same vector from the history. `encoder` names the function in `serving.encoders` that
    makes a query vector from items; `encoder_arrays` and `encoder_params` are what it needs.
    All arrays are C-order, read-only and finite.
    """

    family: str
    params: dict[str, Any]
    item_ids: tuple[str, ...]
    item_vectors: F32
    user_keys: U64
    user_vectors: F32
    encoder: str
    encoder_params: dict[str, float] = field(default_factory=dict)
    encoder_arrays: Mapping[str, npt.NDArray[np.generic]] = field(default_factory=dict)
