"""What was bought together before a window, from events in memory: what the store counts for the lists that are served,
without its bound on one person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from common.evaluation.kinds import Watch
from common.models.links.config import CooccurrenceConfig, Nearness
from common.models.links.counting import LinkCounts, Steps, count_pairs
from common.models.sessions import sessions_of
from common.schemas.data import EVENT_TYPES, EventType, Interactions, Weighting
from common.schemas.pairs import PairRule
from common.store.segments.co_purchases import MAX_LINES, CoPurchases

_ALL_LINES: Final = CooccurrenceConfig(window=MAX_LINES, nearness=Nearness.FLAT, backward=1.0)


def co_purchases_of(past: Interactions, rule: PairRule, watch: Watch) -> CoPurchases:
    """The items of orders and the pairs with as many people as `rule` asks for. Item codes are rows.

    `watch` is called between blocks of items.
    """
    bought = past.where(past.event_types == EVENT_TYPES.index(EventType.PURCHASE))
    rows = replace(bought, items=np.arange(len(bought), dtype=np.int32))
    orders = sessions_of(replace(rows, sessions=np.full(len(rows), -1, dtype=np.int64)), Weighting())
    numbers = np.repeat(np.arange(len(orders)), orders.lengths)
    lines = np.unique(numbers * past.n_items + bought.items[orders.items])
    numbers, items = lines // past.n_items, (lines % past.n_items).astype(np.int32)
    people = rule.units(orders.people, np.arange(len(orders)))
    steps = Steps(items, numbers, people[numbers], np.ones(len(lines), dtype=np.float32))
    pairs = list(_proven(steps, past.n_items, rule.people, watch))
    return CoPurchases(
        item_ids=past.item_ids,
        orders=np.bincount(items, minlength=past.n_items),
        n_orders=len(orders),
        first=np.concatenate([np.empty(0, np.int32), *(block.items for block in pairs)]),
        second=np.concatenate([np.empty(0, np.int32), *(block.others for block in pairs)]),
        together=np.concatenate([np.empty(0, np.int64), *(block.counts.astype(np.int64) for block in pairs)]),
        people=np.concatenate([np.empty(0, np.int64), *(block.units for block in pairs)]),
    )


def _proven(steps: Steps, n_items: int, min_people: int, watch: Watch) -> Iterator[LinkCounts]:
    """Each pair once."""
    if not len(steps.items):
        return
    for block in count_pairs(steps, _ALL_LINES, n_items):
        watch()
        yield block.where((block.items < block.others) & (block.units >= min_people))
