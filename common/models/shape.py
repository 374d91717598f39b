"""The shape of a shop's data: how much a model can make of it, found out once for a training.

Settings that are good for a large shop are wrong for data that cannot carry them: a half-life where times say nothing,
a hundred factors for forty items, a network for sixty orders.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from common.schemas.data import NO_USER, Interactions

NARROWEST: Final = 8
"""Vectors are never made narrower than this: they cost nothing then, and few people may still have several tastes."""


@dataclass(frozen=True)
class DataShape:
    """What there is to learn from.

    events: their number
    width: the widest vectors that make sense, a power of two: more columns than people or items have nothing to tell
    timed: whether times tell a person's newer events from the older ones; else a half-life would only forget whoever
    stands first
    """

    events: int
    width: int
    timed: bool

    @classmethod
    def of(cls, data: Interactions, max_width: int) -> DataShape:
        """`max_width` is the shop's own bound."""
        people, items = (len(np.unique(codes)) for codes in (data.users[data.users != NO_USER], data.items))
        fitting = 1 << max(min(people, items), 1).bit_length() - 1
        return cls(len(data), min(max(fitting, NARROWEST), max_width), times_tell(data))


def times_tell(data: Interactions) -> bool:
    """Whether the times of the data tell a person's newer events from the older ones.

    They do not where nobody has events at two times, nor where the steps from one event to the next are all equal, as
    where times only count the rows of a file.
    """
    steps = np.diff(data.ts)
    if len(steps) and (steps == steps[0]).all():
        return False
    known = data.users != NO_USER
    users, ts = data.users[known], data.ts[known]
    if len(users) == 0:
        return True
    earliest, latest = (np.full(data.n_users, at) for at in (ts.max(), ts.min()))
    np.minimum.at(earliest, users, ts)
    np.maximum.at(latest, users, ts)
    return bool((latest > earliest).any())
