"""Encoders: from items to the query vector of a session, a basket, or a person with newer events.

The artifact names its encoder. An encoder takes the items' vectors (m, dim) float32, their weights (m,) float32 as
`Weighting.weigh` sums them, and the artifact's encoder arrays and parameters. It returns a (dim,) float32 query vector,
whose inner product with an item's vector is the item's score.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from common.schemas.data import F32, F64, TRENDING

Arrays = Mapping[str, np.ndarray[Any, Any]]


def gru(vectors: F32, _weights: F32, arrays: Arrays, params: Mapping[str, float]) -> F32:
    """The hidden state of GRU4Rec after the last `history_length` items, and 1 for the bias column.

    vectors: (m, dim) float32, oldest first, the last column a bias. Weights are not used. Returns (dim,) float32, zeros
    for no items.
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
    # By tanh, because it does not overflow.
    return np.asarray(0.5 * (np.tanh(0.5 * x) + 1))


Encoder = Callable[[F32, F32, Arrays, Mapping[str, float]], F32]


def als_fold_in(vectors: F32, weights: F32, arrays: Arrays, params: Mapping[str, float]) -> F32:
    """The update of one person in an ALS iteration (Hu, Koren and Volinsky 2008, equation 4):

        (gram + Σ (|c| - 1) y yᵀ) x = Σ max(c, 0) y,    c = alpha · weight

    where `gram` (dim, dim) is YᵀY + regularization · I. A negative weight means dislike, as in `implicit`; an item of
    weight 0 has no effect. Returns the zero vector for no items.
    """
    confidence = params["alpha"] * weights.astype(np.float64)
    items = vectors.astype(np.float64)
    if not confidence.all():
        weighted = confidence != 0
        items, confidence = items[weighted], confidence[weighted]
    extra, wanted = np.abs(confidence) - 1, np.maximum(confidence, 0)
    inverse = arrays.get("gram_inverse")
    if inverse is None or len(items) >= vectors.shape[1]:
        system = arrays["gram"] + (items.T * extra).dot(items)
        return np.linalg.solve(system, wanted.dot(items)).astype(np.float32)
    return _fold_in_few(items, extra, wanted, inverse)


def _fold_in_few(items: F64, extra: F64, wanted: F64, inverse: F64) -> F32:
    """The same x from a system as large as the number of items: x = gram⁻¹ Yᵀ z, (I + diag(extra) Y gram⁻¹ Yᵀ) z =
    wanted."""
    reach = items.dot(inverse)
    system = reach.dot(items.T)
    system *= extra[:, None]
    system.ravel()[:: len(system) + 1] += 1
    query: F32 = np.linalg.solve(system, wanted).dot(reach).astype(np.float32)
    return query


def weighted_mean(vectors: F32, weights: F32, _arrays: Arrays, _params: Mapping[str, float]) -> F32:
    """The weighted mean of the items' vectors, scaled to length 1. With item vectors of length 1 the score is the
    cosine.

    Returns the zero vector for no items.
    """
    total = weights @ vectors
    length = np.linalg.norm(total)
    return (total / length if length > 0 else total).astype(np.float32)


def mapped_mean(vectors: F32, weights: F32, arrays: Arrays, _params: Mapping[str, float]) -> F32:
    """[weighted mean of the items, 1] @ map, and 1 for the items' bias; `map` (dim + 1, dim - 1) float32 comes from
    training.

    Returns the zero vector for no items.
    """
    total = weights.sum()
    if total <= 0:
        return np.zeros(vectors.shape[1], np.float32)
    mean = np.append(weights @ vectors / total, np.float32(1))
    return np.append(mean @ arrays["map"], np.float32(1))


def constant(_vectors: F32, _weights: F32, _arrays: Arrays, _params: Mapping[str, float]) -> F32:
    """The same query vector for everybody, for families whose item vectors are scores."""
    return np.ones(1, np.float32)


def _trending(encode: Encoder) -> Encoder:
    """The encoder over the vectors without their last column, the trend; the length of its query vector is added at the
    end."""

    def encode_with_length(vectors: F32, weights: F32, arrays: Arrays, params: Mapping[str, float]) -> F32:
        query = encode(vectors[:, :-1], weights, arrays, params)
        return np.append(query, np.linalg.norm(query))

    return encode_with_length


_PERSONAL: Final[dict[str, Encoder]] = {
    "als_fold_in": als_fold_in,
    "gru": gru,
    "mapped_mean": mapped_mean,
    "weighted_mean": weighted_mean,
}

ENCODERS: Final[dict[str, Encoder]] = {
    "constant": constant,
    **_PERSONAL,
    **{TRENDING + name: _trending(encode) for name, encode in _PERSONAL.items()},
}

IMPERSONAL: Final = frozenset({"constant"})
"""Encoders that do not use the items, so that everybody gets the same answer."""


def prepare(arrays: Arrays) -> Arrays:
    """The arrays and what is computed from them once for all requests: `gram_inverse` (dim, dim) float64."""
    if "gram" not in arrays:
        return arrays
    return {**arrays, "gram_inverse": np.linalg.inv(arrays["gram"].astype(np.float64))}
