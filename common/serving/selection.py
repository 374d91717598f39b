"""Selections: the items that a filter allows, in the form that searches need."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Final

import numpy as np
import numpy.typing as npt

from common.bounded_cache import BoundedCache
from common.schemas.data import F32, I32, Bools
from common.serving.filters import AVAILABLE, Filter
from common.serving.items import Items

U8 = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.signedinteger]

# Up to this number of allowed rows of a layer, all are scored: 8,192 × 64 takes 0.1 ms, about as long as an index of
# 50,000 rows takes when a tenth of them is allowed.
EXACT_MAX: Final = 8_192
# Visitors combine categories, brands and price ranges, so the number of filters has no bound. The selections of the
# filters that were not used for longest are dropped, and made again when needed.
MAX_CACHED_BYTES: Final = 64 << 20
# What an entry of the cache takes beside its arrays and texts, and what holds the column and the value of a pair.
_BYTES_EACH: Final = 2_000
_BYTES_A_PAIR: Final = 64
_BITS: Final = (1 << np.arange(8)).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class IndexPart:
    """Allowed rows that the index of the layer at `position` searches. bits: one bit a row, lowest bit first; share:
    the share of rows that are allowed."""

    position: int
    bits: U8
    share: float


@dataclass(frozen=True, eq=False)
class Selection:
    """The allowed items of all layers, each in the layer that defines it.

    Layers with few allowed rows are gathered: `item_nos` (m,) int32, ascending, and `vectors` (m, dim) float32. Layers
    with many are searched by their index: `index_parts`. `bits` has one bit an item number, lowest bit first.
    """

    bits: U8
    item_nos: I32
    vectors: F32
    index_parts: tuple[IndexPart, ...]

    def allows(self, item_nos: I32) -> Bools:
        """(m,) bool: which of the items are allowed."""
        allowed: Bools = (self.bits[item_nos >> 3] & _BITS[item_nos & 7]) != 0
        return allowed

    def all_items(self) -> I32:
        """Every allowed item number, ascending. Takes time in proportion to all items."""
        return np.flatnonzero(np.unpackbits(self.bits, bitorder="little")).astype(np.int32)

    @cached_property
    def lengths(self) -> F32:
        """(m,) float32: the Euclidean lengths of `vectors`."""
        lengths: F32 = np.linalg.norm(self.vectors, axis=1)
        return lengths

    @property
    def heap_bytes(self) -> int:
        """Bytes of memory that the selection takes."""
        in_parts = sum(part.bits.nbytes for part in self.index_parts)
        return self.bits.nbytes + self.item_nos.nbytes + self.vectors.nbytes + in_parts


class Selections:
    """The selections of one bundle: the one without a filter, and a cache of those of the latest filters."""

    def __init__(self, items: Items, max_cached_bytes: int = MAX_CACHED_BYTES) -> None:
        self._items = items
        self._live = [items.live(position) for position in range(len(items.layers))]
        self._cached: BoundedCache[Filter, Selection] = BoundedCache(max_cached_bytes, _size)
        rows = [np.flatnonzero(live & layer.available) for live, layer in zip(self._live, items.layers, strict=True)]
        self.available = self._select(rows)

    def has(self, wanted: Filter) -> bool:
        """Whether `of` has the selection in its cache."""
        return wanted is AVAILABLE or wanted == AVAILABLE or wanted in self._cached

    def of(self, wanted: Filter) -> Selection:
        """The selection of a filter. Raises `CorruptError` where a layer's catalogue cannot be read."""
        if wanted is AVAILABLE or wanted == AVAILABLE:
            return self.available
        selection = self._cached.find(wanted)
        if selection is None:
            selection = self._select([self._rows(position, wanted) for position in range(len(self._live))])
            self._cached.keep(wanted, selection)
        return selection

    def _rows(self, position: int, wanted: Filter) -> I32:
        rows = np.sort(self._items.layers[position].catalogue.rows(wanted))
        return rows[self._live[position][rows]]

    def _select(self, rows_by_layer: list[Rows]) -> Selection:
        allowed = np.zeros(self._items.n, np.bool_)
        gathered = [np.empty(0, np.int32)]
        parts = []
        for position, rows in enumerate(rows_by_layer):
            layer = self._items.layers[position]
            item_nos = layer.item_nos[rows]
            allowed[item_nos] = True
            if len(rows) > EXACT_MAX:
                parts.append(IndexPart(position, _pack(rows, layer.info.n_items), len(rows) / layer.info.n_items))
            else:
                gathered.append(item_nos)
        few = np.sort(np.concatenate(gathered))
        return Selection(_pack(np.flatnonzero(allowed), len(allowed)), few, self._items.vectors(few), tuple(parts))


def _size(wanted: Filter, selection: Selection) -> int:
    """About the number of bytes that both take: in a small shop the values of the filter are the larger part."""
    pairs = (text for pair in wanted.attributes for text in pair)
    texts = sum(map(sys.getsizeof, chain(wanted.categories, wanted.brands, pairs)))
    return _BYTES_EACH + selection.heap_bytes + texts + _BYTES_A_PAIR * len(wanted.attributes)


def _pack(rows: Rows, n: int) -> U8:
    mask = np.zeros(n, np.bool_)
    mask[rows] = True
    return np.packbits(mask, bitorder="little")
