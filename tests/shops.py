"""Small shops whose events a test can read at a glance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from common.schemas.data import DAY_S, EVENT_TYPES, NO_USER, Catalogue, EventType, Interactions

NOON = 1_767_268_800
"""1 January 2026, 12:00 UTC, in epoch seconds."""


@dataclass(frozen=True)
class Event:
    """`user` None is a visitor without consent; `day` counts from `NOON`, fractions allowed."""

    user: str | None
    item: str
    day: float = 0.0
    kind: EventType = EventType.PURCHASE
    qty: float = 1.0
    order: int = -1
    session: int = -1


def interactions(events: Iterable[Event], items: Iterable[str] = ()) -> Interactions:
    """The events in order of time; `items` adds codes for items that have none."""
    events = sorted(events, key=lambda event: event.day)
    users = sorted({event.user for event in events if event.user is not None})
    item_ids = sorted({event.item for event in events} | set(items))
    codes = {user: code for code, user in enumerate(users)} | {None: NO_USER}
    n = len(events)
    return Interactions(
        user_keys=np.array([user_key(code) for code in range(len(users))], dtype=np.uint64).reshape(-1, 2),
        item_ids=tuple(item_ids),
        users=np.array([codes[event.user] for event in events], dtype=np.int32),
        items=np.array([item_ids.index(event.item) for event in events], dtype=np.int32),
        ts=np.array([NOON + round(event.day * DAY_S) for event in events], dtype=np.int64),
        qty=np.array([event.qty for event in events], dtype=np.float32),
        event_types=np.array([EVENT_TYPES.index(event.kind) for event in events], dtype=np.int8),
        orders=np.array([event.order for event in events], dtype=np.int64),
        sessions=np.array([event.session for event in events], dtype=np.int64),
        prices=np.full(n, np.nan, dtype=np.float32),
    )


def user_key(code: int) -> tuple[int, int]:
    """Keys that sort as the codes do, with bytes of 0 at both ends."""
    return code // 2, (code % 2) << 32


def checkerboard(size: int) -> Interactions:
    """Person i buys the items of i's parity except item i, one by one in an order that says nothing, as one order; so
    item i is what i should be shown."""
    turns = np.random.default_rng(size).permuted(np.tile(np.arange(size), (size, 1)), axis=1)
    return interactions(
        Event(f"u{user:03}", f"i{item:03}", day=user + turns[user, item] / size, order=user)
        for user in range(size)
        for item in range(size)
        if user % 2 == item % 2 and user != item
    )


def catalogue(rows: Iterable[tuple[str, str, str, float]]) -> Catalogue:
    """Items as (item_id, category, brand, price)."""
    ids, categories, brands, prices = zip(*sorted(rows), strict=True)
    blank = tuple("" for _ in ids)
    return Catalogue(
        item_ids=ids,
        categories=categories,
        brands=brands,
        prices=np.array(prices, dtype=np.float64),
        img_urls=blank,
        titles=blank,
        urls=blank,
        currencies=blank,
        available=np.ones(len(ids), dtype=np.bool_),
        created_at=np.full(len(ids), NOON, dtype=np.int64),
        as_of=np.full(len(ids), NOON, dtype=np.int64),
        extra=tuple({} for _ in ids),
    )


TINY: dict[str, Interactions] = {
    "one_event": interactions([Event("a", "x")]),
    "one_item": interactions([Event(user, "x", day) for day, user in enumerate("abcab")]),
    "three_items": interactions([Event(user, item) for user in "abcd" for item in "xyz" if (user, item) != ("a", "z")]),
    "five_people": interactions(
        [Event(u, i, day) for day, (u, i) in enumerate(zip("abcde" * 3, "vwxyzvwxywvxyzx", strict=True))]
    ),
    "only_views": interactions([Event(u, i, kind=EventType.VIEW) for u in "abc" for i in "xyz"]),
    "one_person": interactions([Event("a", f"i{day % 7}", day) for day in range(30)]),
    "one_order_of_400_items": interactions([Event("a", f"i{item:03}", order=1) for item in range(400)]),
    "all_returned": interactions([Event("a", "x"), Event("a", "x", 1, EventType.RETURN)]),
    "nobody_consents": interactions([Event(None, item) for item in "xyz"]),
    "no_events": interactions([]),
}
