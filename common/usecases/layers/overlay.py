"""The items of the layers below with those of a delta on top: numbers, vectors and what the base kept of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from common.schemas.data import F32, I32, Bools, Catalogue
from common.serving.items import Items
from common.usecases.layers.extras import Extras
from common.usecases.layers.items import take


class Overlay:
    """Gives each item of a delta its number and its vector.

    An item that is known keeps its number, a new one gets the next. `numbers` (n,) int32, ascending, and `vectors`
    (n, dim) float32 are aligned with `catalogue`; `n_all` counts the items of all layers, the delta's included.
    """

    def __init__(self, below: Items, extras: Extras, catalogue: Catalogue) -> None:
        self.below = below
        self.extras = extras
        numbers = below.find_all(catalogue.item_ids)
        new = np.flatnonzero(numbers < 0)
        numbers[new] = below.n + np.arange(len(new))
        self._new = {catalogue.item_ids[row]: int(numbers[row]) for row in new}
        order = np.argsort(numbers)
        self.n_all = below.n + len(new)
        self.numbers: I32 = numbers[order]
        self.catalogue = take(catalogue, order)
        self.vectors = self._own_vectors()

    def _own_vectors(self) -> F32:
        """A trained item keeps its vector, whatever the shop says of it now."""
        vectors = self.extras.groups.vectors_of(self.catalogue)
        trained = self.trained()
        vectors[trained] = self.below.vectors(self.numbers[trained])
        return vectors

    def trained(self) -> Bools:
        """(n,) bool: which items of the delta have their vector from training."""
        mask = np.zeros(len(self.numbers), dtype=np.bool_)
        of_base = self.numbers < len(self.extras.trained)
        mask[of_base] = self.extras.trained[self.numbers[of_base]]
        return mask

    def numbers_of(self, item_ids: Sequence[str]) -> I32:
        """(m,) int32: the numbers of items that one of the layers or the delta knows."""
        numbers = self.below.find_all(item_ids)
        for place in np.flatnonzero(numbers < 0).tolist():
            numbers[place] = self._new[item_ids[place]]
        return numbers

    def vectors_of(self, numbers: I32) -> F32:
        """(m, dim) float32: the vectors of item numbers (m,)."""
        own = np.isin(numbers, self.numbers)
        vectors = np.empty((len(numbers), self.below.dim), dtype=np.float32)
        vectors[own] = self.vectors[np.searchsorted(self.numbers, numbers[own])]
        vectors[~own] = self.below.vectors(numbers[~own])
        return vectors
