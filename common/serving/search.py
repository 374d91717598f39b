"""The best items for a query vector, or the items nearest to an item, within a selection."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from common.schemas.data import F32, I32
from common.serving.items import Items
from common.serving.selection import IndexPart, Selection


class Hits(NamedTuple):
    """item_nos (m,) int32 and scores (m,) float32, best first."""

    item_nos: I32
    scores: F32


NOTHING: Final = Hits(np.empty(0, np.int32), np.empty(0, np.float32))


class Raised(NamedTuple):
    """Items whose score is raised: item_nos (m,) int32 without repetition, and their gains (m,) float32."""

    item_nos: I32
    gains: F32


def search(items: Items, query: F32, n: int, selection: Selection, excluded: I32) -> Hits:
    """The `n` allowed items with the highest inner product with `query` (dim,), without the `excluded` item numbers.

    Exact over the gathered part of the selection; an index part has the recall of its index.
    """
    if not selection.index_parts:
        return best_of(selection.item_nos, _scores(selection, query, excluded), n)
    parts = [_search_part(items, query, n, part, excluded) for part in selection.index_parts]
    hits = parts[0] if len(parts) == 1 else _merge(parts, n)
    if not len(selection.item_nos):
        return hits
    if len(hits.scores) < n:
        return _merge([hits, Hits(selection.item_nos, _scores(selection, query, excluded))], n)
    better = _better(selection, query, hits.scores[-1], excluded)
    return _merge([hits, better], n) if len(better.item_nos) else hits


def search_raised(items: Items, query: F32, n: int, selection: Selection, excluded: I32, raised: Raised) -> Hits:
    """The result of `search`, with gains added to the scores of the raised items.

    Raised items are scored one by one, whether or not an index would return them, and the other items are searched
    without them.
    """
    allowed = selection.allows(raised.item_nos)
    if len(excluded):
        allowed &= ~np.isin(raised.item_nos, excluded)
    item_nos = raised.item_nos[allowed]
    scores = items.vectors(item_nos) @ query + raised.gains[allowed]
    others = search(items, query, n, selection, np.append(excluded, item_nos))
    return _merge([Hits(item_nos, scores), others], n)


def _search_part(items: Items, query: F32, n: int, part: IndexPart, excluded: I32) -> Hits:
    layer = items.layers[part.position]
    hidden = items.rows_in(part.position, excluded)
    rows = layer.index.search(query, n, part.bits, part.share, hidden)
    # `take` and `dot` are two to three times as fast as indexing and `@` on arrays as small as these.
    scores = layer.item_vectors.take(rows, 0).dot(query)
    order = (-scores).argsort()
    return Hits(layer.item_nos.take(rows[order]), scores[order])


def _better(selection: Selection, query: F32, worst: np.float32, excluded: I32) -> Hits:
    """The gathered items with a score above `worst`, in no order. Mostly there are none, and merging costs as much as
    scoring."""
    scores = selection.vectors.dot(query)
    above = np.flatnonzero(scores > worst)
    if not len(above):
        return NOTHING
    item_nos = selection.item_nos.take(above)
    allowed = ~np.isin(item_nos, excluded)
    return Hits(item_nos[allowed], scores.take(above)[allowed])


def _scores(selection: Selection, query: F32, excluded: I32) -> F32:
    scores: F32 = selection.vectors.dot(query)
    if len(scores):
        at = np.minimum(np.searchsorted(selection.item_nos, excluded), len(scores) - 1)
        scores[at[selection.item_nos[at] == excluded]] = -np.inf
    return scores


def best_of(item_nos: I32, scores: F32, n: int) -> Hits:
    """The best `n` of some items; excluded items, with a score of -inf, are left out."""
    if n < len(scores):
        top = np.argpartition(-scores, n - 1)[:n]
        item_nos, scores = item_nos[top], scores[top]
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] > -np.inf]
    return Hits(item_nos[order], scores[order])


def _merge(parts: list[Hits], n: int) -> Hits:
    item_nos = np.concatenate([np.empty(0, np.int32), *(part.item_nos for part in parts)])
    scores = np.concatenate([np.empty(0, np.float32), *(part.scores for part in parts)])
    return best_of(item_nos, scores, n)


def nearest(items: Items, item_no: int, n: int, selection: Selection, excluded: I32) -> Hits:
    """The `n` items nearest to an item by cosine, in the gathered part of the selection, without the `excluded` ones.

    So every item of a narrow filter is compared. Items with a cosine of 0 or below are left out.
    """
    if not len(selection.item_nos):
        return NOTHING
    vector = items.vectors(np.array([item_no], np.int32))[0]
    products = _scores(selection, vector, np.append(excluded, np.int32(item_no)))
    best = best_of(selection.item_nos, _cosines(products, selection.lengths, vector), n)
    near = best.scores > 0
    return Hits(best.item_nos[near], best.scores[near])


def _cosines(products: F32, lengths: F32, vector: F32) -> F32:
    lengths = lengths * np.linalg.norm(vector)
    return np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
