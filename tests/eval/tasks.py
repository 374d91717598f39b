"""Two kinds of question: what else a known person takes, and what comes next in a session."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from scipy.sparse import csr_matrix

from common.evaluation.queries import Encoder, item_codes, make_queries
from common.evaluation.split import Fold
from common.models.artifact import Artifact
from common.models.sessions import histories_of
from common.schemas.data import F32, I32, I64, NO_USER, Interactions, Weighting

SHARE_HELD_OUT = 0.1
"""Of what there is to learn from, for tuning."""


class Task(Protocol):
    """`train` is what a model may see; the rest is what it is asked."""

    @property
    def train(self) -> Interactions: ...

    @property
    def mask_train(self) -> bool: ...

    def queries(self, artifact: Artifact, encode: Encoder) -> F32:
        """(n, dim) float32, zeros where the model can say nothing."""
        ...

    def visits(self, artifact: Artifact) -> tuple[I64, I64]:
        """What a model of links is asked: offsets (n + 1,) and rows of the artifact's items, oldest first."""
        ...

    def relevant(self) -> Any:
        """csr_matrix (n, n_items) bool: what was to be found for each query."""
        ...

    def seen(self) -> Any:
        """csr_matrix (n, n_items) bool: what each is known to have; not shown if `mask_train`."""
        ...

    def for_tuning(self, seed: int) -> Task:
        """A question of the same kind, made of `train` only."""
        ...


@dataclass(frozen=True)
class PersonTask:
    """What people of `train` have in `test`; the two share codes."""

    train: Interactions
    test: Interactions
    mask_train: bool = True

    def queries(self, artifact: Artifact, encode: Encoder) -> F32:
        fold = Fold(int(self.train.ts[-1]), self.train, self.test)
        return make_queries(artifact, fold, self.train.user_keys[self._people()], encode)

    def visits(self, artifact: Artifact) -> tuple[I64, I64]:
        histories = histories_of(self.train, Weighting(), int(self.train.ts[-1]))
        row_of = _rows(artifact, self.train)
        place = np.full(self.train.n_users, -1)
        place[histories.people] = np.arange(len(histories))
        spans = [
            row_of[histories.items[histories.offsets[at] : histories.offsets[at + 1]]] if at >= 0 else np.empty(0, int)
            for at in place[self._people()].tolist()
        ]
        return _known(spans)

    def relevant(self) -> Any:
        return _cells(self.test)[self._people()]

    def seen(self) -> Any:
        return _cells(self.train)[self._people()]

    def for_tuning(self, seed: int) -> PersonTask:
        held_out = np.random.default_rng(seed).random(len(self.train)) < SHARE_HELD_OUT
        return replace(self, train=self.train.where(~held_out), test=self.train.where(held_out))

    def _people(self) -> I64:
        return np.unique(self.test.users)


@dataclass(frozen=True)
class SessionTask:
    """The next item after each prefix: prefix i is `items[offsets[i] : offsets[i + 1]]`, oldest first."""

    train: Interactions
    offsets: I64
    items: I32
    targets: I32
    mask_train: bool = False

    def queries(self, artifact: Artifact, encode: Encoder) -> F32:
        row = _rows(artifact, self.train)
        queries = np.zeros((len(self.targets), artifact.dim), dtype=np.float32)
        for query, start, end in zip(queries, self.offsets, self.offsets[1:], strict=False):
            known = row[self.items[start:end]]
            vectors = artifact.item_vectors[known[known >= 0]]
            if len(vectors):
                ones = np.ones(len(vectors), dtype=np.float32)
                query[:] = encode(vectors, ones, artifact.encoder_arrays, artifact.encoder_params)
        return queries

    def visits(self, artifact: Artifact) -> tuple[I64, I64]:
        row_of = _rows(artifact, self.train)
        return _known([row_of[self.items[s:e]] for s, e in zip(self.offsets, self.offsets[1:], strict=False)])

    def relevant(self) -> Any:
        n = len(self.targets)
        return csr_matrix((np.ones(n, dtype=np.bool_), (np.arange(n), self.targets)), shape=(n, self.train.n_items))

    def seen(self) -> Any:
        rows = np.repeat(np.arange(len(self.targets)), np.diff(self.offsets))
        ones = np.ones(len(rows), dtype=np.bool_)
        return csr_matrix((ones, (rows, self.items)), shape=(len(self.targets), self.train.n_items))

    def for_tuning(self, seed: int) -> SessionTask:
        """The last sessions are asked about, after every event but their last: the future is never learned from."""
        first_held_out = np.quantile(self.train.sessions, 1 - SHARE_HELD_OUT)
        late = self.train.sessions > first_held_out
        past, asked = self.train.where(~late), self.train.where(late)
        positions = np.flatnonzero(np.diff(asked.sessions) == 0)
        starts = np.searchsorted(asked.sessions, asked.sessions[positions])
        lengths = positions + 1 - starts
        items = np.concatenate([asked.items[start : start + n] for start, n in zip(starts, lengths, strict=True)])
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        return replace(self, train=past, offsets=offsets, items=items, targets=asked.items[positions + 1])


def _rows(artifact: Artifact, train: Interactions) -> I64:
    """(n_items,) int64: the artifact's row of each item code of `train`, -1 for an item that it does not know."""
    row = np.full(train.n_items, -1)
    row[item_codes(artifact, Fold(0, train, train))] = np.arange(len(artifact.item_ids))
    return row


def _known(spans: list[I64]) -> tuple[I64, I64]:
    """The offsets and the rows of spans, without the rows -1."""
    kept = [span[span >= 0] for span in spans]
    return np.cumsum([0, *map(len, kept)]), np.concatenate(kept)


def _cells(events: Interactions) -> Any:
    known = events.users != NO_USER
    ones = np.ones(int(known.sum()), dtype=np.bool_)
    return csr_matrix((ones, (events.users[known], events.items[known])), shape=(events.n_users, events.n_items))
