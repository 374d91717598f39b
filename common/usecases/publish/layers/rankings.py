"""What a visitor of whom nothing is known is shown: what is bought most, in all and by category, and what is new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from common.schemas.data import DAY_S, F64, I32, I64, Bools, Interactions, Weighting

# NDCG@10 of the ranking over the next 28 days, mean of four cuts of the grocer's year: .180, .179, .178 and .177 with
# 7, 14, 28 days and no decay. So rather short: in a shop with seasons, what is over fades within weeks.
HALF_LIFE_DAYS: Final = 14.0
POPULAR_DEPTH: Final = 10_000
"""Length of the overall ranking. Who filters so narrowly that it runs out gets the newest items."""
CATEGORY_DEPTH: Final = 1_000


@dataclass(frozen=True)
class Shelf:
    """What rankings look at; row i is item number i.

    scores (n,) float64, see `popularity`; available (n,) bool; created_at (n,) int64 epoch seconds; categories (n,)
    int32, positions in `names`.
    """

    scores: F64
    available: Bools
    created_at: I64
    categories: I32
    names: tuple[str, ...]

    def popular(self) -> I32:
        """The items that are bought, most popular first, at most `POPULAR_DEPTH`; (k,) int32."""
        return self._by_score(np.flatnonzero(self.available), POPULAR_DEPTH)

    def newest(self) -> I32:
        """All available items, newest first; (k,) int32."""
        rows = np.flatnonzero(self.available)
        return rows[np.argsort(-self.created_at[rows], kind="stable")].astype(np.int32)

    def popular_by_category(self) -> dict[str, I32]:
        """`popular` in each category that has a name and sales, at most `CATEGORY_DEPTH` items each."""
        rows = np.flatnonzero(self.available & (self.scores > 0))
        rows = rows[np.argsort(self.categories[rows], kind="stable")]
        bounds = np.searchsorted(self.categories[rows], np.arange(len(self.names) + 1))
        return {
            name: self._by_score(rows[start:end], CATEGORY_DEPTH)
            for name, start, end in zip(self.names, bounds, bounds[1:], strict=False)
            if name and end > start
        }

    def named_categories(self) -> I32:
        """(n,) int32: `categories`, -1 where there is none."""
        named = np.array([bool(name) for name in self.names], dtype=np.bool_)
        return np.where(named[self.categories], self.categories, -1).astype(np.int32)

    def _by_score(self, rows: I64, depth: int) -> I32:
        rows = rows[self.scores[rows] > 0]
        return rows[np.argsort(-self.scores[rows], kind="stable")][:depth].astype(np.int32)


def popularity(data: Interactions, now_s: int) -> F64:
    """(n_items,) float64: events by item, weighted by type and recency; those without consent count too.

    An event after `now_s` weighs more than one, in step, so that scores of different moments differ by one factor and
    the scores of later events may be added to earlier ones.
    """
    by_type = Weighting().weigh(data, now_s).astype(np.float64)
    weights = by_type * np.exp2((data.ts - now_s) / (HALF_LIFE_DAYS * DAY_S))
    return np.bincount(data.items, weights=weights, minlength=data.n_items).astype(np.float64)


def category_codes(categories: Sequence[str]) -> tuple[I32, tuple[str, ...]]:
    """(n,) int32 positions in the distinct names, and the names."""
    names = tuple(dict.fromkeys(categories))
    codes = {name: code for code, name in enumerate(names)}
    return np.array([codes[name] for name in categories], dtype=np.int32), names
