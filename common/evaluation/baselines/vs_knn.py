"""VS-KNN: the items of similar sessions, later items counting more (Ludewig and Jannach 2018)."""

from __future__ import annotations

from typing import Final

import numpy as np

from common.models.sessions import Sequences
from common.schemas.data import F32, F64, I32, I64

NEIGHBOURS: Final = 1000
SAMPLE: Final = 5000
IDF_WEIGHT: Final = 2.0
"""The three values are session-rec's best on Yoochoose 1/64."""


class VSKNN:
    """VS-KNN over sessions. It is not a `Baseline`, because its queries are sessions, not people."""

    name: Final = "VS-KNN"

    def __init__(self, sessions: Sequences, n_items: int) -> None:
        """sessions: in order of time, item codes below n_items."""
        self._n_items = n_items
        self._sessions = sessions
        owners = np.repeat(np.arange(len(sessions)), sessions.lengths)
        items, self._owners = np.divmod(np.unique(sessions.items * np.int64(len(sessions)) + owners), len(sessions))
        self._starts = np.searchsorted(items, np.arange(n_items + 1))
        self._idf = np.log(len(sessions) / np.maximum(np.diff(self._starts), 1))

    def scores(self, prefix: I32) -> F32:
        """(n_items,) float32, 0 for items of no neighbour. prefix: item codes, oldest first."""
        length = len(prefix)
        # The last place of an item in the prefix gives its weight, with a log decay towards the beginning.
        place = {int(item): position for position, item in enumerate(prefix, start=1)}
        neighbours, similarity = self._neighbours({item: _log(length - at) for item, at in place.items()})
        scores = np.zeros(self._n_items)
        items, owners = self._events(neighbours)
        # A neighbour counts by its last common item with the prefix: the square of that item's place in the prefix.
        at = np.zeros(self._n_items)
        at[list(place)] = list(place.values())
        last = np.zeros(len(neighbours))
        np.maximum.at(last, owners, at[items])
        nearness = (last / length) ** 2
        np.add.at(scores, items, (similarity * nearness)[owners] * (1 + IDF_WEIGHT * self._idf[items]))
        return scores.astype(np.float32)

    def _neighbours(self, weights: dict[int, float]) -> tuple[I64, F64]:
        """The most similar of the latest sessions that share an item with the prefix, and their similarities."""
        # The last SAMPLE sessions of all can hold only the last SAMPLE sessions of each item.
        ends = [(max(self._starts[item], self._starts[item + 1] - SAMPLE), self._starts[item + 1]) for item in weights]
        candidates = [self._owners[start:end] for start, end in ends]
        recent = np.unique(np.concatenate(candidates))[-SAMPLE:]
        similarity = np.zeros(len(recent))
        for owners, weight in zip(candidates, weights.values(), strict=True):
            similarity[np.isin(recent, owners, assume_unique=False)] += weight
        best = np.argsort(-similarity, kind="stable")[:NEIGHBOURS]
        return recent[best], similarity[best]

    def _events(self, sessions: I64) -> tuple[I32, I64]:
        """Each item of each session once, and the position of its session in `sessions`."""
        starts, lengths = self._sessions.offsets[sessions], self._sessions.lengths[sessions]
        owners = np.repeat(np.arange(len(sessions)), lengths)
        within = np.arange(len(owners)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        items = self._sessions.items[starts[owners] + within]
        once = np.unique(np.column_stack([owners, items]), axis=0)
        return once[:, 1].astype(np.int32), once[:, 0]


def _log(steps_ago: int) -> float:
    return float(1 / (np.log10(steps_ago + 1.7) + 1))
