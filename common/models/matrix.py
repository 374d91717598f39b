"""Events as a sparse matrix of people × items, the input of the factorisation libraries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix

from common.errors import RefusedError
from common.schemas.data import NO_USER, U64, Interactions, Weighting


@dataclass(frozen=True)
class UserItems:
    """The summed event weights of each person and item. Every person has an item, and every item a person.

    cells: csr_matrix (n_users, n_items) float32, sorted, every stored value above 0
    user_keys: (n_users, 2) uint64, sorted
    item_ids: n_items strings, sorted
    """

    cells: Any
    user_keys: U64
    item_ids: tuple[str, ...]

    def refuse_full(self, family: str) -> None:
        """Raises `RefusedError` if everybody has every item, for a family that compares what people have with what they
        have not."""
        n_users, n_items = self.cells.shape
        if self.cells.nnz == n_users * n_items:
            raise RefusedError(
                f"{family} compares what people have with what they have not: here {n_users} people have all "
                f"{n_items} items"
            )


def user_items(data: Interactions, weighting: Weighting, now_s: int) -> UserItems:
    """The matrix of people and items with at least one positive weight.

    Raises `RefusedError` if there is none.
    """
    cells = weight_matrix(data, weighting, now_s)
    if cells.nnz == 0:
        anonymous = int((data.users == NO_USER).sum())
        raise RefusedError(
            f"nothing to learn from: {len(data)} events, {anonymous} of them without consent, and none of the others "
            "says that a person likes an item (returns cancel what they return)"
        )
    people = np.flatnonzero(np.diff(cells.indptr))
    items = np.flatnonzero(np.bincount(cells.indices, minlength=data.n_items))
    return UserItems(
        cells=cells[people][:, items],
        user_keys=data.user_keys[people],
        item_ids=tuple(data.item_ids[item] for item in items),
    )


def weight_matrix(data: Interactions, weighting: Weighting, now_s: int) -> Any:
    """The summed weights of each person's events with each item.

    Returns csr_matrix (n_users, n_items) float32. A cell that returns have brought to 0 or below is not stored. Events
    without consent belong to nobody and are left out.
    """
    known = data.users != NO_USER
    weights = weighting.weigh(data, now_s)[known]
    place = (data.users[known], data.items[known])
    # csr_matrix, not csr_array: implicit and LightFM accept only the former.
    cells = csr_matrix(coo_matrix((weights, place), shape=(data.n_users, data.n_items)))
    cells.data[cells.data < 0] = 0
    cells.eliminate_zeros()
    cells.sort_indices()
    return cells
