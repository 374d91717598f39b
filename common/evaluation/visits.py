"""Visits and baskets: what comes next, and what else is in it, asked of any model after the cut.

Each visit of the window gives one figure, the mean over its questions, so that a long visit counts as one. Items of the
visit itself are never shown, as in serving, so a return to one of them is no question.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from scipy.sparse import csr_matrix

from common.evaluation import metrics
from common.evaluation.judge import MAX_K
from common.evaluation.links import scores_of_links, top_k_of_links
from common.evaluation.queries import Encoder, item_codes
from common.evaluation.ranking import blocks_of_scores, top_k
from common.evaluation.split import Fold
from common.models.artifact import Artifact
from common.models.sessions import Sequences, sessions_of
from common.schemas.data import EVENT_TYPES, F32, F64, I32, I64, Bools, EventType, Interactions, Weighting
from common.schemas.links import RECENT, Place

MAX_VISITS: Final = 5_000
"""Most visits that are asked about; of more, a sample is taken."""

MAX_BASKET: Final = 16
"""Lines of a basket that are asked about, the first: longer ones would give most of the questions."""


_KIND: Final = {Place.VISIT: EventType.VIEW, Place.BASKET: EventType.CART}
"""The kind of event that serving takes the given items for."""


@dataclass(frozen=True, eq=False)
class Questions:
    """Question i: given[offsets[i] : offsets[i + 1]] item codes, oldest first, and the `targets` (n,) int32 code.

    visits: (n,) int64, the visit of each question, ascending from 0 without gaps
    """

    place: Place
    fold: Fold
    offsets: I64
    given: I32
    targets: I32
    visits: I64

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True, eq=False)
class VisitJudgement:
    """The figures of one model. metrics: means over visits; primary: (visits,) float64, NDCG@10 of each visit, in the
    same order for every model."""

    metrics: dict[str, float]
    primary: F64


def questions_of(place: Place, fold: Fold, seed: int) -> Questions | None:
    """The questions of the fold's window; None where it has no visit or basket of two items that can be asked about."""
    known = np.bincount(fold.past.items, minlength=fold.past.n_items) > 0
    visits = visits_of(fold) if place is Place.VISIT else baskets_of(fold)
    ask = _next_items if place is Place.VISIT else other_lines
    asked: list[tuple[int, I32, int]] = []
    for number in _sample(len(visits), seed):
        rows = visits.items[visits.offsets[number] : visits.offsets[number + 1]]
        questions = ask(fold.future.items[rows], fold.future.ts[rows])
        asked += [(number, given, target) for given, target in questions if known[given].any()]
    if not asked:
        return None
    numbers, given, targets = zip(*asked, strict=True)
    return Questions(
        place=place,
        fold=fold,
        offsets=np.cumsum([0, *map(len, given)]),
        given=np.concatenate(given).astype(np.int32),
        targets=np.array(targets, dtype=np.int32),
        visits=np.unique(numbers, return_inverse=True)[1].astype(np.int64),
    )


def visits_of(fold: Fold) -> Sequences:
    """The visits of the window, as rows of its events."""
    return sessions_of(_rows_for_items(fold.future), Weighting()).of_length(2)


def baskets_of(fold: Fold, least: int = 2) -> Sequences:
    """The lines of orders with at least so many, as rows of the window's events: without order keys, what a person
    bought without a pause."""
    rows = _rows_for_items(fold.future)
    bought = rows.where(rows.event_types == EVENT_TYPES.index(EventType.PURCHASE))
    return sessions_of(replace(bought, sessions=np.full(len(bought), -1, dtype=np.int64)), Weighting()).of_length(least)


def _rows_for_items(data: Interactions) -> Interactions:
    """The events with their rows in place of their items, so that they can be found again in sequences."""
    return replace(data, items=np.arange(len(data), dtype=np.int32))


def _sample(n: int, seed: int) -> list[int]:
    if n <= MAX_VISITS:
        return list(range(n))
    return sorted(np.random.default_rng(seed).choice(n, MAX_VISITS, replace=False).tolist())


def _next_items(items: I32, times: I64) -> Iterator[tuple[I32, int]]:
    """What comes after each item of a visit. Events of one moment, such as the lines of an order, have no order, so
    nothing is asked between them."""
    for at in range(1, len(items)):
        if times[at] > times[at - 1] and items[at] not in items[:at]:
            yield items[max(0, at - RECENT) : at], int(items[at])


def other_lines(items: I32, _times: I64) -> Iterator[tuple[I32, int]]:
    """Each line of a basket with the others: what is given, and the line that is asked for."""
    _, first = np.unique(items, return_index=True)
    lines = items[np.sort(first)]
    for at in range(min(len(lines), MAX_BASKET) if len(lines) > 1 else 0):
        yield np.delete(lines, at)[-RECENT:], int(lines[at])


