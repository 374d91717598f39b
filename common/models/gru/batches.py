"""Session-parallel mini-batches (Hidasi et al., "Session-based recommendations with recurrent networks", 2016)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from common.models.sessions import Sequences
from common.schemas.data import I32, I64, Bools


@dataclass(frozen=True)
class Step:
    """One event of each session in the batch.

    rows: (n,) int64, the rows of the hidden state that take part
    inputs, targets: (n,) int32, the item of each row and the one after it
    begins: (n,) bool, rows in which a session begins, so that the state is set to zero
    """

    rows: I64
    inputs: I32
    targets: I32
    begins: Bools


def session_parallel(sessions: Sequences, batch_size: int) -> Iterator[Step]:
    """Yields the steps through all sessions, `batch_size` sessions at a time, in their order.

    A row whose session has ended takes the next session. When none are left, or there are fewer sessions than rows, the
    steps get narrower. Every session must have at least two items.
    """
    rows = np.arange(min(batch_size, len(sessions)))
    at, last = sessions.offsets[rows], sessions.offsets[rows + 1] - 1
    begins = np.ones(len(rows), dtype=np.bool_)
    taken = len(rows)
    while len(rows):
        yield Step(rows, sessions.items[at], sessions.items[at + 1], begins)
        at = at + 1
        ended = np.flatnonzero(at == last)
        fresh = np.arange(taken, min(taken + len(ended), len(sessions)))
        refilled, done = np.split(ended, [len(fresh)])
        at[refilled], last[refilled] = sessions.offsets[fresh], sessions.offsets[fresh + 1] - 1
        begins = np.zeros(len(rows), dtype=np.bool_)
        begins[refilled] = True
        taken += len(fresh)
        if len(done):
            going_on = np.delete(np.arange(len(rows)), done)
            rows, at, last, begins = rows[going_on], at[going_on], last[going_on], begins[going_on]
