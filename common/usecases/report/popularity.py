"""Whether the recommendations are the best sellers over and over, or reach into the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from common.evaluation.report.document import Popularity
from common.schemas.data import EVENT_TYPES, F64, I64, EventType, Interactions

TENTHS: Final = 10


def popularity_of(sold: I64, lists: Sequence[I64]) -> Popularity | None:
    """sold (n_items,) purchases of every item that may be shown; lists: for each person the items shown, as positions
    in `sold`. None where there was nothing to count."""
    shown = np.bincount(np.concatenate([np.empty(0, np.int64), *lists]), minlength=len(sold))
    if not sold.any() or not shown.any():
        return None
    order = np.argsort(-sold, kind="stable")
    return Popularity(
        purchases=_by_tenth(sold[order]),
        recommendations=_by_tenth(shown[order]),
        people=len(lists),
        shown_items=int((shown > 0).sum()),
        items=len(sold),
    )


def sold_by_item(data: Interactions) -> I64:
    """(n_items,) lines of purchases; all events of a shop without any."""
    bought = data.event_types == EVENT_TYPES.index(EventType.PURCHASE)
    return np.bincount(data.items[bought] if bought.any() else data.items, minlength=data.n_items)


def _by_tenth(counts: I64) -> tuple[float, ...]:
    ends = np.round(np.linspace(0, len(counts), TENTHS + 1)).astype(np.int64)
    totals: F64 = np.diff(np.concatenate([[0], np.cumsum(counts)])[ends]) / counts.sum()
    return tuple(totals.tolist())
