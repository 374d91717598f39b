"""Which items are listed as bought together with an item: those whose orders it shares more often than by chance.

Lists are sorted by lift with shrinkage, halved within a category: what stands for an item there is less of a help to
its buyer than what goes with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from common.schemas.data import F64, I32, I64, Bools, ItemLists
from common.serving.layer import Layer
from common.store.segments.co_purchases import CoPurchases, shrunk_lift

TOGETHER_DEPTH: Final = 32
"""Items listed of each item: what a filter leaves of them still fills a row of ten."""

# The grocer's year, 58,000 lines of 6,000 baskets of the 28 days to come: how often one of the first ten of an item's
# list was in the same basket, and how many of the ten were of its category. Shrinkage 1: .32, .29; 5: .38, .26; 10:
# .41, .23; 20: .43, .20; without lift, .45, .17, which is milk, bread and bananas for everything. With shrinkage 10 and
# the own category at .5: .40, .12; at .25: .39, .07; at .1: .38, .04. Lift over what each person's own orders would
# bring together by chance instead raised the share of the category and lowered the hits: who likes two kinds of yoghurt
# takes both at once.
SAME_CATEGORY: Final = 0.5


@dataclass(frozen=True)
class Orders:
    """How many of `n_orders` orders hold each item: by_item (n,) int64, of item number i."""

    by_item: I64
    n_orders: int

    @classmethod
    def of(cls, found: CoPurchases, numbers: I32, n: int) -> Orders:
        """numbers (n_items,) int32: the item numbers of found.item_ids; n: how many numbers there are."""
        by_item = np.zeros(n, dtype=np.int64)
        by_item[numbers] = found.orders
        return cls(by_item, found.n_orders)

    def plus(self, later: Orders) -> Orders:
        """`later` may know more items."""
        by_item = later.by_item.copy()
        by_item[: len(self.by_item)] += self.by_item
        return Orders(by_item, self.n_orders + later.n_orders)


@dataclass(frozen=True)
class Pairs:
    """An item, another, and the orders that hold both: items, others (m,) int32 numbers, together (m,) int64."""

    items: I32
    others: I32
    together: I64

    @classmethod
    def both_ways(cls, found: CoPurchases, numbers: I32) -> Pairs:
        first, second = numbers[found.first], numbers[found.second]
        return cls(np.append(first, second), np.append(second, first), np.tile(found.together, 2))

    @classmethod
    def listed(cls, lists: ItemLists, together: I64, item_nos: I32) -> Pairs:
        """What `lists` say of some items; together (len(lists.items),) belongs to their entries."""
        spans = [(item_no, span) for item_no in item_nos.tolist() if (span := lists.span(item_no)) is not None]
        lengths = [span.stop - span.start for _, span in spans]
        at = np.concatenate([np.empty(0, np.int64), *(np.arange(span.start, span.stop) for _, span in spans)])
        items = np.repeat(np.array([item_no for item_no, _ in spans], dtype=np.int32), lengths)
        return cls(items, lists.items[at], together[at])

    def where(self, mask: Bools) -> Pairs:
        return Pairs(self.items[mask], self.others[mask], self.together[mask])

    def scores(self, orders: Orders, categories: I32) -> F64:
        """(m,) float64; categories (n,) int32 are codes, -1 for an item without one."""
        lift = shrunk_lift(self.together, orders.by_item[self.items], orders.by_item[self.others], orders.n_orders)
        own = categories[self.items]
        alike = (own == categories[self.others]) & (own >= 0)
        return lift * np.where(alike, SAME_CATEGORY, 1.0)


def list_pairs(pairs: Pairs, scores: F64) -> tuple[ItemLists, I64]:
    """Of each item the `TOGETHER_DEPTH` best others, and (k,) int64 in how many orders each of them is with it."""
    order = np.lexsort((pairs.others, -scores, pairs.items))
    items = pairs.items[order]
    nos, starts, lengths = np.unique(items, return_index=True, return_counts=True)
    places = np.arange(len(items)) - np.repeat(starts, lengths)
    order = order[places < TOGETHER_DEPTH]
    offsets = np.append(0, np.cumsum(np.minimum(lengths, TOGETHER_DEPTH)))
    return ItemLists(nos, offsets.astype(np.int64), pairs.others[order]), pairs.together[order]


@dataclass(frozen=True)
class Kept:
    """What a base keeps of its orders, so that an update needs only those that came later: its lists, in how many
    orders `together` (k,) int64 each of their entries is with its item, and the orders of each item."""

    lists: ItemLists
    together: I64
    orders: Orders

    @classmethod
    def counted(cls, found: CoPurchases, numbers: I32, categories: I32) -> Kept:
        """Of all orders; numbers (n_items,) int32 are those of found.item_ids; categories (n,) int32 are codes, -1 for
        an item without one."""
        orders = Orders.of(found, numbers, len(categories))
        pairs = Pairs.both_ways(found, numbers)
        lists, together = list_pairs(pairs, pairs.scores(orders, categories))
        return cls(lists, together, orders)

    @classmethod
    def of(cls, base: Layer) -> Kept | None:
        """None where the base was written before there were lists."""
        if base.bought_together is None:
            return None
        orders = Orders(base.encoder["orders"], int(base.encoder["n_orders"][0]))
        return cls(base.bought_together, base.encoder["orders_together"], orders)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        n_orders = np.array([self.orders.n_orders], dtype=np.int64)
        return {"orders": self.orders.by_item, "orders_together": self.together, "n_orders": n_orders}

    def updated(self, later: CoPurchases, numbers: I32, touched: I32, categories: I32, min_people: int) -> ItemLists:
        """The lists of the items `touched` (t,) int32, with the orders of all batches since the base.

        numbers (n_items,) int32 are those of later.item_ids; `categories` are as in `counted`. A pair that the base
        does not list must have been bought by `min_people` since: who had bought it before is not known here, so
        training may list what an update leaves out, but never the reverse.
        """
        before = Pairs.listed(self.lists, self.together, touched)
        since = Pairs.both_ways(later, numbers)
        proven = np.tile(later.people, 2) >= min_people
        asked = np.isin(since.items, touched)
        orders = self.orders.plus(Orders.of(later, numbers, len(categories)))
        pairs = _merged(before, since.where(asked), proven[asked])
        return list_pairs(pairs, pairs.scores(orders, categories))[0]


def _merged(before: Pairs, since: Pairs, proven: Bools) -> Pairs:
    """The orders of both; of the pairs `since`, those that are `proven` (m,) bool or were there before."""
    both = Pairs(*(np.append(getattr(before, name), getattr(since, name)) for name in ("items", "others", "together")))
    allowed = np.append(np.ones(len(before.items), dtype=np.bool_), proven)
    ids = np.stack([both.items, both.others], axis=1)
    distinct, same_as = np.unique(ids, axis=0, return_inverse=True)
    same_as = same_as.reshape(-1)
    together = np.bincount(same_as, weights=both.together, minlength=len(distinct)).astype(np.int64)
    kept = np.bincount(same_as, weights=allowed, minlength=len(distinct)) > 0
    return Pairs(distinct[kept, 0], distinct[kept, 1], together[kept])
