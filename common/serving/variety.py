"""Variety: answers whose items differ from each other.

Diversity and a bound on categories cost .2 ms a request each (docs/measurements-models.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from common.schemas.data import F32
from common.serving.search import Hits

POOL: Final = 100
"""Least number of best items among which variety is searched; ten times the requested number where that is more."""
DEEPEST: Final = 4_096
"""Most items that are compared where categories are full; the next rungs fill the rest of the answer."""


class Variety(NamedTuple):
    """How much the items of an answer should differ.

    diversity: 0 ranks by score alone, 1 by difference alone
    max_per_category: most items of one category in an answer, None for no bound; items without a category are not
    counted
    """

    diversity: float = 0.0
    max_per_category: int | None = None


ANY: Final = Variety()


def depth_of(n: int, variety: Variety) -> int:
    """Number of best items to search first for `n`. Without diversity twice as many are mostly enough."""
    return max(POOL, 10 * n) if variety.diversity else 2 * n


class Quota:
    """Counts the chosen items of each category."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._chosen: Counter[str] = Counter()

    def has_room(self, category: str) -> bool:
        return self._most is None or not category or self._chosen[category] < self._most

    def copy(self) -> Quota:
        other = Quota(self._most)
        other._chosen = self._chosen.copy()
        return other

    def add(self, category: str) -> None:
        self._chosen[category] += 1


def diversify(hits: Hits, vectors: F32, categories: Sequence[str], n: int, diversity: float, quota: Quota) -> list[int]:
    """Positions in `hits`, best first, at most `n`, each with room in the `quota`, which counts them.

    vectors: (m, dim) float32; categories: those of hits. Maximal marginal relevance (Carbonell and Goldstein 1998):
    the next item is always the one with the highest (1 - diversity) · relevance - diversity · its highest cosine with
    the items before. Relevance is the score, scaled to 0 … 1 over `hits`.
    """
    directions = _directions(vectors)
    gains = (1 - diversity) * _relevance(hits.scores)
    nearest = np.zeros(len(gains), np.float32)
    open_ = np.ones(len(gains), np.bool_)
    chosen: list[int] = []
    while len(chosen) < n and open_.any():
        best = int(np.where(open_, gains - diversity * nearest, -np.inf).argmax())
        open_[best] = False
        if not quota.has_room(categories[best]):
            continue
        quota.add(categories[best])
        cosines = directions @ directions[best]
        nearest = np.maximum(nearest, cosines) if chosen else cosines
        chosen.append(best)
    return chosen


def _relevance(scores: F32) -> F32:
    span = np.ptp(scores) if len(scores) else 0
    return np.zeros_like(scores) if span == 0 else ((scores - scores.min()) / span).astype(np.float32)


def _directions(vectors: F32) -> F32:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions: F32 = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return directions
