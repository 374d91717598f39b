"""The people of one layer, by binary search in memory-mapped arrays."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from common.errors import CorruptError
from common.ids import UserKey, split_user_key
from common.schemas.data import F32, I8, I32, I64, U64, Bools, DueColumns, UserRows

PRECOMPUTED_PREFIX: Final = "user_ahead_"


class Precomputed(NamedTuple):
    """Precomputed answers of a layer's people, best item first.

    items: (n, k) int32 numbers, -1 behind the last
    scores: (n, k) float32
    causes: (n, k) int32, the item that a reason names, -1 for none
    reasons: (n, k) int8, codes of `common.serving.precomputed`
    """

    items: I32
    scores: F32
    causes: I32
    reasons: I8


class PrecomputedRow(NamedTuple):
    """The precomputed answer of one person."""

    precomputed: Precomputed
    row: int

    def rows(self) -> Iterator[tuple[int, float, int, int]]:
        """Yields (item, score, cause, reason) of each place."""
        row = self.row
        items, scores, causes, reasons = self.precomputed
        return zip(items[row].tolist(), scores[row].tolist(), causes[row].tolist(), reasons[row].tolist(), strict=True)


class DueRow(NamedTuple):
    """When one person is expected to buy again: a part of the layer's columns, which most answers do not read."""

    due: DueColumns
    history: slice

    def columns(self) -> DueColumns:
        return self.due.at(self.history)


class Person(NamedTuple):
    """One person's data.

    vector: (dim,) float32 query vector, None where the encoder makes it from the items
    items: (h,) int32 numbers, oldest first
    weights: (h,) float32
    purchased: (h,) bool, which of the items were bought
    repeats: (h,) float32, decayed number of purchases, as `UserRows.repeats`
    latest: (h,) bool, the items of the last order
    precomputed: the precomputed answer, if there is one
    due: when they are expected to buy again; None in layers from before that was known
    """

    vector: F32 | None
    items: I32
    weights: F32
    purchased: Bools
    repeats: F32
    latest: Bools
    precomputed: PrecomputedRow | None = None
    due: DueRow | None = None


class People:
    """The people of a layer. Columns as in `UserRows`, but `keys` is (2, n): all first halves, then all second
    halves."""

    def __init__(
        self,
        keys: U64,
        vectors: F32,
        offsets: I64,
        items: I32,
        weights: F32,
        purchased: Bools,
        repeats: F32,
        latest: Bools | None = None,
        due: DueColumns | None = None,
        precomputed: Precomputed | None = None,
    ) -> None:
        if len(vectors) not in (0, keys.shape[1]) or offsets[-1] != len(items):
            raise CorruptError(f"{keys.shape[1]} people have {len(vectors)} vectors and histories to {offsets[-1]}")
        self._highs, self._lows = keys[0].data, keys[1].data
        self._vectors = vectors
        self._offsets = offsets.data
        self._items, self._weights, self._purchased = items, weights, purchased
        self._repeats = repeats
        self._latest = np.zeros(len(items), np.bool_) if latest is None else latest
        self._due = due
        self._precomputed = precomputed

    def __len__(self) -> int:
        return len(self._highs)

    def find(self, key: UserKey) -> Person | None:
        """The person with this key; None if the layer does not have one."""
        high, low = split_user_key(key)
        row = bisect_left(self._highs, high)
        while row < len(self._highs) and self._highs[row] == high:
            if self._lows[row] == low:
                return self.person(row)
            row += 1
        return None

    def rows(self) -> UserRows:
        """All people of the layer."""
        return UserRows(
            keys=np.stack([np.asarray(self._highs), np.asarray(self._lows)], axis=1),
            vectors=self._vectors,
            offsets=np.asarray(self._offsets),
            items=self._items,
            weights=self._weights,
            purchased=self._purchased,
            repeats=self._repeats,
            latest=self._latest,
            due=DueColumns.unknown(self._repeats) if self._due is None else self._due,
        )

    def person(self, row: int) -> Person:
        history = slice(self._offsets[row], self._offsets[row + 1])
        return Person(
            vector=self._vectors[row] if len(self._vectors) else None,
            items=self._items[history],
            weights=self._weights[history],
            purchased=self._purchased[history],
            repeats=self._repeats[history],
            latest=self._latest[history],
            precomputed=PrecomputedRow(self._precomputed, row) if self._precomputed else None,
            due=DueRow(self._due, history) if self._due else None,
        )
