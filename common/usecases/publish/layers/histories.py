"""The histories of people: each person's summed events with each item, as they are served and as encoders use them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from common.schemas.data import F32, I32, I64, NO_USER, Bools, Interactions, Weighting, repeated
from common.schemas.ordering import stable_order


@dataclass(frozen=True)
class Histories:
    """The histories of all people. Row i is person i of the interactions: [offsets[i], offsets[i + 1]) of the other
    arrays.

    Each item is there once, in the order of the person's last event with it, oldest first; items that returns have
    cancelled are left out.

    offsets: (n_users + 1,) int64
    items: (h,) int32 codes of the interactions
    weights: (h,) float32 ≥ 0, summed
    purchased: (h,) bool, whether more was bought than returned
    repeats: (h,) float32 ≥ 0, summed weights as of `repeated`
    """

    offsets: I64
    items: I32
    weights: F32
    purchased: Bools
    repeats: F32

    def of_people(self, rows: I64) -> Histories:
        """The histories of `rows`, ascending. The people left out must have none."""
        return replace(self, offsets=np.append(self.offsets[rows], self.offsets[-1:]))


def histories_of(
    data: Interactions, weighting: Weighting, now_s: int, repeat_half_life_days: float | None = None
) -> Histories:
    """The histories of all people. `now_s` (epoch seconds) is the time from which recency is counted."""
    rows = np.flatnonzero(data.users != NO_USER)
    cells = data.users[rows].astype(np.int64) * max(data.n_items, 1) + data.items[rows]
    # The events of a cell stay in the order of time, so the last one is the newest.
    order = stable_order(cells)
    rows, cells = rows[order], cells[order]
    starts = np.flatnonzero(np.diff(cells, prepend=-1))
    weights = np.maximum(_sums(weighting.weigh(data, now_s)[rows], starts), 0)
    purchased = _sums(data.pieces()[rows], starts) > 0
    repeats = np.maximum(_sums(repeated(repeat_half_life_days).weigh(data, now_s)[rows], starts), 0)
    newest = rows[np.append(starts[1:], len(rows)) - 1] if len(starts) else starts
    users, items = data.users[rows[starts]], data.items[rows[starts]]

    counted = np.flatnonzero((weights > 0) | purchased)
    at_event = np.full(len(data), -1, dtype=np.int64)
    at_event[newest[counted]] = counted
    by_time = at_event[at_event >= 0]
    kept = by_time[stable_order(users[by_time])]
    counts = np.bincount(users[kept], minlength=data.n_users)
    return Histories(
        offsets=np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        items=items[kept].astype(np.int32),
        weights=weights[kept].astype(np.float32),
        purchased=purchased[kept],
        repeats=repeats[kept].astype(np.float32),
    )


def _sums(values: F32, starts: I64) -> np.ndarray:
    return np.add.reduceat(values, starts, dtype=np.float64) if len(starts) else np.zeros(0)
