"""The lists of the kinds that lead from items to others, and their figures on the questions of `kind_questions`.

Lines of a category that the question has are counted apart too: an alternative is no company. Each visit, basket or
person gives one figure, the mean over its questions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from scipy.sparse import csr_matrix

from common.evaluation import metrics
from common.evaluation.kind_questions import Asked, Rows
from common.evaluation.links import scores_of_links, top_k_of_links
from common.evaluation.queries import Encoder, item_codes
from common.evaluation.ranking import blocks_of_scores, top_k
from common.evaluation.visits import queries_of
from common.models.artifact import Artifact
from common.schemas.data import F32, F64, I32, I64, Bools, EventType
from common.schemas.kind import Kind
from common.schemas.mixing import MODEL_SHARE, mixed

OTHER_CATEGORIES: Final = "ndcg@10 of other categories"
SAME_CATEGORY: Final = "ndcg@10 of the same category"
"""The figures that are counted apart, where something wanted is of a category that the question has."""

K: Final = 10
DEPTH: Final = 20

Watch = Callable[[], None]
"""Called between blocks of work; it raises where the time is spent."""

_EVENT: Final = {
    Kind.BASKET: EventType.CART,
    Kind.BOUGHT_TOGETHER: EventType.CART,
    Kind.SESSION: EventType.VIEW,
    Kind.BECAUSE_YOU_VIEWED: EventType.VIEW,
    Kind.BECAUSE_YOU_BOUGHT: EventType.PURCHASE,
}
"""The kind of event that serving takes the given items for."""


@dataclass(frozen=True, eq=False)
class KindJudgement:
    """The figures of one list. metrics: means; primary, others: (n_owners,) float64 NDCG@10, of all that is wanted and
    of what is not alike, in the same order for every list; `others` is NaN where all is alike."""

    metrics: dict[str, float]
    primary: F64
    others: F64


def lists_of(artifact: Artifact, asked: Asked, encode: Encoder | None, watch: Watch = lambda: None) -> I32:
    """(n, DEPTH) int32: the item codes that a model of either shape shows, best first, -1 behind the last; `encode` is
    that of a model of vectors. Of equal scores the item that comes first in the artifact is first, as in serving."""
    known = _Known.of(artifact, asked)
    found = np.full((len(asked), DEPTH), -1, dtype=np.int32)
    nothing = csr_matrix((len(asked), known.n_items), dtype=np.bool_)
    if artifact.links is not None:
        for part, scores in known.scores_of_links(watch):
            found[part] = top_k_of_links(scores, nothing[part], DEPTH)[0]
    else:
        assert encode is not None
        everything = np.arange(known.n_items)
        for part, dense in blocks_of_scores(known.queries(encode), artifact.item_vectors, everything, known.n_items):
            watch()
            cells = known.hidden.cells(part, known.n_items).tocoo()
            dense[cells.row, cells.col] = -np.inf
            found[part] = top_k(dense, nothing[part], DEPTH)[0]
    return np.where(found >= 0, known.codes[found], -1).astype(np.int32)


def mixed_lists(
    linked: Artifact, together: Artifact, model: Artifact, encode: Encoder, asked: Asked, watch: Watch = lambda: None
) -> I32:
    """(n, DEPTH) int32: the lists of two models of links as one, in which a model of vectors has a say."""
    found = np.full((len(asked), DEPTH), -1, dtype=np.int32)
    known = _Known.of(model, asked)
    queries = known.queries(encode)
    both = [_Known.of(artifact, asked).scored(watch) for artifact in (linked, together)]
    for row, parts in enumerate(zip(*both, strict=True)):
        if row % _WATCHED == 0:
            watch()
        items = np.unique(np.concatenate([listed for listed, _ in parts]))
        items = items[known.row_of[items] >= 0]
        scores = model.item_vectors[known.row_of[items]] @ queries[row]
        ranked, values = mixed([*((*part, 1.0) for part in parts), (items, scores, MODEL_SHARE)])
        best = ranked[np.lexsort((ranked, -values))][:DEPTH]
        found[row, : len(best)] = best
    return found


_WATCHED: Final = 256
"""Questions between two looks at the clock."""


@dataclass(frozen=True, eq=False)
class _Known:
    """The questions in rows of an artifact's items; of those that it does not know nothing is given.

    codes: (n_items,) the code of each row, -1 for an item that the fold does not have; row_of: (n_codes,) the reverse
    """

    artifact: Artifact
    asked: Asked
    codes: I64
    row_of: I64
    given: Rows
    hidden: Rows

    @classmethod
    def of(cls, artifact: Artifact, asked: Asked) -> _Known:
        codes = item_codes(artifact, asked.fold)
        row_of = np.full(asked.fold.past.n_items, -1, dtype=np.int64)
        row_of[codes[codes >= 0]] = np.flatnonzero(codes >= 0)
        given, hidden = (
            Rows(rows.offsets, row_of[rows.items].astype(np.int32)) for rows in (asked.given, asked.hidden)
        )
        return cls(artifact, asked, codes, row_of, given.where(given.items >= 0), hidden)

    @property
    def n_items(self) -> int:
        return len(self.artifact.item_ids)

    def queries(self, encode: Encoder) -> F32:
        return queries_of(self.artifact, self.given.offsets, self.given.items, _EVENT[self.asked.kind], encode)

    def scores_of_links(self, watch: Watch) -> Iterator[tuple[slice, Any]]:
        """Yields slices of the questions and their csr_matrix (n, n_items) float32 scores, 0 for what is hidden."""
        for part, scores in scores_of_links(self.artifact, self.given.offsets, self.given.items):
            watch()
            shown = (scores - scores.multiply(self.hidden.cells(part, self.n_items))).tocsr()
            shown.sort_indices()
            yield part, shown

    def scored(self, watch: Watch) -> Iterator[tuple[I32, F32]]:
        """Yields for each question the item codes that links lead to, and their scores."""
        for _, scores in self.scores_of_links(watch):
            for start, end in pairwise(scores.indptr.tolist()):
                rows, values = scores.indices[start:end], scores.data[start:end]
                yield self.codes[rows[values > 0]].astype(np.int32), values[values > 0]


def same_list(items: I32 | I64, asked: Asked) -> I32:
    """(n, DEPTH) int32: one ranked list of item codes for all questions, without what is hidden in each."""
    found = np.full((len(asked), DEPTH), -1, dtype=np.int32)
    for row, (start, end) in enumerate(zip(asked.hidden.offsets, asked.hidden.offsets[1:], strict=False)):
        shown = items[: DEPTH + end - start]
        shown = shown[~np.isin(shown, asked.hidden.items[start:end])][:DEPTH]
        found[row, : len(shown)] = shown
    return found


def judge_kind(lists: I32, asked: Asked) -> KindJudgement:
    """The figures of lists of item codes, as `lists_of` gives them."""
    hits, wanted = _hits(lists, asked.wanted, asked), np.diff(asked.wanted.offsets)
    primary = _by_owner(metrics.ndcg_at_k(hits, wanted.astype(np.int32), K), asked.owners, asked.n_owners)
    figures = {
        "ndcg@10": float(primary.mean()),
        "recall@10": float(_mean(metrics.recall_at_k(hits, wanted.astype(np.int32), K), asked)),
        "hit_rate@20": float(_mean(metrics.hit_rate_at_k(hits, DEPTH), asked)),
        "mrr@20": float(_mean(metrics.mrr_at_k(hits, DEPTH), asked)),
        "questions": float(len(asked)),
        "asked": float(asked.n_owners),
    }
    others = _of_those(lists, asked, ~asked.alike)
    if asked.alike.any():
        for name, values in ((OTHER_CATEGORIES, others), (SAME_CATEGORY, _of_those(lists, asked, asked.alike))):
            if not np.isnan(values).all():
                figures[name] = float(np.nanmean(values))
    return KindJudgement(figures, primary, others)


def _of_those(lists: I32, asked: Asked, chosen: Bools) -> F64:
    """(n_owners,) float64: NDCG@10 of the chosen of the wanted items, NaN where none is."""
    wanted = asked.wanted.where(chosen)
    counts = np.diff(wanted.offsets).astype(np.int32)
    asks = counts > 0
    values = np.full(asked.n_owners, np.nan)
    if asks.any():
        ndcg = metrics.ndcg_at_k(_hits(lists, wanted, asked)[asks], counts[asks], K)
        n = np.bincount(asked.owners[asks], minlength=asked.n_owners)
        sums = np.bincount(asked.owners[asks], ndcg, asked.n_owners)
        values[n > 0] = sums[n > 0] / n[n > 0]
    return values


def _hits(lists: I32, wanted: Rows, asked: Asked) -> Bools:
    n_items = asked.fold.past.n_items
    shown = np.arange(len(lists))[:, None] * n_items + lists
    return np.isin(shown, wanted.owners * n_items + wanted.items) & (lists >= 0)


def _mean(values: F64, asked: Asked) -> float:
    return float(_by_owner(values, asked.owners, asked.n_owners).mean())


def _by_owner(values: F64, owners: I64, n: int) -> F64:
    return np.bincount(owners, values, n) / np.bincount(owners, minlength=n)
