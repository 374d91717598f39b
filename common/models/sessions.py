"""Events as sequences: the sessions that sequence models learn from, and the histories that queries are made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from common.schemas.data import I32, I64, NO_USER, Interactions, Weighting

SESSION_GAP_S: Final = 30 * 60
"""Seconds without an event after which a person's next event begins another session, as web analytics counts."""


@dataclass(frozen=True)
class Sequences:
    """Sequences of item codes. Sequence i is `items[offsets[i] : offsets[i + 1]]`, oldest first.

    offsets: (n + 1,) int64
    items: (n_events,) int32 item codes
    people: (n,) int64, the user code of each sequence, or NO_USER
    """

    offsets: I64
    items: I32
    people: I64

    def __len__(self) -> int:
        return len(self.people)

    @property
    def lengths(self) -> I64:
        return np.diff(self.offsets)

    def of_length(self, least: int) -> Sequences:
        """The sequences of `least` items or more, in the same order."""
        kept = self.lengths >= least
        offsets = np.concatenate([[0], np.cumsum(self.lengths[kept])])
        return Sequences(offsets, self.items[np.repeat(kept, self.lengths)], self.people[kept])

    def numbered(self) -> tuple[Sequences, I64]:
        """The same sequences with items numbered from 0 without gaps, and (n_items,) int64 the code of each number,
        ascending."""
        items, numbers = np.unique(self.items, return_inverse=True)
        return Sequences(self.offsets, numbers.astype(np.int32), self.people), items.astype(np.int64)

    def cut(self, longest: int) -> Sequences:
        """The same sequences, the longer ones in pieces of `longest` items and a rest."""
        pieces = -(-self.lengths // longest)
        people = np.repeat(self.people, pieces)
        first = np.repeat(np.cumsum(pieces) - pieces, pieces)
        starts = np.repeat(self.offsets[:-1], pieces) + longest * (np.arange(len(people)) - first)
        return Sequences(np.append(starts, self.offsets[-1]), self.items, people)


def sessions_of(data: Interactions, weighting: Weighting) -> Sequences:
    """The sessions, in the order in which they begin.

    A session is what the shop says it is; else an order; else a person's events without a pause of `SESSION_GAP_S`.
    Left out are events without a person, a session and an order, and events of weight 0 or below.
    """
    chosen = _learned(data, weighting)
    return _grouped(chosen, _session_codes(chosen))


def people_of(data: Interactions, weighting: Weighting) -> Sequences:
    """One sequence for each person, with all of their events, and one for each session or order without a person; in
    the order of their first event."""
    chosen = _learned(data, weighting)
    known = chosen.users != NO_USER
    return _grouped(chosen, _distinct(known, np.where(known, chosen.users, _session_codes(chosen))))


def histories_of(data: Interactions, weighting: Weighting, now_s: int) -> Sequences:
    """The histories as serving keeps them: each item of a person once, in the order of the last event with it, by user
    code.

    Items that returns have cancelled are left out.
    """
    # It imports scipy, which update, whose image has none, does not need for sessions.
    from common.models.matrix import weight_matrix

    known = data.where(data.users != NO_USER)
    cells = weight_matrix(data, weighting, now_s)
    people = np.repeat(np.arange(data.n_users), np.diff(cells.indptr))
    pairs, from_the_end = np.unique(_pairs(known.users, known.items, data.n_items)[::-1], return_index=True)
    newness = from_the_end[np.searchsorted(pairs, _pairs(people, cells.indices, data.n_items))]
    order = np.lexsort((-newness, people))
    present, counts = np.unique(people, return_counts=True)
    return Sequences(np.concatenate([[0], np.cumsum(counts)]), cells.indices[order].astype(np.int32), present)


def _pairs(users: I32 | I64, items: I32, n_items: int) -> I64:
    """(n,) int64: one number for each pair of a person and an item."""
    return users.astype(np.int64) * n_items + items


def _learned(data: Interactions, weighting: Weighting) -> Interactions:
    likes = weighting.event_weights()[data.event_types] > 0
    return data.where(likes & ((data.users != NO_USER) | (data.sessions >= 0) | (data.orders >= 0)))


def _session_codes(data: Interactions) -> I64:
    """(n_events,) int64: equal for the events of one session."""
    order = np.lexsort((np.arange(len(data)), data.users))
    users, ts = data.users[order], data.ts[order]
    begins = np.ones(len(data), dtype=np.bool_)
    begins[1:] = (np.diff(users) != 0) | (np.diff(ts) > SESSION_GAP_S)
    visits = np.empty(len(data), dtype=np.int64)
    visits[order] = np.cumsum(begins)
    kind = np.where(data.sessions >= 0, 2, np.where(data.orders >= 0, 1, 0))
    return _distinct(kind, np.choose(kind, [visits, data.orders, data.sessions]))


def _distinct(kind: I64, code: I64) -> I64:
    """(n_events,) int64: equal where both kind and code are equal, so codes of different kinds never collide."""
    return np.unique(np.column_stack([kind, code]), axis=0, return_inverse=True)[1].ravel().astype(np.int64)


def _grouped(data: Interactions, codes: I64) -> Sequences:
    """One sequence for each code, its events oldest first; the sequences in the order of their first event."""
    _, first, group = np.unique(codes, return_index=True, return_inverse=True)
    order = np.lexsort((np.arange(len(codes)), first[group]))
    starts = np.sort(first)
    lengths = np.bincount(group, minlength=len(first))[np.argsort(first)] if len(first) else first
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Sequences(offsets, data.items[order], data.users[starts].astype(np.int64))
