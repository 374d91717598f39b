"""The questions of the kinds that lead from items to others: what each is asked of the weeks held back.

basket: a line of a basket by its other lines. bought-together: the other lines by one. session: the next item of a
visit by those before it. because-you-viewed: the same by the last one alone. because-you-bought: what is new to the
person in the next order, by the order before; an order ends a visit, so nothing comes after it there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, TypeVar

import numpy as np
from scipy.sparse import csr_matrix

from common.evaluation.split import Fold
from common.evaluation.visits import baskets_of, other_lines, visits_of
from common.models.sessions import Sequences
from common.schemas.data import DAY_S, EVENT_TYPES, I32, I64, NO_USER, Bools, EventType, Interactions
from common.schemas.kind import Kind
from common.schemas.links import RECENT

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

T = TypeVar("T")

Question = tuple[I32, I32, I32]
"""Item codes: what is given, oldest first; what is wanted; what is not shown beside what is given."""

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
    recent = past.where(past.ts >= fold.cut_s - BEFORE_DAYS * DAY_S).plus(future)
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
