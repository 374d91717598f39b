"""The closed list of kinds: the lists that a page asks for by name. `common.serving.kinds` declares each."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """A list that a page asks for by name."""

    __hash__ = str.__hash__  # an Enum's own is a Python function

    SIMILAR = "similar"
    BOUGHT_TOGETHER = "bought-together"
    BASKET = "basket"
    FOR_YOU = "for-you"
    BUY_AGAIN = "buy-again"
    BECAUSE_YOU_BOUGHT = "because-you-bought"
    BECAUSE_YOU_VIEWED = "because-you-viewed"
    SESSION = "session"
    RECENTLY_VIEWED = "recently-viewed"
    POPULAR = "popular"
    NEWEST = "newest"
    ON_SALE = "on-sale"
