"""A cache of the answers of one served bundle.

A visitor sends the same request on page after page, and a product's page the same request for every visitor.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final, NamedTuple

from common.serving.ranking import Rung

# About 4,000 answers of ten cards. They are the largest part of a worker's own memory.
MAX_BYTES: Final = 16 << 20


class Answer(NamedTuple):
    """An answer to a storefront. `body` is JSON, made from the bundle `bundle_id`; `rungs` counts its items by rung,
    for the metrics."""

    body: bytes
    rungs: tuple[tuple[Rung, int], ...]
    bundle_id: str


CacheKey = tuple[bytes, bytes, bytes | None, str | None]
"""All that an answer depends on beside the bundle: path, query string, body, and the person in the token."""


class AnswerCache:
    """The answers that were used last, by their keys, in memory only.

    A bundle never changes, so an answer is valid until another bundle is served. Keys count towards `max_bytes` too, so
    a client that fills the cache on purpose only removes answers. Safe to call from several threads.
    """

    def __init__(self, bundle_id: str = "", max_bytes: int = MAX_BYTES) -> None:
        self.bundle_id = bundle_id
        self._answers: OrderedDict[CacheKey, Answer] = OrderedDict()
        self._free = max_bytes
        self._lock = threading.Lock()

    def find(self, key: CacheKey) -> Answer | None:
        """The cached answer; None if there is none."""
        with self._lock:
            answer = self._answers.get(key)
            if answer is not None:
                self._answers.move_to_end(key)
            return answer

    def keep(self, key: CacheKey, answer: Answer) -> None:
        """Adds an answer and removes those that were not used for longest. Ignores an answer from another bundle."""
        if answer.bundle_id != self.bundle_id:
            return
        with self._lock:
            before = self._answers.pop(key, None)
            self._free += _size(key, before) if before else 0
            self._answers[key] = answer
            self._free -= _size(key, answer)
            while self._free < 0:
                self._free += _size(*self._answers.popitem(last=False))


def _size(key: CacheKey, answer: Answer) -> int:
    """About the number of bytes that both take. Python stores a short text in twice its length."""
    path, query_string, body, subject = key
    return len(answer.body) + 2 * (len(path) + len(query_string) + len(body or b"") + len(subject or ""))
