"""The lists of similar items: of the same leaf category first, then of the next wider ones, each ranked by the blend.

So an item of another category comes only where the own one has nothing left to show. An item without a category is
similar to those with common visitors. All items of a group are compared
with each other, at most the `CANDIDATES` most popular of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from common.models.similar.interchange import Interchange
from common.models.similar.paths import CategoryTree
from common.models.similar.traits import TraitsOf, likeness, popularity_within
from common.schemas.data import F32, F64, I32, I64, Bools
from common.schemas.documents import SimilarBlend

CANDIDATES: Final = 4096
"""Most items of one group that are compared with an item: 92,000 items, all in one category, take 12 s."""

_CELLS: Final = 1 << 22
"""Scores that are in memory at once: 16 MB."""


@dataclass(frozen=True, eq=False)
class Shelves:
    """All items as the lists need them, by item number.

    traits: of any items
    tree: their categories
    popular: (n_items,) float64, scores of popularity
    listed: (n_items,) bool, what may be shown
    interchange: common buyers
    """

    traits: TraitsOf
    tree: CategoryTree
    popular: F64
    listed: Bools
    interchange: Interchange

    def scores(self, rows: I64, others: I64, blend: SimilarBlend) -> F32:
        """(rows, others) float32: how much the `others`, ascending and of one category, are substitutes of the rows."""
        return self.blended(rows, others, blend, popularity_within(self.popular, others))

    def blended(self, rows: I64, others: I64, blend: SimilarBlend, popular: F32) -> F32:
        scores = likeness(self.traits.at(rows), self.traits.at(others), blend)
        scores += np.float32(blend.popular) * popular
        positions, items, values = self.interchange.entries(rows)
        places = np.minimum(np.searchsorted(others, items), max(len(others) - 1, 0))
        there = others[places] == items if len(others) else np.zeros(len(items), dtype=np.bool_)
        scores[positions[there], places[there]] += np.float32(blend.interchange) * values[there]
        return scores


def similar_lists(shelves: Shelves, rows: I64, blend: SimilarBlend, k: int) -> I32:
    """(len(rows), k) int32: as `similar_in_categories`; for an item without a category those with common visitors, if
    the blend counts them."""
    lists = similar_in_categories(shelves, rows, blend, k)
    bare = np.flatnonzero(shelves.tree.leaves[rows] < 0)
    if blend.interchange and len(bare):
        lists[bare] = shelves.interchange.best(rows[bare], shelves.listed, k)
    return lists


def similar_in_categories(shelves: Shelves, rows: I64, blend: SimilarBlend, k: int) -> I32:
    """(len(rows), k) int32: for each of the items `rows` the best of its categories, best first, -1 behind the last.

    Empty for an item without a category.
    """
    lists = np.full((len(rows), k), -1, dtype=np.int32)
    # More than a blend can give, so that a narrower category in common comes first.
    bonus = np.float32(1 + sum(blend.model_dump().values()))
    for places, candidates in _batches(shelves, rows, k):
        popular = popularity_within(shelves.popular, candidates)
        at_once = max(_CELLS // max(len(candidates), 1), 1)
        for start in range(0, len(places), at_once):
            some = places[start : start + at_once]
            scores = shelves.blended(rows[some], candidates, blend, popular)
            scores += bonus * shelves.tree.shared(rows[some], candidates)
            scores[rows[some][:, None] == candidates] = -np.inf
            lists[some] = _best(scores, candidates, k)
    return lists


def _batches(shelves: Shelves, rows: I64, k: int) -> Iterator[tuple[I64, I64]]:
    """Yields places in `rows`, and the candidates of these items, ascending."""
    members = _Members.of(shelves)
    groups = members.wide_enough(shelves, rows, k)
    leaves = shelves.tree.leaves[rows]
    # Of a group that is cut, the items of one leaf are a batch: all of their leaf stay candidates.
    cut = np.where(members.counts[groups] > CANDIDATES, leaves, -1)
    order = np.lexsort((cut, groups))
    order = order[groups[order] >= 0]
    starts = np.flatnonzero((np.diff(groups[order], prepend=-1) != 0) | (np.diff(cut[order], prepend=-1) != 0))
    for places in np.split(order, starts[1:]) if len(order) else ():
        group, leaf = int(groups[places[0]]), int(cut[places[0]])
        candidates = members.best(group)
        yield places, candidates if leaf in (-1, group) else np.union1d(candidates, members.best(leaf))


@dataclass(frozen=True, eq=False)
class _Members:
    """The items to show of each group. counts: (n_groups + 1,) int64, the last for no group; numbers: item numbers by
    group; starts: (n_groups + 1,) int64, where each begins."""

    counts: I64
    numbers: I64
    starts: I64
    popular: F64

    @classmethod
    def of(cls, shelves: Shelves) -> _Members:
        listed = np.flatnonzero(shelves.listed)
        groups = [level[listed] for level in shelves.tree.levels.T]
        all_groups = np.concatenate([np.empty(0, dtype=np.int32), *groups])
        numbers = np.tile(listed, len(groups))[all_groups >= 0]
        all_groups = all_groups[all_groups >= 0]
        order = np.lexsort((numbers, all_groups))
        counts = np.bincount(all_groups, minlength=shelves.tree.n_groups + 1).astype(np.int64)
        return cls(counts, numbers[order].astype(np.int64), np.cumsum(counts) - counts, shelves.popular)

    def wide_enough(self, shelves: Shelves, rows: I64, k: int) -> I32:
        """(len(rows),) int32: for each item its narrowest group with `k` others to show, else its widest; -1 without
        one."""
        chosen = np.full(len(rows), -1, dtype=np.int32)
        for level in shelves.tree.levels.T:
            own = level[rows]
            enough = self.counts[own] - shelves.listed[rows] >= k
            chosen = np.where((own >= 0) & (enough | (chosen < 0)), own, chosen)
        return chosen

    def best(self, group: int) -> I64:
        """The item numbers of a group, ascending; of more than `CANDIDATES` the most popular."""
        own = self.numbers[self.starts[group] : self.starts[group] + self.counts[group]]
        if len(own) <= CANDIDATES:
            return own
        return np.sort(own[np.argsort(-self.popular[own], kind="stable")[:CANDIDATES]])


def _best(scores: F32, candidates: I64, k: int) -> I32:
    """(n, k) int32: the candidates with the highest scores; of equal ones among them the lower number first."""
    depth = min(k, scores.shape[1])
    lists = np.full((len(scores), k), -1, dtype=np.int32)
    if depth == 0:
        return lists
    top = np.sort(np.argpartition(-scores, depth - 1, axis=1)[:, :depth], axis=1)
    values = np.take_along_axis(scores, top, 1)
    order = np.argsort(-values, axis=1, kind="stable")
    top, values = np.take_along_axis(top, order, 1), np.take_along_axis(values, order, 1)
    lists[:, :depth] = np.where(values > -np.inf, candidates[top], -1)
    return lists
