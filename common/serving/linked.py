"""The answer of links: the weighted sum of the rows of a visit's items, without vectors and without an index.

A row has at most fifty links and a visit counts at most its latest 32 items, so an answer merges 1,600 entries at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from common.schemas.data import F32, I32
from common.schemas.documents import ModelInfo
from common.schemas.links import RECENT, ItemLinks, visit_weights

_NO_ITEMS: Final = np.empty(0, np.int32)


class Linked(NamedTuple):
    """Items that the items of a visit lead to, ascending: item_nos (m,) int32, scores (m,) float32, and causes (m,)
    int32, the place in the visit of the item that adds most to each."""

    item_nos: I32
    scores: F32
    causes: I32


class LinkedItems:
    """The rows of links of all layers; of each item, that of the newest layer which has one."""

    def __init__(self, newest_first: Sequence[ItemLinks | None], model: ModelInfo) -> None:
        self._layers = [links for links in newest_first if links is not None]
        self._memory = model.encoder_params["memory"]

    def of(self, visit: I32) -> Linked:
        """What the items of a visit (m,) int32, oldest first, lead to."""
        weights = visit_weights(len(visit), self._memory)
        items, scores, causes = [_NO_ITEMS], [np.empty(0, np.float32)], [_NO_ITEMS]
        for place in range(max(0, len(visit) - RECENT), len(visit)):
            row = self._row(int(visit[place]))
            if row is not None:
                items.append(row[0])
                scores.append(row[1] * weights[place])
                causes.append(np.full(len(row[0]), place, np.int32))
        return merged(np.concatenate(items), np.concatenate(scores), np.concatenate(causes))

    def _row(self, item_no: int) -> tuple[I32, F32] | None:
        for links in self._layers:
            span = links.span(item_no)
            if span is not None:
                return links.items[span], links.weights[span]
        return None


def merged(items: I32, scores: F32, causes: I32) -> Linked:
    """The sums by item, of entries in any order, and of each the cause that adds most, of equal ones the latest."""
    order = np.lexsort((-causes, -scores, items))
    items = items[order]
    begins = np.flatnonzero(np.diff(items, prepend=-1))
    sums = np.add.reduceat(scores[order], begins) if len(begins) else scores
    return Linked(items[begins], sums.astype(np.float32), causes[order][begins])


def merged_lists(lists: Sequence[I32]) -> Linked:
    """Several ranked lists as one: an item scores 1 / place in each, so one that stands in several comes first; the
    cause is the list in which it stands highest."""
    items, scores, causes = [_NO_ITEMS], [np.empty(0, np.float32)], [_NO_ITEMS]
    for place, listed in enumerate(lists):
        items.append(listed)
        scores.append((1 / np.arange(1, len(listed) + 1)).astype(np.float32))
        causes.append(np.full(len(listed), place, np.int32))
    return merged(np.concatenate(items), np.concatenate(scores), np.concatenate(causes))
