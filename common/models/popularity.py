"""Popularity: how many different people took an item in a window of days.

A person counts once however often they buy: one household's weekly milk says less about the shop than a second
household's. At a grocer NDCG@10 of new purchases is .0452 so, and .0355 where decayed purchases are counted
(docs/measurements-models.md).

An event without a person cannot be told from others of the same visitor. So the lines of one order or session without a
person count as one unit, and any other such event as one of its own. A script could send any number of them. So an
item's units count up to a limit that the shop's other items set, see `PopularCounts.scores`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from common.schemas.data import DAY_S, EVENT_TYPES, F32, F64, I32, I64, NO_USER, EventType, Interactions, Weighting

WINDOW_DAYS: Final = 28
"""The window where none was chosen for the shop."""

WINDOWS: Final = (7, 14, 28, 56, 112)
"""Windows that a training chooses from, in days."""

FILL: Final = 1e-6
"""What the decayed events of an item count beside its people: enough to order items with equally many people, and the
items that nobody took in the window behind all others, and too little to put one before another otherwise."""

PLACE: Final = 3
"""The item, by number of guests, that sets the limit: one item of a script, or two, do not move it far."""

_RETURN: Final = EVENT_TYPES.index(EventType.RETURN)


@dataclass(frozen=True)
class PopularCounts:
    """What is known of each item at a time. Those of different people or different uploads may be added.

    people: (n_items,) float64, the people of the window, 1 for each with a purchase, less for a cart or a view
    guests: (n_items,) float64, the same of units without a person, less their returns
    events: (n_items,) float64, all events of any time, by type; their weight halves every window
    """

    people: F64
    guests: F64
    events: F64

    def plus(self, other: PopularCounts) -> PopularCounts:
        return PopularCounts(self.people + other.people, self.guests + other.guests, self.events + other.events)

    def placed(self, numbers: I32, n: int) -> PopularCounts:
        """The counts of `n` items, with item code i at numbers[i] and nothing at the others."""
        return PopularCounts(*(_placed(counts, numbers, n) for counts in (self.people, self.guests, self.events)))

    def scores(self) -> F64:
        """(n_items,) float64: the people and the guests, as far as the guests can be believed.

        The limit is what the item in place `PLACE` has of guests, or a third of what the best item has of people if
        that is more. Guests count up to the limit, so that an item without people is not first by guests alone. In a
        shop that knows nobody all guests count, but an item with more than twice the limit counts as slightly less
        than the limit.
        """
        guests = np.maximum(self.guests, 0)
        by_guests = np.sort(guests)[::-1]
        best = self.people.max(initial=0)
        limit = max(by_guests[PLACE - 1] if len(by_guests) >= PLACE else 0.0, best / 3)
        excess = limit if best > 0 else max(limit - 0.5, 0)
        believed = np.where(guests > (limit if best > 0 else 2 * limit), excess, guests)
        return np.asarray(self.people + believed + FILL * self.events)


def counts_of(data: Interactions, now_s: int, window_days: float, weighting: Weighting | None = None) -> PopularCounts:
    """The counts at `now_s` (epoch seconds), the end of the window; events after it count as well.

    A purchase counts nothing where the person's returns in the window cancel it. Of `weighting` the weights of the
    types of events are used.
    """
    by_type = (weighting or Weighting()).event_weights()
    decay = np.exp2((data.ts - now_s) / (window_days * DAY_S))
    events = np.bincount(data.items, by_type[data.event_types] * decay, minlength=data.n_items)
    recent = data.where(data.ts >= window_start(now_s, window_days))
    known = recent.users != NO_USER
    liked = np.maximum(by_type, 0)
    return PopularCounts(
        people=_people(recent.where(known), liked),
        guests=_guests(recent.where(~known), liked),
        events=events.astype(np.float64),
    )


def window_start(now_s: int, window_days: float) -> int:
    """The first second of the window, in epoch seconds."""
    return now_s - int(window_days * DAY_S) + 1


def popularity(data: Interactions, now_s: int, window_days: float, weighting: Weighting | None = None) -> F64:
    """(n_items,) float64: the scores of `counts_of`."""
    return counts_of(data, now_s, window_days, weighting).scores()


def _people(data: Interactions, liked: F32) -> F64:
    """(n_items,) float64: each person's strongest event with each item, none where as much was returned as bought."""
    order, starts = _groups(data.users.astype(np.int64) * max(data.n_items, 1) + data.items)
    if not len(starts):
        return np.zeros(data.n_items)
    strongest = np.maximum.reduceat(liked[data.event_types][order], starts)
    kept = np.add.reduceat(data.pieces()[order], starts) > 0
    returned = np.logical_or.reduceat((data.event_types == _RETURN)[order], starts)
    return _by_item(data, order[starts], np.where(kept | ~returned, strongest, 0))


def _guests(data: Interactions, liked: F32) -> F64:
    """(n_items,) float64: each unit's strongest event with each item, -1 for a unit that returned it."""
    order, starts = _groups(_units(data) * max(data.n_items, 1) + data.items)
    if not len(starts):
        return np.zeros(data.n_items)
    weights = np.where(data.event_types == _RETURN, -1, liked[data.event_types])
    return _by_item(data, order[starts], np.maximum.reduceat(weights[order], starts))


def _units(data: Interactions) -> I64:
    """(n_events,) int64: equal for the events of one order, or of one session without an order."""
    kind = np.where(data.orders >= 0, 0, np.where(data.sessions >= 0, 1, 2))
    code = np.choose(kind, [data.orders, data.sessions, np.arange(len(data))])
    return np.unique(np.column_stack([kind, code]), axis=0, return_inverse=True)[1].ravel().astype(np.int64)


def _groups(codes: I64) -> tuple[I64, I64]:
    """The order that sorts the codes, and the places in it where each code begins."""
    order = np.argsort(codes, kind="stable")
    return order, np.flatnonzero(np.diff(codes[order], prepend=-1))


def _by_item(data: Interactions, rows: I64, weights: F32) -> F64:
    return np.bincount(data.items[rows], weights, minlength=data.n_items).astype(np.float64)


def _placed(counts: F64, numbers: I32, n: int) -> F64:
    placed = np.zeros(n)
    placed[numbers] = counts
    return placed
