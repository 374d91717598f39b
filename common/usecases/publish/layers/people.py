"""The people of a layer: their histories, and the query vectors that the model gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from common.schemas.data import F32, I32, I64, TRENDING, U64, DueColumns, UserRows
from common.serving.encoders import ENCODERS, prepare
from common.usecases.publish.layers.histories import Histories

Query = Callable[[I32, F32], F32]
"""A function that makes a person's (dim,) query vector from the item codes (m,) and weights (m,) of the history."""


class PersonEncoder:
    """The served model's encoder with its arrays and parameters."""

    def __init__(self, name: str, params: Mapping[str, float], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        self._encode = ENCODERS[name]
        self._trending = name.startswith(TRENDING)
        self._params = params
        self._arrays = prepare(arrays)

    def query(self, vectors: F32, weights: F32) -> F32:
        """(dim,) float32 from the vectors (m, dim) and weights (m,) of a history, oldest first."""
        return self._encode(vectors, weights, self._arrays, self._params)

    def n_biases(self, item_vectors: F32) -> int:
        """The number of last columns of the item vectors that are no part of a direction.

        These are the trend, if there is one, and before it the bias, if there is one: every query vector has 1 there.
        """
        last = -1 - self._trending
        probes = item_vectors[:2]
        has_bias = all(float(self.query(probe[None], np.ones(1, np.float32))[last]) == 1.0 for probe in probes)
        return self._trending + has_bias


def user_rows(keys: U64, histories: Histories, due: DueColumns, item_nos: I32, query: Query, vectors: F32) -> UserRows:
    """The rows of the people `keys` (n, 2) uint64 with their histories and what is due of them; `item_nos` maps the
    histories' item codes to numbers.

    `vectors` (n, dim) float32 are known query vectors; a row of NaN is filled by `query` from the history. With (0,
    dim) the layer stores no query vectors, because the encoder makes them at the request.
    """
    vectors = vectors.copy()
    for row in np.flatnonzero(np.isnan(vectors[:, 0])):
        span = slice(histories.offsets[row], histories.offsets[row + 1])
        vectors[row] = query(histories.items[span], histories.weights[span])
    numbers = item_nos[histories.items].astype(np.int32)
    return UserRows(
        keys=keys,
        vectors=vectors,
        offsets=histories.offsets,
        items=numbers,
        weights=histories.weights,
        purchased=histories.purchased,
        repeats=histories.repeats,
        latest=histories.latest,
        due=due,
    )


def find_keys(wanted: U64, keys: U64) -> I64:
    """(m,) int64: the row of `keys` (n, 2) that equals each of `wanted` (m, 2), or -1. Neither may repeat a row."""
    joined = np.concatenate([keys, wanted])
    order = np.lexsort((np.arange(len(joined)), joined[:, 1], joined[:, 0]))
    equal = np.flatnonzero((joined[order[1:]] == joined[order[:-1]]).all(axis=1))
    rows = np.full(len(wanted), -1, dtype=np.int64)
    rows[order[equal + 1] - len(keys)] = order[equal]
    return rows
