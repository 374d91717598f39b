"""Scores and lists of a model of links, for many visits at once and without a score for every item."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix

from common.models.artifact import Artifact
from common.schemas.data import I32, I64, Bools
from common.schemas.links import RECENT, ItemLinks, visit_weights

VISITS_AT_ONCE: Final = 4096
"""Visits whose scores are in memory at once: at most this times `RECENT` rows of links, about 100 MB."""


def scores_of_links(
    artifact: Artifact, offsets: I64, items: I64 | I32, *, own: bool = False
) -> Iterator[tuple[slice, Any]]:
    """Yields slices of the visits and their csr_matrix (n, n_items) float32 scores, by row of the artifact's items.

    Visit i is items[offsets[i] : offsets[i + 1]], oldest first, as rows of the artifact's items. With `own` the items
    of the visit score as the model's parameter says, for data whose visits come back to them.
    """
    assert artifact.links is not None
    rows = _matrix(artifact.links, len(artifact.item_ids), artifact.encoder_params["own"] if own else 0.0)
    for start in range(0, len(offsets) - 1, VISITS_AT_ONCE):
        part = slice(start, min(start + VISITS_AT_ONCE, len(offsets) - 1))
        queries = _queries(offsets[part.start : part.stop + 1], items, artifact.encoder_params["memory"], rows.shape[0])
        yield part, (queries @ rows).tocsr()


def _matrix(links: ItemLinks, n: int, own: float) -> Any:
    lengths = np.zeros(n, dtype=np.int64)
    lengths[links.nos] = np.diff(links.offsets)
    matrix = csr_matrix((links.weights, links.items, np.concatenate([[0], np.cumsum(lengths)])), shape=(n, n))
    if own:
        diagonal = np.arange(n)
        gains = (own * np.asarray(matrix.sum(axis=1)).ravel()).astype(np.float32)
        matrix = (matrix + coo_matrix((gains, (diagonal, diagonal)), shape=(n, n))).tocsr()
    return matrix


def _queries(offsets: I64, items: I64 | I32, memory: float, n: int) -> Any:
    """csr_matrix (visits, n) float32: the weights of each visit's items."""
    lengths = np.diff(offsets)
    longest = visit_weights(max(RECENT, int(lengths.max(initial=0))), memory)
    steps_back = np.repeat(offsets[1:], lengths) - 1 - np.arange(offsets[0], offsets[-1])
    visits = np.repeat(np.arange(len(lengths)), lengths)
    weights = longest[::-1][steps_back]
    return csr_matrix(coo_matrix((weights, (visits, items[offsets[0] : offsets[-1]])), shape=(len(lengths), n)))


def top_k_of_links(scores: Any, relevant: Any, k: int) -> tuple[I32, Bools]:
    """The best k items of each row, best first, and whether each is relevant, as `ranking.top_k` gives them.

    scores: csr_matrix (n, n_items) float32; an item without a positive score is not listed. relevant: csr_matrix (n,
    n_items) bool. Returns (n, k) int32 items, -1 in places that stay empty, and (n, k) bool hits. Of equal scores the
    irrelevant item comes first.
    """
    n = scores.shape[0]
    rows, items = np.repeat(np.arange(n), np.diff(scores.indptr)), scores.indices
    listed = scores.data > 0
    rows, items, values = rows[listed], items[listed], scores.data[listed]
    is_hit = np.asarray(relevant[rows, items]).ravel().astype(np.bool_) if len(rows) else np.zeros(0, np.bool_)
    order = np.lexsort((is_hit, -values, rows))
    lengths = np.bincount(rows, minlength=n)
    places = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    order, places = order[places < k], places[places < k]
    found, hits = np.full((n, k), -1, dtype=np.int32), np.zeros((n, k), dtype=np.bool_)
    found[rows[order], places] = items[order]
    hits[rows[order], places] = is_hit[order]
    return found, hits
