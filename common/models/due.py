"""When people buy again: what is counted of each person's items, and of each item over all people.

A person's gap between two purchases of an item is known from few purchases, or from none. So it is averaged with the
item's gap over all people, that with its category's, and that with the shop's: each counts as much as a number of gaps
of one's own. Means are of logarithms, because one long holiday says little about the usual gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from common.schemas.data import (
    DAY_S,
    EVENT_TYPES,
    F32,
    F64,
    I32,
    I64,
    NO_USER,
    Bools,
    Catalogue,
    DueColumns,
    EventType,
    Interactions,
)
from common.schemas.documents import DueSettings
from common.schemas.due import BOUND
from common.schemas.ordering import stable_order

OWN_GAPS: Final = 1.0
ITEM_GAPS: Final = 5.0
CATEGORY_GAPS: Final = 20.0
SHOP_GAPS: Final = 1.0
"""How many gaps the wider group's mean counts as: of the item for a person, of the category for an item, and so on."""

USUAL_GAP_DAYS: Final = 28.0
"""The gap of a shop in which nobody has bought anything again."""

ITEM_BUYERS: Final = 5.0
CATEGORY_BUYERS: Final = 20.0
USUAL_REBUYS: Final = 0.1
"""The same for the share of buyers who have bought an item again: buyers that the wider group counts as, and the share
of a shop without buyers, which counts as one."""

LATELY_DAYS: Final = 28
BEFORE_DAYS: Final = 112
"""An item still sells if its purchases of the last days are its share of those of more days."""

MAX_GAP_DAYS: Final = 60_000.0
MAX_DAY: Final = 65_535
"""What the stored columns can hold."""

_PURCHASE: Final = EVENT_TYPES.index(EventType.PURCHASE)
_LEAST_RATE: Final = 1e-25


@dataclass(frozen=True, eq=False)
class OwnPurchases:
    """What people have bought and kept, an entry for each item of each person, sorted by person and item.

    The days of entry i are [offsets[i], offsets[i + 1]) of `days`: different days since 1970, ascending.

    users, items: (m,) int64 codes
    kept: (m,) float64, the share of the pieces that were not given back, above 0
    offsets: (m + 1,) int64
    days: (d,) int64
    """

    users: I64
    items: I64
    kept: F64
    offsets: I64
    days: I64

    def __len__(self) -> int:
        return len(self.users)

    @property
    def last_days(self) -> I64:
        return self.days[self.offsets[1:] - 1]

    @property
    def counts(self) -> I64:
        """(m,) int64: the number of days of each entry."""
        return np.diff(self.offsets)

    @property
    def entries(self) -> I64:
        """(d,) int64: the entry of each day."""
        return np.repeat(np.arange(len(self)), self.counts)

    def log_gaps(self) -> F64:
        """(m,) float64: the sums of the logarithms of each entry's gaps."""
        first = np.zeros(len(self.days), dtype=np.bool_)
        first[self.offsets[:-1]] = True
        logs = np.log(np.diff(self.days, prepend=0), where=~first, out=np.zeros(len(self.days)))
        return np.bincount(self.entries, logs, minlength=len(self)).astype(np.float64)

    def of(self, chosen: Bools) -> OwnPurchases:
        """The chosen (m,) bool entries."""
        counts = self.counts
        return OwnPurchases(
            users=self.users[chosen],
            items=self.items[chosen],
            kept=self.kept[chosen],
            offsets=np.concatenate([[0], np.cumsum(counts[chosen])]).astype(np.int64),
            days=self.days[np.repeat(chosen, counts)],
        )


def own_purchases(data: Interactions) -> OwnPurchases:
    """What the known people of the events have bought and kept."""
    width = max(data.n_items, 1)
    rows = np.flatnonzero(data.users != NO_USER)
    cells = data.users[rows].astype(np.int64) * width + data.items[rows]
    order = stable_order(cells)
    rows, cells = rows[order], cells[order]
    starts = np.flatnonzero(np.diff(cells, prepend=-1))
    pieces = data.pieces()[rows].astype(np.float64)
    of_cell = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(rows))))
    left, bought = _sums(pieces, starts), _sums(np.maximum(pieces, 0), starts)
    kept = np.flatnonzero(left > 0)
    counted = (data.event_types[rows] == _PURCHASE) & (left > 0)[of_cell]
    # The events of a cell stay in the order of time, so equal days are neighbours.
    cells_of_days, days = of_cell[counted], data.ts[rows[counted]] // DAY_S
    new = np.flatnonzero((np.diff(cells_of_days, prepend=-1) != 0) | (np.diff(days, prepend=-1) != 0))
    lengths = np.bincount(cells_of_days[new], minlength=len(starts))[kept]
    return OwnPurchases(
        users=cells[starts[kept]] // width,
        items=cells[starts[kept]] % width,
        kept=left[kept] / bought[kept],
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        days=days[new].astype(np.int64),
    )


