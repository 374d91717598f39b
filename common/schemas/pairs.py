"""Who counts behind a pair of items, and how much one person counts: the promise of k-anonymity, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from common.schemas.data import F32, I32, I64, NO_USER

MOST_OF_ONE: Final = 20
"""What one person counts at most in what goes together: for a pair of items as so many orders, for an item as so many
events. A script that buys the same two things all day, or a till that rings up under one customer's number, then says
no more than a loyal customer."""


@dataclass(frozen=True)
class PairRule:
    """Who must be behind a pair of items before it is shown or linked.

    people: distinct people that it takes
    guests: whether an order or a visit without a person counts as one of them, because nobody can tell whose it is. If
    not, all of them together count as one person at most.
    """

    people: int = 1
    guests: bool = True

    def units(self, users: I64 | I32, visits: I64) -> I64:
        """(n,) int64: equal for visits that one person may have caused, as this rule counts.

        users: (n,) a person's code or NO_USER; visits: (n,) a number for each visit
        """
        first = int(np.max(users, initial=NO_USER)) + 1
        nobody = first + visits if self.guests else np.full(len(visits), first)
        return np.where(users == NO_USER, nobody, users).astype(np.int64)


def shares_of_one(units: I64, items: I32 | I64, is_person: np.ndarray) -> F32:
    """(n,) float32: what an event counts, so that all of one person with one item count as `MOST_OF_ONE` at most.

    units: (n,) int64; items: (n,); is_person: (n,) bool, whether a unit is a person
    """
    shares = np.ones(len(units), dtype=np.float32)
    if not len(units):
        return shares
    # Who has few events in all has few with any item.
    rows = np.flatnonzero(is_person & (np.bincount(units)[units] > MOST_OF_ONE))
    if len(rows):
        codes = units[rows] * (int(items.max()) + 1) + items[rows]
        _, same_as, counts = np.unique(codes, return_inverse=True, return_counts=True)
        shares[rows] = np.minimum(1, MOST_OF_ONE / counts[same_as.ravel()])
    return shares
