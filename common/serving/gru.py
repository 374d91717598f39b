"""GRU4Rec's query vector, stepped in numpy: the cell of Cho et al. (2014) as torch computes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from common.schemas.data import F32

Arrays = Mapping[str, np.ndarray[Any, Any]]


def gru(vectors: F32, _weights: F32, arrays: Arrays, params: Mapping[str, float]) -> F32:
    """The hidden state after the last `history_length` items, and 1 for the bias column.

    vectors (m, dim) float32, oldest first, the bias as their last column. How much an item weighs is not asked: it was
    there or it was not. Returns (dim,) float32, zeros for no items.
    """
    recent = vectors[-int(params["history_length"]) :, :-1]
    query = np.zeros(vectors.shape[1], dtype=np.float32)
    if len(recent):
        query[:-1] = _last_state(recent, arrays)
        query[-1] = 1
    return query


def _last_state(inputs: F32, arrays: Arrays) -> F32:
    size = inputs.shape[1]
    state = np.zeros(size, dtype=np.float32)
    weight_hidden, bias_hidden = arrays["weight_hidden"], arrays["bias_hidden"]
    for given in inputs @ arrays["weight_input"].T + arrays["bias_input"]:
        carried = weight_hidden @ state + bias_hidden
        reset, update = _sigmoid(given[: 2 * size] + carried[: 2 * size]).reshape(2, size)
        new = np.tanh(given[2 * size :] + reset * carried[2 * size :])
        state = new + update * (state - new)
    return state


def _sigmoid(x: F32) -> F32:
    # By tanh, which does not overflow.
    return np.asarray(0.5 * (np.tanh(0.5 * x) + 1))
