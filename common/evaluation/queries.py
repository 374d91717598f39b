"""Query vectors of known people, made as serving makes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from common.evaluation.split import Fold
from common.models.artifact import Array, Artifact
from common.models.matrix import weight_matrix
from common.models.sessions import histories_of
from common.schemas.data import F32, I64, U64, Weighting

Encoder = Callable[[F32, F32, Mapping[str, Array], Mapping[str, float]], F32]
"""A function of `serving.encoders`: (vectors (m, dim) float32, weights (m,) float32, encoder_arrays, encoder_params) →
(dim,) float32. The item of the person's last event comes last."""


def make_queries(artifact: Artifact, fold: Fold, user_keys: U64, encode: Encoder) -> F32:
    """(n, dim) float32: each person's stored vector, or else the encoder's over the events before the cut.

    A row is zero where the model knows nothing of the person.
    """
    queries = np.zeros((len(user_keys), artifact.dim), dtype=np.float32)
    rows = rows_of(artifact.user_keys[: len(artifact.user_vectors)], user_keys)
    queries[rows >= 0] = artifact.user_vectors[rows[rows >= 0]]
    missing = np.flatnonzero(rows < 0)
    if len(missing):
        people = rows_of(fold.past.user_keys, user_keys[missing])
        for row, (items, weights) in zip(missing, _histories(artifact, fold, people), strict=True):
            vectors = artifact.item_vectors[items]
            queries[row] = encode(vectors, weights, artifact.encoder_arrays, artifact.encoder_params)
    return queries


def rows_of(keys: U64, wanted: U64) -> I64:
    """(n,) int64: the row of the sorted `keys` that equals each row of `wanted`, -1 where there is none."""
    if len(keys) == 0:
        return np.full(len(wanted), -1)
    have, want = _as_bytes(keys), _as_bytes(wanted)
    rows = np.minimum(np.searchsorted(have, want), len(have) - 1)
    return np.where(have[rows] == want, rows, -1)


def _as_bytes(keys: U64) -> Any:
    """(n,) 16-byte strings that sort as the keys do: big-endian bytes compare as the numbers."""
    return np.ascontiguousarray(keys.astype(">u8")).view("S16").ravel()


def _histories(artifact: Artifact, fold: Fold, people: I64) -> Iterator[tuple[I64, F32]]:
    """Yields for each user code the rows of the artifact's items, oldest first, and the weights that the model gives
    them.

    Items that the model does not know are left out.
    """
    weighting = Weighting.model_validate(artifact.params["weighting"])
    cells = weight_matrix(fold.past, weighting, fold.cut_s)
    histories = histories_of(fold.past, weighting, fold.cut_s)
    start_of = dict(zip(histories.people.tolist(), histories.offsets.tolist(), strict=False))
    codes = item_codes(artifact, fold)
    row_of = np.full(fold.past.n_items, -1)
    row_of[codes[codes >= 0]] = np.flatnonzero(codes >= 0)
    for person in people.tolist():
        row = cells[person]
        start = start_of.get(person, 0)
        items = histories.items[start : start + row.nnz]
        weights = row.data[np.searchsorted(row.indices, items)]
        known = row_of[items] >= 0
        yield row_of[items][known], weights[known]


def item_codes(artifact: Artifact, fold: Fold) -> I64:
    """(n_items of the artifact,) int64: the code of each item in the fold's events.

    -1 for an item without any event, which a family may know from the catalogue.
    """
    code = {item_id: code for code, item_id in enumerate(fold.past.item_ids)}
    return np.array([code.get(item_id, -1) for item_id in artifact.item_ids], dtype=np.int64)
