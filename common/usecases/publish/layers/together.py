"""Lists of items bought together with an item: those that are in its orders more often than by chance.

Lists are sorted by lift with shrinkage. Within a category the lift is halved, because an alternative to an item helps
its buyer less than an item that goes with it.
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
"""Length of an item's list: enough for a row of ten after a filter."""

# Factor of the lift within a category. It halves the share of the item's own category and keeps nearly all hits
# (docs/measurements-models.md).
SAME_CATEGORY: Final = 0.5


@dataclass(frozen=True)
class OrderCounts:
    """The number of orders with each item, of `n_orders` in all. by_item: (n,) int64, by item number."""

    by_item: I64
    n_orders: int

    @classmethod
    def of(cls, counts: CoPurchases, numbers: I32, n: int) -> OrderCounts:
        """From counted co-purchases. numbers: (n_items,) int32, the item numbers of counts.item_ids; n: number of
        items."""
        by_item = np.zeros(n, dtype=np.int64)
        by_item[numbers] = counts.orders
        return cls(by_item, counts.n_orders)

    def plus(self, later: OrderCounts) -> OrderCounts:
        """The sum of both; `later` may have more items."""
        by_item = later.by_item.copy()
        by_item[: len(self.by_item)] += self.by_item
        return OrderCounts(by_item, self.n_orders + later.n_orders)


@dataclass(frozen=True)
class Pairs:
    """Pairs of an item and another, in both directions, with the number of orders that contain both.

    items, others: (m,) int32 numbers
    together: (m,) int64
    """

    items: I32
    others: I32
    together: I64

    @classmethod
    def both_ways(cls, counts: CoPurchases, numbers: I32) -> Pairs:
        """Every pair in both directions; numbers (n_items,) int32 are those of counts.item_ids."""
        first, second = numbers[counts.first], numbers[counts.second]
        return cls(np.append(first, second), np.append(second, first), np.tile(counts.together, 2))

    @classmethod
    def listed(cls, lists: ItemLists, together: I64, item_nos: I32) -> Pairs:
        """The pairs in the lists of some items; together (len(lists.items),) int64 belongs to the entries of the
        lists."""
        spans = [(item_no, span) for item_no in item_nos.tolist() if (span := lists.span(item_no)) is not None]
        lengths = [span.stop - span.start for _, span in spans]
        at = np.concatenate([np.empty(0, np.int64), *(np.arange(span.start, span.stop) for _, span in spans)])
        items = np.repeat(np.array([item_no for item_no, _ in spans], dtype=np.int32), lengths)
        return cls(items, lists.items[at], together[at])

    def where(self, mask: Bools) -> Pairs:
        return Pairs(self.items[mask], self.others[mask], self.together[mask])

    def scores(self, orders: OrderCounts, categories: I32) -> F64:
        """(m,) float64; categories (n,) int32 are codes, -1 for an item without one."""
        lift = shrunk_lift(self.together, orders.by_item[self.items], orders.by_item[self.others], orders.n_orders)
        own = categories[self.items]
        alike = (own == categories[self.others]) & (own >= 0)
        return lift * np.where(alike, SAME_CATEGORY, 1.0)


def list_pairs(pairs: Pairs, scores: F64) -> tuple[ItemLists, I64]:
    """For each item the `TOGETHER_DEPTH` best others, and (k,) int64 the number of orders that each shares with it."""
    order = np.lexsort((pairs.others, -scores, pairs.items))
    items = pairs.items[order]
    nos, starts, lengths = np.unique(items, return_index=True, return_counts=True)
    places = np.arange(len(items)) - np.repeat(starts, lengths)
    order = order[places < TOGETHER_DEPTH]
    offsets = np.append(0, np.cumsum(np.minimum(lengths, TOGETHER_DEPTH)))
    return ItemLists(nos, offsets.astype(np.int64), pairs.others[order]), pairs.together[order]


@dataclass(frozen=True)
class StoredCoPurchases:
    """What a base stores of its orders, so that an update needs only the later ones.

    lists: the lists of its items
    together: (k,) int64, the number of orders that each entry of the lists shares with its item
    orders: the number of orders with each item
    """

    lists: ItemLists
    together: I64
    orders: OrderCounts

    @classmethod
    def counted(cls, counts: CoPurchases, numbers: I32, categories: I32) -> StoredCoPurchases:
        """From all orders. numbers: (n_items,) int32, those of counts.item_ids; categories: (n,) int32 codes, -1 for an
        item without one."""
        orders = OrderCounts.of(counts, numbers, len(categories))
        pairs = Pairs.both_ways(counts, numbers)
        lists, together = list_pairs(pairs, pairs.scores(orders, categories))
        return cls(lists, together, orders)

    @classmethod
    def of(cls, base: Layer) -> StoredCoPurchases | None:
        """From a base; None where it is from before there were lists."""
        if base.bought_together is None:
            return None
        orders = OrderCounts(base.encoder["orders"], int(base.encoder["n_orders"][0]))
        return cls(base.bought_together, base.encoder["orders_together"], orders)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by their names among the encoder arrays of a base."""
        n_orders = np.array([self.orders.n_orders], dtype=np.int64)
        return {"orders": self.orders.by_item, "orders_together": self.together, "n_orders": n_orders}

    def updated(self, later: CoPurchases, numbers: I32, touched: I32, categories: I32, min_people: int) -> ItemLists:
        """The lists of the items `touched` (t,) int32 over the orders of all batches since the base.

        numbers: (n_items,) int32, those of later.item_ids; `categories` as in `counted`. A pair that the base does not
        list must have been bought by `min_people` people since the base, because its earlier buyers are not known here.
        So training may list pairs that an update leaves out, but never the reverse.
        """
        before = Pairs.listed(self.lists, self.together, touched)
        since = Pairs.both_ways(later, numbers)
        proven = np.tile(later.people, 2) >= min_people
        wanted = np.isin(since.items, touched)
        orders = self.orders.plus(OrderCounts.of(later, numbers, len(categories)))
        pairs = _merged(before, since.where(wanted), proven[wanted])
        return list_pairs(pairs, pairs.scores(orders, categories))[0]


def _merged(before: Pairs, since: Pairs, proven: Bools) -> Pairs:
    """The orders of both; pairs of `since` only if they are `proven` (m,) bool or in `before`."""
    both = Pairs(*(np.append(getattr(before, name), getattr(since, name)) for name in ("items", "others", "together")))
    allowed = np.append(np.ones(len(before.items), dtype=np.bool_), proven)
    ids = np.stack([both.items, both.others], axis=1)
    distinct, same_as = np.unique(ids, axis=0, return_inverse=True)
    same_as = same_as.reshape(-1)
    together = np.bincount(same_as, weights=both.together, minlength=len(distinct)).astype(np.int64)
    kept = np.bincount(same_as, weights=allowed, minlength=len(distinct)) > 0
    return Pairs(distinct[kept, 0], distinct[kept, 1], together[kept])
