"""The profile of the data that a run learned from."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np

from common.evaluation.report.document import DataProfile
from common.schemas.data import EVENT_TYPES, NO_USER, Bools, EventType, Interactions


def profile_of(data: Interactions, n_catalogue: int) -> DataProfile:
    """The profile of at least one event. `n_catalogue` is the number of items that uploads describe, sold or not."""
    known = data.users != NO_USER
    n_pairs, n_purchases = _pairs_and_purchases(data, known)
    events = np.bincount(data.users[known], minlength=1)
    n_people, n_items = int(np.count_nonzero(events)), int(np.count_nonzero(np.bincount(data.items)))
    return DataProfile(
        people=n_people,
        items=n_items,
        catalogue=n_catalogue,
        events=len(data),
        anonymous=int((~known).sum()),
        by_type=_by_type(data),
        by_month=_by_month(data),
        first_day=_day(int(data.ts[0])),
        last_day=_day(int(data.ts[-1])),
        repeat_share=1 - n_pairs / n_purchases if n_purchases else None,
        density=n_pairs / max(1, n_people * n_items),
        median_events=float(np.median(events[events > 0])) if n_people else 0.0,
    )


def _by_type(data: Interactions) -> dict[str, int]:
    counts = np.bincount(data.event_types, minlength=len(EVENT_TYPES)).tolist()
    return {kind.value: count for kind, count in zip(EVENT_TYPES, counts, strict=True) if count}


def _by_month(data: Interactions) -> dict[str, int]:
    """Number of events in every month from the first to the last, months without events included."""
    first, last = data.ts[[0, -1]].astype("datetime64[s]").astype("datetime64[M]")
    months = np.arange(first, last + 2)
    counts = np.diff(np.searchsorted(data.ts, months.astype("datetime64[s]").astype(np.int64)))
    return dict(zip(np.datetime_as_string(months[:-1]).tolist(), counts.tolist(), strict=True))


def _pairs_and_purchases(data: Interactions, known: Bools) -> tuple[int, int]:
    """The number of different pairs of a person and a bought item, and the number of purchases.

    Two lines of one person and item at one moment are one purchase.
    """
    bought = known & (data.event_types == EVENT_TYPES.index(EventType.PURCHASE))
    pairs = data.users[bought].astype(np.int64) * data.n_items + data.items[bought]
    order = np.argsort(pairs, kind="stable")  # of one pair, in order of time as the events are
    another = np.diff(pairs[order], prepend=-1) != 0
    later = np.diff(data.ts[bought][order], prepend=0) != 0
    return int(np.count_nonzero(another)), int(np.count_nonzero(another | later))


def _day(ts: int) -> date:
    return datetime.fromtimestamp(ts, UTC).date()
