"""VS-KNN: what came in sessions like this one, later items counting more (Ludewig and Jannach 2018)."""

from __future__ import annotations

from typing import Final

import numpy as np

from common.models.sessions import Sequences
from common.schemas.data import F32, F64, I32, I64

NEIGHBOURS: Final = 1000
SAMPLE: Final = 5000
IDF_WEIGHT: Final = 2.0
"""Of the three: session-rec's best on Yoochoose 1/64."""


class VSKNN:
    """Not a `Baseline`: it is asked of sessions, not of people."""

    name: Final = "VS-KNN"

    def __init__(self, sessions: Sequences, n_items: int) -> None:
        """sessions: in order of time; item codes below n_items."""
        self._n_items = n_items
        self._sessions = sessions
        owners = np.repeat(np.arange(len(sessions)), sessions.lengths)
        items, self._owners = np.divmod(np.unique(sessions.items * np.int64(len(sessions)) + owners), len(sessions))
        self._starts = np.searchsorted(items, np.arange(n_items + 1))
        self._idf = np.log(len(sessions) / np.maximum(np.diff(self._starts), 1))

    def scores(self, prefix: I32) -> F32:
        """(n_items,) float32, 0 for items of no neighbour. prefix: item codes, oldest first."""
        length = len(prefix)
        # The last mention of an item gives its weight: log decay towards the beginning.
        place = {int(item): position for position, item in enumerate(prefix, start=1)}
        neighbours, similarity = self._neighbours({item: _log(length - at) for item, at in place.items()})
        scores = np.zeros(self._n_items)
        items, owners = self._events(neighbours)
        # How near the prefix's end the neighbour still shares an item with it, falling with the square.
        at = np.zeros(self._n_items)
        at[list(place)] = list(place.values())
        last = np.zeros(len(neighbours))
        np.maximum.at(last, owners, at[items])
        nearness = (last / length) ** 2
        np.add.at(scores, items, (similarity * nearness)[owners] * (1 + IDF_WEIGHT * self._idf[items]))
        return scores.astype(np.float32)

    def _neighbours(self, weights: dict[int, float]) -> tuple[I64, F64]:
        """The most similar of the most recent sessions that share an item, and how similar they are."""
        # Of one item no session before its last SAMPLE can be among the last SAMPLE of all.
        ends = [(max(self._starts[item], self._starts[item + 1] - SAMPLE), self._starts[item + 1]) for item in weights]
        found = [self._owners[start:end] for start, end in ends]
        recent = np.unique(np.concatenate(found))[-SAMPLE:]
        similarity = np.zeros(len(recent))
        for owners, weight in zip(found, weights.values(), strict=True):
            similarity[np.isin(recent, owners, assume_unique=False)] += weight
        best = np.argsort(-similarity, kind="stable")[:NEIGHBOURS]
        return recent[best], similarity[best]

    def _events(self, sessions: I64) -> tuple[I32, I64]:
        """Each item of each session once, and the position of its session among them."""
        starts, lengths = self._sessions.offsets[sessions], self._sessions.lengths[sessions]
        owners = np.repeat(np.arange(len(sessions)), lengths)
        within = np.arange(len(owners)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        items = self._sessions.items[starts[owners] + within]
        once = np.unique(np.column_stack([owners, items]), axis=0)
        return once[:, 1].astype(np.int32), once[:, 0]


def _log(steps_ago: int) -> float:
    return float(1 / (np.log10(steps_ago + 1.7) + 1))
