"""The kinds that lead from items to others: what each is asked of the weeks held back, and how a list is counted.

basket: a line of a basket by its other lines. bought-together: the other lines by one. session: the next item of a
visit by those before it. because-you-viewed: the same by the last one alone. because-you-bought: what is new to the
person in the next order, by the order before; an order ends a visit, so nothing comes after it there. Lines of a
category that the question has are counted apart too: an alternative is no company. Each visit, basket or person gives
one figure, the mean over its questions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final, TypeVar

import numpy as np
from scipy.sparse import csr_matrix

from common.evaluation import metrics
from common.evaluation.links import scores_of_links, top_k_of_links
from common.evaluation.queries import Encoder, item_codes
from common.evaluation.ranking import blocks_of_scores, top_k
from common.evaluation.split import Fold
from common.evaluation.visits import baskets_of, other_lines, queries_of, visits_of
from common.models.artifact import Artifact
from common.models.sessions import Sequences
from common.schemas.data import DAY_S, EVENT_TYPES, F32, F64, I32, I64, NO_USER, Bools, EventType, Interactions
from common.schemas.kind import Kind
from common.schemas.links import RECENT
from common.schemas.mixing import MODEL_SHARE, mixed

KINDS: Final = (
    Kind.BASKET,
    Kind.BOUGHT_TOGETHER,
    Kind.SESSION,
    Kind.BECAUSE_YOU_VIEWED,
    Kind.BECAUSE_YOU_BOUGHT,
)

MAX_ASKED: Final = 2_000
MAX_QUESTIONS: Final = 3
"""Most visits, baskets or people that are asked about, and most questions of one; of more, a sample is taken."""

BEFORE_DAYS: Final = 60
"""Days before the window in which the order before the first one of the window is looked for."""

OTHER_CATEGORIES: Final = "ndcg@10 of other categories"
SAME_CATEGORY: Final = "ndcg@10 of the same category"
"""The figures that are counted apart, where something wanted is of a category that the question has."""

K: Final = 10
DEPTH: Final = 20

T = TypeVar("T")
Watch = Callable[[], None]
"""Called between blocks of work; it raises where the time is spent."""

Question = tuple[I32, I32, I32]
"""Item codes: what is given, oldest first; what is wanted; what is not shown beside what is given."""

_EVENT: Final = {
    Kind.BASKET: EventType.CART,
    Kind.BOUGHT_TOGETHER: EventType.CART,
    Kind.SESSION: EventType.VIEW,
    Kind.BECAUSE_YOU_VIEWED: EventType.VIEW,
    Kind.BECAUSE_YOU_BOUGHT: EventType.PURCHASE,
}
"""The kind of event that serving takes the given items for."""

_NOTHING: Final = np.empty(0, np.int32)


@dataclass(frozen=True, eq=False)
class Rows:
    """Item codes in rows: row i is items[offsets[i] : offsets[i + 1]]."""

    offsets: I64
    items: I32

    @classmethod
    def of(cls, rows: list[I32]) -> Rows:
        return cls(np.cumsum([0, *map(len, rows)], dtype=np.int64), np.concatenate([_NOTHING, *rows]).astype(np.int32))

    @property
    def owners(self) -> I64:
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    def where(self, mask: Bools) -> Rows:
        kept = np.bincount(self.owners[mask], minlength=len(self.offsets) - 1)
        return Rows(np.concatenate([[0], np.cumsum(kept)]).astype(np.int64), self.items[mask])

    def cells(self, part: slice, n_items: int) -> Any:
        """csr_matrix (rows of the part, n_items) bool; items below 0 are left out."""
        owners, items = self.owners, self.items
        inside = (owners >= part.start) & (owners < part.stop) & (items >= 0)
        owners, items = owners[inside] - part.start, items[inside]
        return csr_matrix((np.ones(len(items), np.bool_), (owners, items)), shape=(part.stop - part.start, n_items))


@dataclass(frozen=True, eq=False)
class Asked:
    """The questions of a kind, one a row of each.

    hidden: what is not shown, what is given included
    alike: (len(wanted.items),) bool, the wanted items of a category that the question has
    owners: (n,) int64, the visit, basket or person of each question, ascending from 0 without gaps
    """

    kind: Kind
    fold: Fold
    given: Rows
    wanted: Rows
    hidden: Rows
    alike: Bools
    owners: I64

    def __len__(self) -> int:
        return len(self.owners)

    @property
    def n_owners(self) -> int:
        return int(self.owners[-1]) + 1


@dataclass(frozen=True, eq=False)
class KindJudgement:
    """The figures of one list. metrics: means; primary, others: (n_owners,) float64 NDCG@10, of all that is wanted and
    of what is not alike, in the same order for every list; `others` is NaN where all is alike."""

    metrics: dict[str, float]
    primary: F64
    others: F64


def asked_of(kind: Kind, fold: Fold, categories: I64, seed: int) -> Asked | None:
    """The questions of the fold's window; None where there are none.

    categories: (n_items,) int64 by item code, -1 for an item without one.
    """
    random = np.random.default_rng(seed)
    known = np.bincount(fold.past.items, minlength=fold.past.n_items) > 0
    questions: list[Question] = []
    owners: list[int] = []
    for owner, found in enumerate(_FINDERS[kind](fold, random)):
        fit = [question for question in found if known[question[0]].any() and len(question[1])]
        questions += fit
        owners += [owner] * len(fit)
    if not questions:
        return None
    given, wanted = (Rows.of([question[at] for question in questions]) for at in range(2))
    return Asked(
        kind=kind,
        fold=fold,
        given=given,
        wanted=wanted,
        hidden=Rows.of([np.concatenate([given, hidden]) for given, _, hidden in questions]),
        alike=_alike(given, wanted, categories),
        owners=np.unique(owners, return_inverse=True)[1].astype(np.int64),
    )


def _alike(given: Rows, wanted: Rows, categories: I64) -> Bools:
    n = int(categories.max(initial=0)) + 2
    own = given.owners * n + categories[given.items]
    return np.isin(wanted.owners * n + categories[wanted.items], own) & (categories[wanted.items] >= 0)


def _baskets(fold: Fold, random: np.random.Generator) -> Iterator[list[Question]]:
    for rows in _some(baskets_of(fold), random):
        lines = list(other_lines(fold.future.items[rows], fold.future.ts[rows]))
        yield [(given, np.array([line], np.int32), _NOTHING) for given, line in _few(lines, random)]


def _together(fold: Fold, random: np.random.Generator) -> Iterator[list[Question]]:
    for rows in _some(baskets_of(fold), random):
        lines = np.unique(fold.future.items[rows])
        yield [(lines[[at]], np.delete(lines, at), _NOTHING) for at in _few(list(range(len(lines))), random)]


def _visits(fold: Fold, random: np.random.Generator) -> Iterator[list[Question]]:
    for rows in _some(visits_of(fold), random):
        items, times = fold.future.items[rows], fold.future.ts[rows]
        # Events of one moment, such as the lines of an order, have no order.
        places = [at for at in range(1, len(items)) if times[at] > times[at - 1] and items[at] not in items[:at]]
        yield [(items[max(0, at - RECENT) : at], items[[at]], _NOTHING) for at in _few(places, random)]


def _views(fold: Fold, random: np.random.Generator) -> Iterator[list[Question]]:
    seen = fold.future.event_types == EVENT_TYPES.index(EventType.VIEW)
    for rows in _some(visits_of(fold), random):
        items, times, viewed = fold.future.items[rows], fold.future.ts[rows], seen[rows]
        after = (times[1:] > times[:-1]) & (items[1:] != items[:-1]) & viewed[:-1]
        places = (1 + np.flatnonzero(after)).tolist()
        yield [(items[[at - 1]], items[[at]], _NOTHING) for at in _few(places, random)]


def _next_orders(fold: Fold, random: np.random.Generator) -> Iterator[list[Question]]:
    past, future = _purchases(fold.past), _purchases(fold.future)
    bought = np.unique(past.users.astype(np.int64) * past.n_items + past.items)
    starts = np.searchsorted(bought, np.arange(past.n_users + 1) * past.n_items)
    recent = _joined(past.where(past.ts >= fold.cut_s - BEFORE_DAYS * DAY_S), future)
    orders = baskets_of(Fold(fold.cut_s, past, recent), least=1)
    by_person = np.argsort(orders.people, kind="stable")
    people = orders.people[by_person]
    first = np.flatnonzero(np.diff(people, prepend=-1))
    for at in _sample(len(first), random):
        person = int(people[first[at]])
        own = by_person[first[at] : first[at + 1] if at + 1 < len(first) else None]
        lines = [orders.items[orders.offsets[order] : orders.offsets[order + 1]] for order in own]
        before = (bought[starts[person] : starts[person + 1]] % past.n_items).astype(np.int32)
        yield _few(list(_new_in(recent, lines, before, fold.cut_s)), random)


def _new_in(recent: Interactions, orders: list[I32], before: I32, cut_s: int) -> Iterator[Question]:
    """A question for each order after the cut, by the order before it. before: what was bought before the cut."""
    had = [before]
    for last, order in pairwise(orders):
        if recent.ts[order[0]] < cut_s:
            continue
        if recent.ts[last[0]] >= cut_s:
            had.append(recent.items[last])
        hidden = np.unique(np.concatenate(had))
        yield np.unique(recent.items[last])[-RECENT:], np.setdiff1d(recent.items[order], hidden), hidden


def _purchases(data: Interactions) -> Interactions:
    return data.where((data.event_types == EVENT_TYPES.index(EventType.PURCHASE)) & (data.users != NO_USER))


def _joined(first: Interactions, second: Interactions) -> Interactions:
    columns = ("users", "items", "ts", "qty", "event_types", "orders", "sessions", "prices")
    both: dict[str, Any] = {name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in columns}
    return replace(first, **both)


_FINDERS: Final[dict[Kind, Callable[[Fold, np.random.Generator], Iterator[list[Question]]]]] = {
    Kind.BASKET: _baskets,
    Kind.BOUGHT_TOGETHER: _together,
    Kind.SESSION: _visits,
    Kind.BECAUSE_YOU_VIEWED: _views,
    Kind.BECAUSE_YOU_BOUGHT: _next_orders,
}


def _some(sequences: Sequences, random: np.random.Generator) -> Iterator[I32]:
    """The rows of the window's events of a sample of the sequences."""
    for at in _sample(len(sequences), random):
        yield sequences.items[sequences.offsets[at] : sequences.offsets[at + 1]]


def _sample(n: int, random: np.random.Generator) -> list[int]:
    if n <= MAX_ASKED:
        return list(range(n))
    return sorted(random.choice(n, MAX_ASKED, replace=False).tolist())


def _few(questions: list[T], random: np.random.Generator) -> list[T]:
    if len(questions) <= MAX_QUESTIONS:
        return questions
    return [questions[at] for at in sorted(random.choice(len(questions), MAX_QUESTIONS, replace=False).tolist())]


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
