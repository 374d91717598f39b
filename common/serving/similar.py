"""Similar items: for each item, the items with the highest cosine of their vectors."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np

from common.schemas.data import F32, I32, I64
from common.serving.index import nearest_by_graph

# Up to this number of items all pairs are compared: 92,000 × 64 takes 26 s of processor time. Lists around centroids
# are no faster, because ALS directions are spread so evenly that recall 0.98 needs half of the lists. With more items
# all pairs would take minutes, and a graph with less recall is used.
EXACT_MAX: Final = 200_000
_BLOCK: Final = 64
_GROUP: Final = 32


def similar_items(vectors: F32, k: int, rows: I32 | None = None, threads: int = 2, among: I32 | None = None) -> I32:
    """The rows of `vectors` nearest by cosine to each of `rows`, without the row itself, best first.

    vectors: (n, dim) float32
    rows, among: int32 rows to find neighbours of, and rows that may be neighbours; all rows by default

    Returns (len(rows), k) int32, padded with -1. Only positive cosines count, so a zero vector has no neighbours.
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    wanted = np.arange(len(vectors)) if rows is None else rows.astype(np.int64)
    listed = np.arange(len(vectors)) if among is None else among.astype(np.int64)
    depth = min(k + 1, len(listed))
    if depth == 0:
        return np.full((len(wanted), k), -1, np.int32)
    search = nearest_by_graph if min(len(listed), len(wanted)) > EXACT_MAX else _nearest_of_all
    scores, places = search(directions[listed], directions[wanted], depth, threads)
    # Positions behind the last item are padding, which their scores leave out.
    return _without_self(wanted, scores, listed[np.minimum(places, len(listed) - 1)], k)


def _nearest_of_all(directions: F32, queries: F32, depth: int, threads: int) -> tuple[F32, I64]:
    search = _exact_search(directions, depth)
    blocks = [queries[start : start + _BLOCK] for start in range(0, len(queries), _BLOCK)]
    with ThreadPoolExecutor(max(threads, 1)) as pool:  # the matrix product releases the interpreter lock
        parts = list(pool.map(search, blocks))
    if not parts:
        return np.empty((0, depth), np.float32), np.empty((0, depth), np.int64)
    scores, places = zip(*parts, strict=True)
    return np.concatenate(scores), np.concatenate(places)


def _exact_search(directions: F32, depth: int) -> Callable[[F32], tuple[F32, I64]]:
    """A search for the best `depth`: these are in the `depth` groups with the highest maxima, so only those are
    searched again."""
    groups = max(-(-len(directions) // _GROUP), depth)
    # Column c is in group c % groups, so that a maximum over a group runs along contiguous memory.
    columns = np.zeros((directions.shape[1], groups * _GROUP), np.float32)
    columns[:, : len(directions)] = directions.T
    group_members = groups * np.arange(_GROUP)

    def search(queries: F32) -> tuple[F32, I64]:
        scores = queries @ columns
        scores[:, len(directions) :] = -np.inf
        maxima = scores.reshape(len(queries), _GROUP, groups).max(axis=1)
        best_groups = np.argpartition(-maxima, depth - 1, axis=1)[:, :depth]
        candidates = (best_groups[:, :, None] + group_members).reshape(len(queries), -1)
        values = np.take_along_axis(scores, candidates, 1)
        top = np.argpartition(-values, depth - 1, axis=1)[:, :depth]
        return np.take_along_axis(values, top, 1), np.take_along_axis(candidates, top, 1)

    return search


def _without_self(rows: I64, scores: F32, neighbours: I64, k: int) -> I32:
    scores = np.where(neighbours == rows[:, None], -np.inf, scores)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    best = np.where(np.take_along_axis(scores, order, 1) > 0, np.take_along_axis(neighbours, order, 1), -1)
    return np.pad(best, ((0, 0), (0, k - best.shape[1])), constant_values=-1).astype(np.int32)
