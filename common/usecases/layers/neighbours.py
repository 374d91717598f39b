"""Which items are listed as similar to an item: its neighbours by direction.

What few people have bought points where those few happen to point. So an item's direction is drawn towards that of its
group (see `cold`) as if `PRIOR_ITEMS` more people had bought what the group's items are, and only items that several
people have bought are anybody's neighbours.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from common.schemas.data import F32, I32, I64, Bools
from common.serving.similar import similar_items
from common.usecases.layers.cold import PRIOR_ITEMS

SIMILAR_DEPTH: Final = 32
"""Neighbours kept of each item: what a filter leaves of them still fills a row of ten."""

# The grocer's year, als with 64 factors, 6,000 baskets of the 28 days to come: how often one of the first ten
# neighbours of an item was in the same basket, and how many of the ten are of its category. Bare directions, neighbours
# with at least 5, 10, 20 people: 11.4, 12.1, 13.0 %, one of ten. Drawn to the group by 20 people: 12.2, 12.8, 13.9 %,
# five, four and three of ten. With 10 people, in the list's order and again by bare cosine: 16.3 and 16.3 % of lines
# where the grocer's fuel and coupons are left out, four and two of ten; for what 10 to 100 people have bought, 17.7 and
# 14.9 %. So serving keeps the order.
NEIGHBOUR_PEOPLE: Final = 10
MIN_NEIGHBOURS: Final = 1_000
"""In a shop with fewer such items, those with the most people make up the number."""


def eligible(people: I64, trained: Bools) -> Bools:
    """(n,) bool: the trained items that may be listed as similar to another; people (n,) counts who has bought them."""
    counts = np.sort(people[trained])
    enough = counts[-MIN_NEIGHBOURS:].min(initial=NEIGHBOUR_PEOPLE)
    chosen: Bools = trained & (people >= enough)
    return chosen


def similar_of(own: F32, group: F32, people: I64, trained: Bools, listed: Bools, threads: int) -> I32:
    """(n, SIMILAR_DEPTH) int32: the neighbours of each item, best first, -1 behind the last.

    own (n, width) float32: the items' vectors without a bias; group (n, width) float32: the unit directions of their
    groups; listed (n,) bool: which items may be neighbours.
    """
    lengths = np.linalg.norm(own, axis=1)
    weights = np.where(trained & (lengths > 0), people / np.where(lengths > 0, lengths, 1), 0)
    directions = (weights[:, None] * own + PRIOR_ITEMS * group).astype(np.float32)
    # Untrained items of one group share a direction, and so their neighbours.
    untrained = np.flatnonzero(~trained)
    _, first, same_as = np.unique(directions[untrained], axis=0, return_index=True, return_inverse=True)
    asked = np.concatenate([np.flatnonzero(trained), untrained[first]]).astype(np.int32)
    found = similar_items(directions, SIMILAR_DEPTH, asked, threads, np.flatnonzero(listed).astype(np.int32))
    similar = np.empty((len(own), SIMILAR_DEPTH), dtype=np.int32)
    similar[trained] = found[: trained.sum()]
    similar[untrained] = found[trained.sum() :][same_as.reshape(-1)]
    return similar
