"""The general rankings: the most popular items, in all and by category, and the newest ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from common.schemas.data import F64, I32, I64, Bools

POPULAR_DEPTH: Final = 10_000
"""Length of the overall ranking. A filter that leaves fewer of it than an answer needs gets the newest items behind
them."""
CATEGORY_DEPTH: Final = 1_000

NEW_DAYS: Final = 28
"""How long an item counts as new."""
FEW_PEOPLE: Final = 10
"""An item with as many buyers is known: only such items become neighbours of others (see `base`). In a small shop those
are known that have as many as its sold items have on average."""
_SOLD: Final = 0.5
"""An item with a lower score has not been bought in the window, only looked at."""
NEW_DEPTH: Final = 1_000
"""Length of the list of new items that few people know. A shop that gives no dates has its whole first catalogue there
at first, and the list is scored for each visitor."""


@dataclass(frozen=True)
class RankedItems:
    """The items as rankings need them; row i is item number i.

    scores: (n,) float64, as `PopularCounts.scores` of popularity
    available: (n,) bool
    created_at: (n,) int64 epoch seconds
    categories: (n,) int32, positions in `names`
    """

    scores: F64
    available: Bools
    created_at: I64
    categories: I32
    names: tuple[str, ...]

    def popular(self) -> I32:
        """(k,) int32: the items that were bought, most popular first, at most `POPULAR_DEPTH`."""
        return self._by_score(np.flatnonzero(self.available), POPULAR_DEPTH)

    def newest(self) -> I32:
        """(k,) int32: all available items, newest first."""
        rows = np.flatnonzero(self.available)
        return rows[np.argsort(-self.created_at[rows], kind="stable")].astype(np.int32)

    def on_sale(self, items: I32) -> I32:
        """(k,) int32: `items`, the most popular first, of equally popular ones the newest."""
        order = np.lexsort((items, -self.created_at[items], -self.scores[items]))
        return items[order].astype(np.int32)

    def few_know(self, since_s: int) -> I32:
        """(k,) int32: items that exist since `since_s` and that few people have bought, newest first, at most
        `NEW_DEPTH`."""
        newest = self.newest()
        sold = self.scores[self.scores >= _SOLD]
        few = min(FEW_PEOPLE, sold.mean()) if len(sold) else FEW_PEOPLE
        is_new = (self.created_at[newest] >= since_s) & (self.scores[newest] < few)
        return newest[is_new][:NEW_DEPTH]

    def popular_by_category(self) -> dict[str, I32]:
        """`popular` for each category with a name and sales, at most `CATEGORY_DEPTH` items each."""
        rows = np.flatnonzero(self.available & (self.scores > 0))
        rows = rows[np.argsort(self.categories[rows], kind="stable")]
        bounds = np.searchsorted(self.categories[rows], np.arange(len(self.names) + 1))
        return {
            name: self._by_score(rows[start:end], CATEGORY_DEPTH)
            for name, start, end in zip(self.names, bounds, bounds[1:], strict=False)
            if name and end > start
        }

    def named_categories(self) -> I32:
        """(n,) int32: `categories`, -1 for items without one."""
        named = np.array([bool(name) for name in self.names], dtype=np.bool_)
        return np.where(named[self.categories], self.categories, -1).astype(np.int32)

    def _by_score(self, rows: I64, depth: int) -> I32:
        rows = rows[self.scores[rows] > 0]
        return rows[np.argsort(-self.scores[rows], kind="stable")][:depth].astype(np.int32)


def category_codes(categories: Sequence[str]) -> tuple[I32, tuple[str, ...]]:
    """(n,) int32 positions in the distinct names, and these names."""
    names = tuple(dict.fromkeys(categories))
    codes = {name: code for code, name in enumerate(names)}
    return np.array([codes[name] for name in categories], dtype=np.int32), names
