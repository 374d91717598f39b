"""Whom to judge a model by, and what they bought."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
from scipy.sparse import csr_matrix

from common.evaluation.split import Fold
from common.schemas.data import EVENT_TYPES, I32, I64, NO_USER, U64, Bools, EventType, Interactions

MAX_PEOPLE: Final = 20_000
"""More people are sampled: 20 k bound the time, and their mean is known to a hundredth of its spread."""


class Relevance(StrEnum):
    """What counts as a hit: anything bought, or only what the person had not bought before."""

    ALL = "all_purchases"
    NEW = "new_purchases"


@dataclass(frozen=True)
class Cases:
    """People with events before the cut who bought something after it.

    user_keys (n, 2) uint64; `bought` and `owned` are csr_matrix (n, n_items) bool: purchases after and before the cut.
    item_ids: n_items strings; buyers (n_items,) int64 people who bought the item before the cut, `n_users` of how many;
    `n_known` items had an event before the cut; `newcomers` people bought after the cut and have no event before it.
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
        """csr_matrix (n, n_items) bool: what the person should have been shown."""
        if relevance is Relevance.ALL:
            return self.bought
        repeats = self.bought.multiply(self.owned)
        return csr_matrix(self.bought.astype(np.int8) - repeats.astype(np.int8)).astype(np.bool_)


def make_cases(fold: Fold, seed: int, *, newcomers: bool = False) -> Cases:
    """A seeded sample where there are more than `MAX_PEOPLE`; of a shop without purchases, views and carts count.

    With `newcomers` the people are those without an event before the cut.
    """
    counts = _counting(fold)
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


def _counting(fold: Fold) -> Bools:
    """(4,) bool by event type: which events the models are to guess."""
    purchase = np.array([kind is EventType.PURCHASE for kind in EVENT_TYPES])
    if purchase[fold.past.event_types].any() or purchase[fold.future.event_types].any():
        return purchase
    return np.array([kind is not EventType.RETURN for kind in EVENT_TYPES])


def _purchases(events: Interactions, counts: Bools) -> Any:
    chosen = counts[events.event_types] & (events.users != NO_USER)
    place: tuple[I32, I32] = (events.users[chosen], events.items[chosen])
    shape = (events.n_users, events.n_items)
    return csr_matrix((np.ones(len(place[0]), dtype=np.bool_), place), shape=shape)
