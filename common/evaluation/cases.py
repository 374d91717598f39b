"""Test cases: the people by whom a model is judged, and their purchases before and after the cut."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
from scipy.sparse import csr_matrix

from common.evaluation.split import Fold
from common.schemas.data import EVENT_TYPES, I32, I64, NO_USER, U64, Bools, EventType, Interactions

MAX_PEOPLE: Final = 20_000
"""Most people in the cases; of more, a sample is taken. 20,000 bound the time, and their mean has a standard error of
less than a hundredth of the spread between people."""


class Relevance(StrEnum):
    """Which purchases count as relevant: all of them, or only items that the person had not bought before."""

    ALL = "all_purchases"
    NEW = "new_purchases"


@dataclass(frozen=True)
class Cases:
    """People with events before the cut and a purchase after it.

    user_keys: (n, 2) uint64
    bought, owned: csr_matrix (n, n_items) bool, purchases after and before the cut
    buyers: (n_items,) int64, the number of people who bought the item before the cut
    n_users: all people with events before the cut
    n_known: items with an event before the cut
    newcomers: number of people with purchases after the cut and no event before it
    """

    fold: Fold
    user_keys: U64
    bought: Any
    owned: Any
    buyers: I64
    n_users: int
    n_known: int
    newcomers: int

    def relevant(self, relevance: Relevance) -> Any:
        """csr_matrix (n, n_items) bool: the items that count as hits for each person."""
        if relevance is Relevance.ALL:
            return self.bought
        repeats = self.bought.multiply(self.owned)
        return csr_matrix(self.bought.astype(np.int8) - repeats.astype(np.int8)).astype(np.bool_)


def make_cases(fold: Fold, seed: int, *, newcomers: bool = False) -> Cases:
    """The cases of a fold; a seeded sample where there are more than `MAX_PEOPLE`.

    In a shop without purchases, views and carts count as purchases. With `newcomers` the people are those without an
    event before the cut.
    """
    counts = _counted_types(fold)
    known = np.isin(np.arange(fold.past.n_users), fold.past.users)
    bought, owned = _purchases(fold.future, counts), _purchases(fold.past, counts)
    buying = np.diff(bought.indptr) > 0
    people = np.flatnonzero(buying & (~known if newcomers else known))
    if len(people) > MAX_PEOPLE:
        people = np.sort(np.random.default_rng(seed).choice(people, MAX_PEOPLE, replace=False))
    return Cases(
        fold=fold,
        user_keys=fold.past.user_keys[people],
        bought=bought[people],
        owned=owned[people],
        buyers=np.bincount(owned.indices, minlength=fold.past.n_items),
        n_users=int(known.sum()),
        n_known=len(np.unique(fold.past.items)),
        newcomers=int((buying & ~known).sum()),
    )


def _counted_types(fold: Fold) -> Bools:
    """(4,) bool by event type: the events that count as purchases."""
    purchase = np.array([kind is EventType.PURCHASE for kind in EVENT_TYPES])
    if purchase[fold.past.event_types].any() or purchase[fold.future.event_types].any():
        return purchase
    return np.array([kind is not EventType.RETURN for kind in EVENT_TYPES])


def _purchases(events: Interactions, counts: Bools) -> Any:
    chosen = counts[events.event_types] & (events.users != NO_USER)
    place: tuple[I32, I32] = (events.users[chosen], events.items[chosen])
    shape = (events.n_users, events.n_items)
    return csr_matrix((np.ones(len(place[0]), dtype=np.bool_), place), shape=shape)
