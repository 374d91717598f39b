"""Similar items: whether what was bought or viewed instead of an item is ranked first among the items of its category.

In a shop with views the question is which item is viewed next in the same visit. Else it is interchange: who has bought
an item, and within `INSTEAD_DAYS` buys another one of the same category in another basket, in which the first is not.
Only items of the same category are ranked, so a list gains nothing by keeping to the category, and must know more than
what is popular there. Each person, or visit without a person, gives one figure, the mean over its questions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from common.evaluation.split import Fold
from common.schemas.data import DAY_S, EVENT_TYPES, F32, F64, I32, I64, NO_USER, Bools, EventType, Interactions

INSTEAD_DAYS: Final = 60
"""Days within which another item of the category counts as bought instead."""

RECENT_LINES: Final = 32
"""Lines before a purchase, of the same person and category, that it may have replaced."""

MAX_CELLS: Final = 50_000_000
"""Most scores of all questions together: a shop without categories has all its items in one group."""

MAX_PEOPLE: Final = 5_000
MAX_QUESTIONS: Final = 50
"""Most people or visits that are asked about, and most questions of one of them; of more, a sample is taken."""

K: Final = 10
FIRST: Final = 5
"""Places of a list that a product's page shows."""

_MOST_DAYS: Final = 1 << 24
"""More days than a time in seconds has."""

_CELLS: Final = 1 << 24
"""Scores that are in memory at once: 64 MB."""

Scores = Callable[[I64, I64], F32]
"""A method: (q,) and (m,) item codes → (q, m) float32 scores of the second as substitutes of the first, -inf for what
it would not show."""


class Instead(StrEnum):
    """What the questions ask."""

    NEXT_VIEWED = "next_viewed"
    INTERCHANGE = "interchange"


@dataclass(frozen=True, eq=False)
class SimilarQuestions:
    """Question i: items[i] is the item that is looked at, targets[offsets[i] : offsets[i + 1]] are what came instead.

    groups: (n_items,) int64, the category of each item code; only items of one group are ranked
    asked: (n,) int64, who is asked, ascending from 0 without gaps
    """

    what: Instead
    groups: I64
    items: I64
    offsets: I64
    targets: I64
    asked: I64

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True, eq=False)
class SimilarJudgement:
    """The figures of one method. metrics: means over people; primary: (people,) float64, NDCG@10 of each, in the same
    order for every method."""

    metrics: dict[str, float]
    primary: F64


def similar_questions(fold: Fold, groups: I64, seed: int) -> SimilarQuestions | None:
    """The questions of the fold's window; None where there are none.

    groups: (n_items,) int64, the category of each item code, -1 for an item without one, about which nothing is asked.
    """
    views = EVENT_TYPES.index(EventType.VIEW)
    what = Instead.NEXT_VIEWED if (fold.future.event_types == views).any() else Instead.INTERCHANGE
    who, items, targets = _viewed_next(fold) if what is Instead.NEXT_VIEWED else _bought_instead(fold, groups)
    fits = (groups[items] >= 0) & (groups[items] == groups[targets]) & (items != targets)
    found = np.unique(np.column_stack([who[fits], items[fits], targets[fits]]), axis=0)
    begins = np.flatnonzero((np.diff(found[:, :2], axis=0, prepend=-2) != 0).any(axis=1))
    kept = _sample(found[begins, 0], seed)
    if not len(kept):
        return None
    kept = _within_bounds(kept, groups, found[begins[kept], 1], seed)
    ends = np.append(begins[1:], len(found))
    places = [np.arange(begins[at], ends[at]) for at in kept.tolist()]
    return SimilarQuestions(
        what=what,
        groups=groups,
        items=found[begins[kept], 1],
        offsets=np.cumsum([0, *map(len, places)], dtype=np.int64),
        targets=found[np.concatenate(places), 2],
        asked=np.unique(found[begins[kept], 0], return_inverse=True)[1].astype(np.int64),
    )


