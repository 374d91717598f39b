"""From an item id to its row: binary search over sorted 64-bit hashes, then a look at the id itself."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Final

import numpy as np

from common.schemas.data import I32, U64
from common.serving.arrays import Strings

NOWHERE: Final = -1


def encode_id(item_id: str) -> bytes:
    """The id as a JSON string, quotes included: how it is stored, so that an answer takes it over as it is."""
    return json.dumps(item_id, ensure_ascii=False).encode()


def hash_id(encoded: bytes) -> int:
    return int.from_bytes(blake2b(encoded, digest_size=8).digest(), "big")


def sort_hashes(encoded_ids: Iterable[bytes]) -> tuple[U64, I32]:
    """(n,) uint64 hashes in ascending order and (n,) int32, the row that each belongs to."""
    hashes = np.fromiter(map(hash_id, encoded_ids), np.uint64)
    rows = np.argsort(hashes, kind="stable").astype(np.int32)
    return hashes[rows], rows


class ItemLookup:
    def __init__(self, hashes: U64, rows: I32, encoded_ids: Strings) -> None:
        self._hashes = hashes.data
        self._rows = rows.data
        self._encoded_ids = encoded_ids

    def row(self, encoded: bytes) -> int | None:
        """The row of an id as `encode_id` makes it; None for one that is not here."""
        wanted = hash_id(encoded)
        at = bisect_left(self._hashes, wanted)
        while at < len(self._hashes) and self._hashes[at] == wanted:
            row = self._rows[at]
            if self._encoded_ids[row] == encoded:
                return row
            at += 1
        return None

    def rows(self, encoded: Sequence[bytes]) -> I32:
        """(len(encoded),) int32: the row of each id, -1 for those that are not here. For many ids at a time."""
        hashes = np.asarray(self._hashes, np.uint64)
        wanted = np.fromiter(map(hash_id, encoded), np.uint64, len(encoded))
        at = np.searchsorted(hashes, wanted)
        at[at == len(hashes)] = 0
        found = np.full(len(encoded), NOWHERE, np.int32)
        for place in np.flatnonzero(hashes[at] == wanted).tolist() if len(hashes) else ():
            row = self.row(encoded[place])
            found[place] = NOWHERE if row is None else row
        return found
