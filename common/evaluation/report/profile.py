"""The data that a run learned from, in figures."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np

from common.evaluation.report.document import DataProfile
from common.schemas.data import EVENT_TYPES, I64, NO_USER, EventType, Interactions


def profile_of(data: Interactions, n_catalogue: int) -> DataProfile:
    """Of at least one event. `n_catalogue`: items that uploads describe, sold or not."""
    known = data.users != NO_USER
    bought = known & (data.event_types == EVENT_TYPES.index(EventType.PURCHASE))
    pairs = data.users[bought].astype(np.int64) * data.n_items + data.items[bought]
    n_pairs = len(np.unique(pairs))
    people, items = np.unique(data.users[known]), np.unique(data.items)
    events = np.bincount(data.users[known], minlength=1)
    return DataProfile(
        people=len(people),
        items=len(items),
        catalogue=n_catalogue,
        events=len(data),
        anonymous=int((~known).sum()),
        by_type=_by_type(data),
        by_month=_by_month(data),
        first_day=_day(int(data.ts[0])),
        last_day=_day(int(data.ts[-1])),
        repeat_share=_repeat_share(pairs, data.ts[bought], n_pairs),
        density=n_pairs / max(1, len(people) * len(items)),
        median_events=float(np.median(events[events > 0])) if len(people) else 0.0,
    )


def _by_type(data: Interactions) -> dict[str, int]:
    counts = np.bincount(data.event_types, minlength=len(EVENT_TYPES)).tolist()
    return {kind.value: count for kind, count in zip(EVENT_TYPES, counts, strict=True) if count}


def _by_month(data: Interactions) -> dict[str, int]:
    """Every month from the first to the last, those without events too."""
    months = data.ts.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
    counts = np.bincount(months - months[0]).tolist()
    names = np.datetime_as_string((months[0] + np.arange(len(counts))).astype("datetime64[M]")).tolist()
    return dict(zip(names, counts, strict=True))


def _repeat_share(pairs: I64, ts: I64, n_pairs: int) -> float | None:
    """Two lines of one moment are one purchase."""
    if len(pairs) == 0:
        return None
    order = np.lexsort((ts, pairs))
    same = (np.diff(pairs[order]) == 0) & (np.diff(ts[order]) == 0)
    return 1 - n_pairs / (len(pairs) - int(same.sum()))


def _day(ts: int) -> date:
    return datetime.fromtimestamp(ts, UTC).date()