def judge_visits(artifact: Artifact, questions: Questions, encode: Encoder | None) -> VisitJudgement:
    """The figures of a model, of either shape; `encode` is that of a model of vectors."""
    row_of = np.full(questions.fold.past.n_items, -1, dtype=np.int64)
    codes = item_codes(artifact, questions.fold)
    row_of[codes[codes >= 0]] = np.flatnonzero(codes >= 0)
    rows = row_of[questions.given]
    offsets = np.concatenate([[0], np.cumsum(rows >= 0)])[questions.offsets]
    targets = row_of[questions.targets]
    if artifact.links is not None:
        hits = _hits_of_links(artifact, offsets, rows[rows >= 0], targets)
    else:
        assert encode is not None
        hits = _hits_of_vectors(artifact, offsets, rows[rows >= 0], targets, questions.place, encode)
    return _judged(hits, questions)


def _hits_of_links(artifact: Artifact, offsets: I64, rows: I64, targets: I64) -> Bools:
    relevant = _cells(np.arange(len(targets)), targets, len(artifact.item_ids))
    hits = np.zeros((len(targets), MAX_K), dtype=np.bool_)
    for part, scores in scores_of_links(artifact, offsets, rows):
        given = _given(offsets, rows, part, scores.shape[1])
        shown = (scores - scores.multiply(given)).tocsr()
        hits[part] = top_k_of_links(shown, relevant[part], MAX_K)[1]
    return hits


def _hits_of_vectors(artifact: Artifact, offsets: I64, rows: I64, targets: I64, place: Place, encode: Encoder) -> Bools:
    n_items = len(artifact.item_ids)
    relevant = _cells(np.arange(len(targets)), targets, n_items)
    queries = queries_of(artifact, offsets, rows, _KIND[place], encode)
    hits = np.zeros((len(targets), MAX_K), dtype=np.bool_)
    for part, scores in blocks_of_scores(queries, artifact.item_vectors, np.arange(n_items), n_items):
        given = _given(offsets, rows, part, n_items).tocoo()
        scores[given.row, given.col] = -np.inf
        hits[part] = top_k(scores, relevant[part], MAX_K)[1]
    return hits


def queries_of(artifact: Artifact, offsets: I64, rows: I64 | I32, event: EventType, encode: Encoder) -> F32:
    """(n, dim) float32: the query vector of each visit, rows[offsets[i] : offsets[i + 1]] of the artifact's items, each
    of which counts as such an event."""
    weighting = Weighting.model_validate(artifact.params.get("weighting", {}))
    weight = weighting.event_weights()[EVENT_TYPES.index(event)]
    queries = np.zeros((len(offsets) - 1, artifact.dim), dtype=np.float32)
    for query, start, end in zip(queries, offsets, offsets[1:], strict=False):
        vectors = artifact.item_vectors[rows[start:end]]
        weights = np.full(len(vectors), weight, dtype=np.float32)
        query[:] = encode(vectors, weights, artifact.encoder_arrays, artifact.encoder_params)
    return queries


def _given(offsets: I64, rows: I64, part: slice, n_items: int) -> Any:
    """csr_matrix (questions of the part, n_items) bool: the items that each question gives."""
    own = offsets[part.start : part.stop + 1]
    return _cells(np.repeat(np.arange(len(own) - 1), np.diff(own)), rows[own[0] : own[-1]], n_items, len(own) - 1)


def _cells(questions: I64, rows: I64, n_items: int, n: int | None = None) -> Any:
    """csr_matrix (n, n_items) bool, without the cells of items that the model does not know."""
    known = rows >= 0
    cells = (np.ones(int(known.sum()), dtype=np.bool_), (questions[known], rows[known]))
    return csr_matrix(cells, shape=(len(rows) if n is None else n, n_items))


def _judged(hits: Bools, questions: Questions) -> VisitJudgement:
    one = np.ones(len(hits), dtype=np.int32)
    primary = _by_visit(metrics.ndcg_at_k(hits, one, 10), questions)
    return VisitJudgement(
        metrics={
            "ndcg@10": float(primary.mean()),
            "hit_rate@20": float(_by_visit(metrics.hit_rate_at_k(hits, MAX_K), questions).mean()),
            "mrr@20": float(_by_visit(metrics.mrr_at_k(hits, MAX_K), questions).mean()),
            "visits": float(len(primary)),
        },
        primary=primary,
    )


def _by_visit(values: F64, questions: Questions) -> F64:
    return np.bincount(questions.visits, values) / np.bincount(questions.visits)
