"""A cache of the answers of one served bundle.

A visitor sends the same request on page after page, and a product's page the same request for every visitor.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from common.bounded_cache import BoundedCache
from common.schemas.kind import Kind
from common.serving.ranking import Rung

# About 4,000 answers of ten cards. They are the largest part of a worker's own memory.
MAX_BYTES: Final = 16 << 20
# What an entry takes beside these texts.
_BYTES_EACH: Final = 600


class Extent(StrEnum):
    """How much of a list is there: as many items as were asked for, fewer, or none."""

    FULL = "full"
    PART = "part"
    EMPTY = "empty"


class Answer(NamedTuple):
    """An answer to a storefront. `body` is JSON, made from the bundle whose `opening` this is; `rungs` counts its items
    by rung, for the metrics. Of a list of a kind, `kind` and `extent` say which and how much of it is there. `day`
    since 1970 is the only one for which it is right; None where it does not depend on the day."""

    body: bytes
    rungs: tuple[tuple[Rung, int], ...]
    opening: object
    kind: Kind | None = None
    extent: Extent | None = None
    day: int | None = None


CacheKey = tuple[bytes, bytes, bytes | None, str | None]
"""All that an answer depends on beside the bundle: path, query string, body, and the person in the token."""


class AnswerCache(BoundedCache[CacheKey, Answer]):
    """The answers that were used last, by their keys, in memory only.

    A bundle never changes, so an answer is valid until another bundle is served, or the same is opened anew. One that
    depends on the day is valid until the day ends, by the clock of the caller.
    """

    def __init__(self, opening: object = None, max_bytes: int = MAX_BYTES) -> None:
        super().__init__(max_bytes, _size)
        self.opening = opening

    def keep(self, key: CacheKey, answer: Answer) -> None:
        """Ignores an answer from another bundle."""
        if answer.opening == self.opening:
            super().keep(key, answer)


def _size(key: CacheKey, answer: Answer) -> int:
    """About the number of bytes that both take. Python stores a short text in twice its length."""
    path, query_string, body, subject = key
    return _BYTES_EACH + len(answer.body) + 2 * (len(path) + len(query_string) + len(body or b"") + len(subject or ""))
