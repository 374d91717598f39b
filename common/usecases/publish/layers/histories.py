"""The histories of people: each person's summed events with each item, as they are served and as encoders use them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from common.schemas.data import (
    EVENT_TYPES,
    F32,
    I32,
    I64,
    NO_USER,
    Bools,
    EventType,
    Interactions,
    Weighting,
    repeated,
)
from common.schemas.ordering import stable_order

ORDER_GAP_S: Final = 30 * 60
"""As in the store's definition of an order by time, in seconds."""

_PURCHASE: Final = EVENT_TYPES.index(EventType.PURCHASE)
_RETURN: Final = EVENT_TYPES.index(EventType.RETURN)


@dataclass(frozen=True)
class Histories:
    """The histories of all people. Row i is person i of the interactions: [offsets[i], offsets[i + 1]) of the other
    arrays.

    Each item is there once, in the order of the person's last event with it, oldest first; items that returns have
    cancelled are left out.

    offsets: (n_users + 1,) int64
    items: (h,) int32 codes of the interactions
    weights: (h,) float32 ≥ 0, summed
    purchased: (h,) bool, whether more was bought than returned
    repeats: (h,) float32 ≥ 0, summed weights as of `repeated`
    latest: (h,) bool, whether the item was bought in the person's last order
    """

    offsets: I64
    items: I32
    weights: F32
    purchased: Bools
    repeats: F32
    latest: Bools

    def of_people(self, rows: I64) -> Histories:
        """The histories of `rows`, ascending. The people left out must have none."""
        return replace(self, offsets=np.append(self.offsets[rows], self.offsets[-1:]))


def histories_of(
    data: Interactions, weighting: Weighting, now_s: int, repeat_half_life_days: float | None = None
) -> Histories:
    """The histories of all people. `now_s` (epoch seconds) is the time from which recency is counted."""
    rows = np.flatnonzero(data.users != NO_USER)
    cells = data.users[rows].astype(np.int64) * max(data.n_items, 1) + data.items[rows]
    # The events of a cell stay in the order of time, so the last one is the newest.
    order = stable_order(cells)
    rows, cells = rows[order], cells[order]
    starts = np.flatnonzero(np.diff(cells, prepend=-1))
    weights = np.maximum(_sums(weighting.weigh(data, now_s)[rows], starts), 0)
    purchased = _sums(data.pieces()[rows], starts) > 0
    repeats = np.maximum(_sums(repeated(repeat_half_life_days).weigh(data, now_s)[rows], starts), 0)
    latest = _any(_in_last_order(data)[rows], starts)
    newest = rows[np.append(starts[1:], len(rows)) - 1] if len(starts) else starts
    users, items = data.users[rows[starts]], data.items[rows[starts]]

    counted = np.flatnonzero((weights > 0) | purchased)
    at_event = np.full(len(data), -1, dtype=np.int64)
    at_event[newest[counted]] = counted
    by_time = at_event[at_event >= 0]
    kept = by_time[stable_order(users[by_time])]
    counts = np.bincount(users[kept], minlength=data.n_users)
    return Histories(
        offsets=np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        items=items[kept].astype(np.int32),
        weights=weights[kept].astype(np.float32),
        purchased=purchased[kept],
        repeats=repeats[kept].astype(np.float32),
        latest=latest[kept] & purchased[kept],
    )


def _in_last_order(data: Interactions) -> Bools:
    """(n_events,) bool: the purchases of each person's last order. Without order ids, purchases of one person with at
    most `ORDER_GAP_S` between two are one order."""
    bought = np.flatnonzero((data.users != NO_USER) & (data.event_types == _PURCHASE))
    bought = bought[stable_order(data.users[bought])]
    users, orders, ts = data.users[bought], data.orders[bought], data.ts[bought]
    same_person = users[1:] == users[:-1]
    together = same_person & (orders[1:] < 0) & (orders[:-1] < 0) & (np.diff(ts) <= ORDER_GAP_S)
    # An order's id is its name; a row of purchases without one is named by its first.
    begins = np.flatnonzero(np.concatenate(([True], ~together)))[: len(bought)]
    runs = np.repeat(begins, np.diff(np.append(begins, len(bought))))
    names = np.where(orders >= 0, orders, -1 - runs)
    last = np.flatnonzero(np.append(~same_person, True))[: len(bought)]
    latest = names == np.repeat(names[last], np.diff(np.concatenate(([-1], last))))
    marked = np.zeros(len(data), dtype=np.bool_)
    marked[bought[latest]] = True
    return marked


def _any(marked: Bools, starts: I64) -> Bools:
    return np.logical_or.reduceat(marked, starts) if len(starts) else np.zeros(0, dtype=np.bool_)


def _sums(values: F32, starts: I64) -> np.ndarray:
    return np.add.reduceat(values, starts, dtype=np.float64) if len(starts) else np.zeros(0)


def buyers_of(histories: Histories, data: Interactions) -> I64:
    """(n_items,) int64 by item code: the people with an item in their history; in a shop that knows nobody, the visits
    and orders with it."""
    if len(histories.items):
        return np.bincount(histories.items, minlength=data.n_items)
    units = np.where(data.sessions >= 0, 2 * data.sessions, 2 * data.orders + 1)
    counted = (units >= 0) & (data.event_types != _RETURN)
    each = np.unique(units[counted] * data.n_items + data.items[counted])
    return np.bincount(each % max(data.n_items, 1), minlength=data.n_items)
