"""A cache in memory that is bounded by the bytes that its entries take, not by their number."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """The values that were used last, by their keys.

    `size_of` tells about how many bytes a key and its value take. Keys count too, because clients choose them: one who
    fills the cache on purpose only removes entries. Safe to call from several threads.
    """

    def __init__(self, max_bytes: int, size_of: Callable[[K, V], int]) -> None:
        self._max_bytes = max_bytes
        self._size_of = size_of
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __contains__(self, key: K) -> bool:
        return key in self._entries

    def find(self, key: K) -> V | None:
        """The value of the key; None if there is none."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry[0]

    def keep(self, key: K, value: V) -> None:
        """Adds a value and removes those that were not used for longest. Ignores one that is larger than the cache."""
        size = self._size_of(key, value)
        with self._lock:
            self._bytes -= self._entries.pop(key, (None, 0))[1]
            if size > self._max_bytes:
                return
            self._entries[key] = value, size
            self._bytes += size
            while self._bytes > self._max_bytes:
                self._bytes -= self._entries.popitem(last=False)[1][1]