def _sample(who: I64, seed: int) -> I64:
    """The places of the questions to ask, in order; `who` (n,) ascends."""
    rng = np.random.default_rng(seed)
    people, starts, counts = np.unique(who, return_index=True, return_counts=True)
    chosen = np.arange(len(people))
    if len(people) > MAX_PEOPLE:
        chosen = np.sort(rng.choice(len(people), MAX_PEOPLE, replace=False))
    own = [starts[at] + _few(int(counts[at]), rng) for at in chosen.tolist()]
    return np.concatenate(own) if own else np.empty(0, dtype=np.int64)


def _within_bounds(kept: I64, groups: I64, items: I64, seed: int) -> I64:
    """Those of the questions, about `items`, whose groups have `MAX_CELLS` items together; at least one."""
    sizes = np.bincount(groups[groups >= 0])[groups[items]]
    if sizes.sum() <= MAX_CELLS:
        return kept
    order = np.random.default_rng(seed).permutation(len(kept))
    room = max(int((np.cumsum(sizes[order]) <= MAX_CELLS).sum()), 1)
    return kept[np.sort(order[:room])]


def _few(n: int, rng: np.random.Generator) -> I64:
    return np.arange(n) if n <= MAX_QUESTIONS else np.sort(rng.choice(n, MAX_QUESTIONS, replace=False))


Lines = tuple[I64, I64, I64]
"""For each pair: who is asked, the item, and what came instead."""


def _viewed_next(fold: Fold) -> Lines:
    """Each item of a visit with the next other one."""
    seen = fold.future.where(fold.future.event_types == EVENT_TYPES.index(EventType.VIEW))
    visits = np.where(seen.sessions >= 0, 2 * seen.sessions + 1, 2 * seen.users.astype(np.int64))
    seen, visits = seen.where(visits >= 0), visits[visits >= 0]
    order = np.lexsort((np.arange(len(seen)), seen.ts, visits))
    who, items, ts = visits[order], seen.items[order].astype(np.int64), seen.ts[order]
    follows = (who[1:] == who[:-1]) & (ts[1:] > ts[:-1])
    return who[1:][follows], items[:-1][follows], items[1:][follows]


def _bought_instead(fold: Fold, groups: I64) -> Lines:
    """Each purchase of the window with those that the person made in its category in the `INSTEAD_DAYS` before it, in
    other baskets, without the pairs of which one basket has both."""
    longest = INSTEAD_DAYS * DAY_S
    parts = [_bought(fold.past.where(fold.past.ts >= fold.cut_s - longest)), _bought(fold.future)]
    users, items, ts = (
        np.concatenate([getattr(part, name).astype(np.int64) for part in parts]) for name in ("users", "items", "ts")
    )
    baskets = np.concatenate([_baskets(part) for part in parts])
    order = np.lexsort((np.arange(len(users)), ts, groups[items], users))
    users, items, ts, baskets = users[order], items[order], ts[order], baskets[order]
    own = groups[items]
    n_items = len(groups)
    _, baskets = np.unique(baskets, return_inverse=True)
    held = np.unique(baskets * n_items + items)
    found: list[I64] = []
    for back in range(1, min(RECENT_LINES, len(users) - 1) + 1):
        before, after = np.arange(len(users) - back), np.arange(back, len(users))
        paired = (users[before] == users[after]) & (own[before] == own[after]) & (own[before] >= 0)
        paired &= (ts[after] >= fold.cut_s) & (ts[after] - ts[before] <= longest)
        paired &= (items[before] != items[after]) & (baskets[before] != baskets[after])
        before, after = before[paired], after[paired]
        apart = ~_within(held, baskets[before] * n_items + items[after])
        apart &= ~_within(held, baskets[after] * n_items + items[before])
        found.append(np.stack([users[before], items[before], items[after]])[:, apart])
    who, first, then = np.concatenate(found, axis=1) if found else np.empty((3, 0), dtype=np.int64)
    return who, first, then


def _bought(data: Interactions) -> Interactions:
    return data.where((data.users != NO_USER) & (data.event_types == EVENT_TYPES.index(EventType.PURCHASE)))


def _baskets(data: Interactions) -> I64:
    """(n_events,) int64: equal for the lines of one basket; without an order's key, what a person bought on one day."""
    days = data.users.astype(np.int64) * _MOST_DAYS + data.ts // DAY_S
    return np.where(data.orders >= 0, 2 * data.orders, 2 * days + 1)


