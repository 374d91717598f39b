"""Interchange: which items of a category the same people view, or buy in other baskets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from common.schemas.data import DAY_S, EVENT_TYPES, F32, I32, I64, NO_USER, Bools, EventType, Interactions
from common.schemas.pairs import PairRule

_KINDS: Final = (EventType.VIEW, EventType.PURCHASE, EventType.CART)
"""The events that count: of the first kind that the shop has."""

MAX_ITEMS: Final = 64
"""Items of one person and category that make pairs, the latest: a reseller has bought all of a category."""

SHRINKAGE: Final = 10.0
"""Added to the denominator of the cosine, as in item-kNN."""

PAIRS_AT_ONCE: Final = 2_000_000
"""Pairs that are counted at once: about 100 MB."""

MAX_PAIRS: Final = 16_000_000
"""Most pairs that are counted, 256 MB; of a shop with more, a sample of the people. A grocer's year has 2.5 million."""


@dataclass(frozen=True, eq=False)
class Interchange:
    """For each item the others of its category with common buyers; where there are views, also for an item without a
    category the others without one. Row i is [offsets[i], offsets[i + 1]).

    offsets: (n_items + 1,) int64; items: (k,) int32, ascending within a row; values: (k,) float32, the cosine of buyers
    """

    offsets: I64
    items: I32
    values: F32

    @classmethod
    def nothing(cls, n_items: int) -> Interchange:
        return cls(np.zeros(n_items + 1, dtype=np.int64), np.empty(0, np.int32), np.empty(0, np.float32))

    @classmethod
    def of(cls, data: Interactions, numbers: I32 | I64, leaves: I32 | I64, rule: PairRule) -> Interchange:
        """Of what people and visits viewed; without any view, of what people bought, or else put into baskets.

        numbers: (data.n_items,) the number of each item code; leaves: (n_items,) by item number, -1 without a category
        rule: who must have viewed or bought both, so that a pair tells of nobody. Where visits without a person count
        as nobody's they are left out, since what they have in common would be everything.
        """
        n_items = len(leaves)
        if not rule.guests:
            data = data.where(data.users != NO_USER)
        owned = _Owned.of(data, np.asarray(numbers, dtype=np.int64), np.asarray(leaves, dtype=np.int64))
        cells, people = _counted(owned, n_items)
        kept = people >= rule.people
        first, second, people = cells[kept] // max(n_items, 1), cells[kept] % max(n_items, 1), people[kept]
        buyers = np.bincount(owned.items, minlength=n_items)
        values = people / (np.sqrt(buyers[first] * buyers[second]) + SHRINKAGE)
        first, second, values = np.append(first, second), np.append(second, first), np.tile(values, 2)
        order = np.lexsort((second, first))
        offsets = np.concatenate([[0], np.cumsum(np.bincount(first, minlength=n_items))])
        return cls(offsets.astype(np.int64), second[order].astype(np.int32), values[order].astype(np.float32))

    def best(self, rows: I64, listed: Bools, k: int) -> I32:
        """(len(rows), k) int32: of each of the rows the `listed` items with the highest values, -1 behind the last."""
        positions, items, values = self.entries(rows)
        shown = listed[items]
        positions, items, values = positions[shown], items[shown], values[shown]
        order = np.lexsort((items, -values, positions))
        positions, items = positions[order], items[order]
        places = np.arange(len(items)) - np.searchsorted(positions, positions)
        lists = np.full((len(rows), k), -1, dtype=np.int32)
        lists[positions[places < k], places[places < k]] = items[places < k]
        return lists

    def entries(self, rows: I64) -> tuple[I64, I32, F32]:
        """The entries of some rows: positions in `rows`, items and values."""
        lengths = self.offsets[rows + 1] - self.offsets[rows]
        places = np.repeat(self.offsets[rows] - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
        return np.repeat(np.arange(len(rows)), lengths), self.items[places], self.values[places]


def _counted(owned: _Owned, n_items: int) -> tuple[I64, I64]:
    """The pairs as first · n_items + second, first < second, each once, and the people who bought both."""
    cells, people = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for first, second in owned.pairs():
        pairs = np.minimum(first, second) * n_items + np.maximum(first, second)
        for parts, found in zip((cells, people), np.unique(pairs, return_counts=True), strict=True):
            parts.append(found)
    distinct, same_as = np.unique(np.concatenate(cells), return_inverse=True)
    return distinct, np.bincount(same_as.ravel(), np.concatenate(people), len(distinct)).astype(np.int64)


@dataclass(frozen=True, eq=False)
class _Owned:
    """Items of people, by person and category, the latest `MAX_ITEMS` of each.

    items: (m,) int64; once: (m,) int64, the basket of an item that the person has bought in one basket only, else -1;
    starts, ends: of each person's items of a category, those with the same number of items together
    """

    items: I64
    once: I64
    starts: I64
    ends: I64

    @classmethod
    def of(cls, data: Interactions, numbers: I64, leaves: I64) -> _Owned:
        kinds = (data.event_types == EVENT_TYPES.index(kind) for kind in _KINDS)
        chosen = next((kind for kind in kinds if kind.any()), np.zeros(len(data), dtype=np.bool_))
        if (data.event_types[chosen] == EVENT_TYPES.index(EventType.VIEW)).any():
            # What is viewed is compared, also where the shop has no categories. What is bought may only go together.
            leaves = np.where(leaves < 0, leaves.max(initial=-1) + 1, leaves)
        users = np.where(data.users != NO_USER, data.users, data.n_users + data.sessions)
        chosen = chosen & ((data.users != NO_USER) | (data.sessions >= 0)) & (leaves[numbers[data.items]] >= 0)
        rows, users = data.where(chosen), users[chosen].astype(np.int64)
        items = numbers[rows.items]
        baskets = np.where(rows.orders >= 0, 2 * rows.orders, 2 * (rows.ts // DAY_S) + 1)
        if (rows.event_types == EVENT_TYPES.index(EventType.VIEW)).any():
            # What is viewed in one visit is compared there.
            baskets = np.arange(len(rows))
        if not len(items):
            return cls(items, items, items, items)
        order = np.lexsort((np.arange(len(items)), items, leaves[items], users))
        items, users, baskets = items[order], users[order], baskets[order]
        begins = np.flatnonzero((np.diff(items, prepend=-1) != 0) | (np.diff(users, prepend=-1) != 0))
        ends = np.append(begins[1:], len(items))
        once = np.where(_same_within(baskets, begins), baskets[begins], -1)
        latest = rows.ts[order][ends - 1]
        return cls._latest(items[begins], users[begins], leaves[items[begins]], once, latest)

    @classmethod
    def _latest(cls, items: I64, users: I64, leaves: I64, once: I64, latest: I64) -> _Owned:
        order = np.lexsort((items, -latest, leaves, users))
        items, users, leaves, once = items[order], users[order], leaves[order], once[order]
        starts = np.flatnonzero((np.diff(users, prepend=-1) != 0) | (np.diff(leaves, prepend=-1) != 0))
        ends = np.minimum(np.append(starts[1:], len(items)), starts + MAX_ITEMS)
        return cls(items, once, starts, ends)

    def pairs(self) -> Iterator[tuple[I64, I64]]:
        """Yields the pairs of items of one person, without those that were bought in one common basket only."""
        lengths = self.ends - self.starts
        every = -(-int((lengths * (lengths - 1) // 2).sum()) // MAX_PAIRS) or 1
        for length in np.unique(lengths[lengths > 1]).tolist():
            one, other = np.triu_indices(length, 1)
            starts = self.starts[lengths == length][::every]
            at_once = max(PAIRS_AT_ONCE // len(one), 1)
            for at in range(0, len(starts), at_once):
                first = (starts[at : at + at_once, None] + one).ravel()
                second = (starts[at : at + at_once, None] + other).ravel()
                apart = (self.once[first] != self.once[second]) | (self.once[first] < 0)
                yield self.items[first[apart]], self.items[second[apart]]


def _same_within(values: I64, begins: I64) -> np.ndarray:
    return np.asarray(np.minimum.reduceat(values, begins) == np.maximum.reduceat(values, begins))
