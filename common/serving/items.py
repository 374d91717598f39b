"""The items of all layers as one catalogue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Final

import numpy as np

from common.errors import CorruptError
from common.plain import earlier_forms, plain_id
from common.schemas.data import F32, I32, I64, Bools
from common.serving.arrays import Strings
from common.serving.layer import Layer
from common.serving.lookup import NOWHERE, encode_id, hash_id

# Answers repeat popular items: 8,192 cards are a few megabytes, and most answers need no file read.
_CACHED_ITEMS: Final = 8_192


class Items:
    """Items by their numbers, 0 … n - 1. The newest layer that defines an item counts.

    `card` returns an item's JSON object, `mention` the fields that name it in a reason (`"item_id":…,"title":…`), and
    `find` the number of an id, None for an id that no layer has.
    """

    def __init__(self, layers: tuple[Layer, ...]) -> None:
        self.layers = layers
        self.dim = layers[0].info.dim
        self.n = 1 + max((int(layer.item_nos[-1]) for layer in layers if layer.info.n_items), default=-1)
        self._defining = np.full(self.n, -1, np.int8)
        self._rows = np.zeros(self.n, np.int32)
        for position, layer in enumerate(layers):
            self._defining[layer.item_nos] = position
            self._rows[layer.item_nos] = np.arange(layer.info.n_items, dtype=np.int32)
        self.card = self._cached([layer.cards for layer in layers])
        self.mention = self._cached([layer.mentions for layer in layers])
        self.find = lru_cache(_CACHED_ITEMS)(partial(_find, layers))
        if (self._defining < 0).any():
            raise CorruptError(f"no layer defines item number {int(np.argmin(self._defining))} of {self.n}")

    def live(self, position: int) -> Bools:
        """(layer's items,) bool: the rows of a layer that no newer layer redefines."""
        live: Bools = self._defining[self.layers[position].item_nos] == position
        return live

    def redefined(self) -> I32:
        """The numbers of all items that a delta defines, ascending: new items, and items that it describes again."""
        return np.flatnonzero(self._defining > 0).astype(np.int32)

    def rows_in(self, position: int, item_nos: I32) -> I32:
        """The rows of those of the items that the layer at `position` defines."""
        if len(self.layers) == 1:
            return item_nos
        rows: I32 = self._rows.take(item_nos[self._defining.take(item_nos) == position])
        return rows

    def find_all(self, item_ids: Sequence[str]) -> I32:
        """(len(item_ids),) int32: the items' numbers, -1 for ids that no layer has."""
        encoded = [encode_id(item_id) for item_id in item_ids]
        hashes = np.fromiter(map(hash_id, encoded), np.uint64, len(encoded))
        numbers = np.full(len(encoded), NOWHERE, np.int32)
        for layer in reversed(self.layers):
            missing = np.flatnonzero(numbers == NOWHERE)
            rows = layer.lookup.rows([encoded[place] for place in missing.tolist()], hashes[missing])
            here = rows != NOWHERE
            numbers[missing[here]] = layer.item_nos[rows[here]]
        return numbers

    def is_available(self, item_no: int) -> bool:
        layer, row = self._at(item_no)
        return bool(layer.available[row])

    def category(self, item_no: int) -> str:
        layer, row = self._at(item_no)
        return layer.info.categories[layer.category_codes.item(row)]

    def similar(self, item_no: int) -> I32:
        """Item numbers, best first, as the layer lists them; some may no longer be allowed."""
        layer, row = self._at(item_no)
        listed: I32 = layer.similar[row]
        return listed[: np.count_nonzero(listed >= 0)]

    def vectors(self, item_nos: I32) -> F32:
        """(len(item_nos), dim) float32."""
        if len(self.layers) == 1:
            return self.layers[0].item_vectors.take(item_nos, 0)
        if not self._defining.take(item_nos).any():
            return self.layers[0].item_vectors.take(self._rows.take(item_nos), 0)
        vectors = np.empty((len(item_nos), self.dim), np.float32)
        for layer, mask, rows in self._by_layer(item_nos):
            vectors[mask] = layer.item_vectors[rows]
        return vectors

    def born_at(self, item_nos: I32) -> I64:
        """(len(item_nos),) int64 epoch seconds: since when the items exist."""
        born_at = np.empty(len(item_nos), np.int64)
        for layer, mask, rows in self._by_layer(item_nos):
            born_at[mask] = layer.born_at[rows]
        return born_at

    def _cached(self, strings: list[Strings]) -> Callable[[int], bytes]:
        # Without a reference to self: a cycle would keep a replaced bundle's files open until it is collected.
        defining, rows = self._defining, self._rows

        @lru_cache(_CACHED_ITEMS)
        def read(item_no: int) -> bytes:
            return strings[defining.item(item_no)][rows.item(item_no)]

        return read

    def _at(self, item_no: int) -> tuple[Layer, int]:
        return self.layers[self._defining.item(item_no)], self._rows.item(item_no)

    def _by_layer(self, item_nos: I32) -> list[tuple[Layer, Bools, I32]]:
        rows = self._rows[item_nos]
        defining = self._defining[item_nos]
        masks = ((self.layers[position], defining == position) for position in set(defining.tolist()))
        return [(layer, mask, rows[mask]) for layer, mask in masks]


def _find(layers: tuple[Layer, ...], item_id: str) -> int | None:
    """The item's number; where nothing has the id as it is written, that of its plain form or of an earlier one."""
    forms = (item_id, plain_id(item_id), *earlier_forms(item_id))
    return next((number for form in forms if (number := _find_exactly(layers, form)) is not None), None)


def _find_exactly(layers: tuple[Layer, ...], item_id: str) -> int | None:
    encoded = encode_id(item_id)
    for layer in reversed(layers):
        row = layer.lookup.row(encoded)
        if row is not None:
            return layer.item_nos.item(row)
    return None