def _within(sorted_values: I64, wanted: I64) -> Bools:
    if not len(sorted_values):
        return np.zeros(len(wanted), dtype=np.bool_)
    places = np.minimum(np.searchsorted(sorted_values, wanted), len(sorted_values) - 1)
    return np.asarray(sorted_values[places] == wanted)


def judge_similar(scores: Scores, questions: SimilarQuestions) -> SimilarJudgement:
    """The figures of a method on the questions. Of equal scores, what did not come instead is ranked first."""
    ndcg, hit, reciprocal = np.zeros((3, len(questions)))
    for rows, candidates, block in _blocks(scores, questions):
        for row, values in zip(rows.tolist(), block, strict=True):
            targets = questions.targets[questions.offsets[row] : questions.offsets[row + 1]]
            ranks = _ranks(values, np.searchsorted(candidates, targets))
            gains = 1 / np.log2(2 + np.arange(min(len(targets), K)))
            ndcg[row] = (1 / np.log2(2 + ranks[ranks < K])).sum() / gains.sum()
            hit[row] = float((ranks < FIRST).any())
            reciprocal[row] = 1 / (1 + ranks.min()) if ranks.min(initial=K) < K else 0.0
    primary = _by_person(ndcg, questions)
    return SimilarJudgement(
        metrics={
            "ndcg@10": float(primary.mean()),
            "hit_rate@5": float(_by_person(hit, questions).mean()),
            "mrr@10": float(_by_person(reciprocal, questions).mean()),
            "people": float(len(primary)),
            "questions": float(len(questions)),
        },
        primary=primary,
    )


def _blocks(scores: Scores, questions: SimilarQuestions) -> Iterator[tuple[I64, I64, F32]]:
    """Yields rows of questions about one group, the item codes of the group, and the (rows, codes) scores, -inf for the
    item itself."""
    by_group = np.argsort(questions.groups, kind="stable")
    sorted_groups = questions.groups[by_group]
    asked_groups = questions.groups[questions.items]
    order = np.argsort(asked_groups, kind="stable")
    for group, start, count in zip(*np.unique(asked_groups[order], return_index=True, return_counts=True), strict=True):
        candidates = by_group[np.searchsorted(sorted_groups, group) : np.searchsorted(sorted_groups, group, "right")]
        rows_at_once = max(_CELLS // len(candidates), 1)
        for first in range(start, start + count, rows_at_once):
            rows = order[first : min(first + rows_at_once, start + count)]
            block = np.array(scores(questions.items[rows], candidates), dtype=np.float32)
            block[np.arange(len(rows)), np.searchsorted(candidates, questions.items[rows])] = -np.inf
            yield rows, candidates, block


def _ranks(values: F32, targets: I64) -> I64:
    """(t,) int64: the ranks of the targets, from 0, ascending; `K` for those that are not shown."""
    own = np.sort(values[targets])[::-1]
    others = np.sort(np.delete(values, targets))
    before = len(others) - np.searchsorted(others, own, "left")
    return np.where(own > -np.inf, before + np.arange(len(own)), K)


def _by_person(values: F64, questions: SimilarQuestions) -> F64:
    return np.bincount(questions.asked, values) / np.bincount(questions.asked)


def share_of_group(lists: I32, groups: I64, listed: Bools, asked: I64 | None = None) -> F64:
    """(r,) float64: for each item that has `FIRST` others of its group to show, their share of the first places.

    lists: (n, k) int32 item numbers, -1 for an empty place; groups: (n,) int64, -1 without one; listed: (n,) bool, what
    may be shown; asked: item numbers that are asked about, all by default.
    """
    rows = np.arange(len(groups)) if asked is None else asked
    rows = rows[groups[rows] >= 0]
    others = np.bincount(groups[listed & (groups >= 0)], minlength=groups.max(initial=-1) + 1)
    rows = rows[others[groups[rows]] - listed[rows] >= FIRST]
    first = lists[rows, :FIRST]
    alike = (first >= 0) & (groups[first] == groups[rows, None])
    return np.asarray(alike.sum(axis=1) / FIRST)