def _sums(values: F64, starts: I64) -> F64:
    return np.add.reduceat(values, starts) if len(starts) else np.zeros(0)


class Expected(NamedTuple):
    """What is expected of each item of a shop: log_gaps, log_rebuys and log_sold (n_items,) float64, logarithms of the
    days between two purchases, of the share of buyers who buy it again, and of how much it still sells."""

    log_gaps: F64
    log_rebuys: F64
    log_sold: F64

    def at(self, numbers: I32) -> Expected:
        """Of the items with these numbers."""
        return Expected(self.log_gaps[numbers], self.log_rebuys[numbers], self.log_sold[numbers])


@dataclass(frozen=True, eq=False)
class ItemRhythms:
    """What is known of each item at a time, over all people: one number each, so that updates need no old events.

    table: (n_items, 6) float32: the sum of the logarithms of gaps, the number of gaps, the people who bought it, those
    who bought it again, and its purchases of the last `LATELY_DAYS` and `BEFORE_DAYS`
    """

    table: F32

    @classmethod
    def of(cls, own: OwnPurchases, n_items: int, today: int) -> ItemRhythms:
        """As of the day `today`."""
        items, counts, age = own.items, own.counts, today - own.days
        of_days = own.items[own.entries]
        columns = (
            (items, own.log_gaps()),
            (items, counts - 1),
            (items, np.ones(len(items))),
            (items, counts > 1),
            (of_days, age < LATELY_DAYS),
            (of_days, age < BEFORE_DAYS),
        )
        counted = [np.bincount(at, values, minlength=n_items) for at, values in columns]
        return cls(np.column_stack(counted).astype(np.float32))

    @classmethod
    def nothing(cls) -> ItemRhythms:
        """Of no items, for a base that was made when nothing was counted."""
        return cls(np.zeros((0, 6), np.float32))

    def placed(self, numbers: I32, n: int) -> ItemRhythms:
        """The table of `n` items, with item i at numbers[i] and nothing at the others."""
        table = np.zeros((n, self.table.shape[1]), np.float32)
        table[numbers] = self.table
        return ItemRhythms(table)

    def expected(self, categories: I32) -> Expected:
        """By the items' categories (n_items,) int32, codes from 0; all the same where the shop has none."""
        log_gaps, gaps, buyers, rebuyers, lately, before = self.table.astype(np.float64).T
        usual = (log_gaps.sum() + SHOP_GAPS * np.log(USUAL_GAP_DAYS)) / (gaps.sum() + SHOP_GAPS)
        rebuys = (rebuyers.sum() + USUAL_REBUYS) / (buyers.sum() + 1)
        return Expected(
            log_gaps=_shrunk(log_gaps, gaps, categories, usual, ITEM_GAPS, CATEGORY_GAPS),
            log_rebuys=np.log(_shrunk(rebuyers, buyers, categories, rebuys, ITEM_BUYERS, CATEGORY_BUYERS)),
            log_sold=np.log((lately + 1) / (before * LATELY_DAYS / BEFORE_DAYS + 1)),
        )


def _shrunk(sums: F64, counts: F64, categories: I32, shop: float, of_category: float, of_shop: float) -> F64:
    """(n_items,) float64: the means of items, shrunk to their categories', and these to the shop's."""
    by_category = np.bincount(categories, sums), np.bincount(categories, counts)
    means = (by_category[0] + of_shop * shop) / (by_category[1] + of_shop)
    return np.asarray((sums + of_category * means[categories]) / (counts + of_category))


def due_columns(own: OwnPurchases, expected: Expected, settings: DueSettings, today: int) -> DueColumns:
    """The columns of all entries; purchases are counted from the day `today`, later ones as if of that day."""
    decayed = np.exp2(-np.maximum(today - own.days, 0) / settings.half_life_days)
    rates = own.kept * np.bincount(own.entries, decayed, minlength=len(own))
    again = (
        np.log(np.maximum(rates, _LEAST_RATE))
        + settings.rebuys * expected.log_rebuys[own.items]
        + settings.sold * expected.log_sold[own.items]
    )
    log_gaps = (own.log_gaps() + OWN_GAPS * expected.log_gaps[own.items]) / (own.counts - 1 + OWN_GAPS)
    return DueColumns(
        again=np.clip(again, -BOUND, BOUND).astype(np.float16),
        last_days=np.clip(own.last_days, 0, MAX_DAY).astype(np.uint16),
        gaps=np.clip(np.exp(log_gaps), 1, MAX_GAP_DAYS).astype(np.float16),
    )


def categories_of(catalogue: Catalogue | None, item_ids: Sequence[str]) -> I32:
    """(n_items,) int32: codes of the items' categories; one code for those without."""
    named: dict[str, str] = dict(zip(catalogue.item_ids, catalogue.categories, strict=True)) if catalogue else {}
    codes: dict[str, int] = {}
    return np.array([codes.setdefault(named.get(item_id, ""), len(codes)) for item_id in item_ids], dtype=np.int32)
