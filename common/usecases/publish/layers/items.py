"""The items of a layer: every item that is known, each with its row of the catalogue."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Final

import numpy as np

from common.schemas.data import I32, I64, REGULAR_PRICE, Catalogue, Interactions

_BLANK: Final = Catalogue(
    item_ids=("",),
    categories=("",),
    brands=("",),
    prices=np.array([np.nan]),
    img_urls=("",),
    titles=("",),
    urls=("",),
    currencies=("",),
    available=np.array([False]),
    created_at=np.array([0]),
    as_of=np.array([0]),
    extra=({},),
)


def aligned(catalogue: Catalogue, item_ids: Sequence[str], unlisted_available: bool) -> Catalogue:
    """One row for each of `item_ids`, in that order; an item that the catalogue does not list has empty fields.

    A shop with a catalogue does not sell what is not in it, so such an item is kept, because histories name it, but not
    recommended. Without any catalogue, `unlisted_available` lets every item be recommended.
    """
    places = {item_id: row for row, item_id in enumerate(catalogue.item_ids)}
    rows = [places.get(item_id, len(catalogue)) for item_id in item_ids]
    blank = replace(_BLANK, available=np.array([unlisted_available]))
    return replace(take(_joined(catalogue, blank), rows), item_ids=tuple(item_ids))


def take(catalogue: Catalogue, rows: Sequence[int] | I32 | I64) -> Catalogue:
    """The catalogue's rows in the given order."""

    places = np.asarray(rows, dtype=np.int64)

    def chosen(column: Any) -> Any:
        return column[places] if isinstance(column, np.ndarray) else tuple(column[row] for row in places.tolist())

    return _with_columns(lambda name: chosen(getattr(catalogue, name)))


def _joined(first: Catalogue, second: Catalogue) -> Catalogue:
    def both(one: Any, other: Any) -> Any:
        return np.append(one, other) if isinstance(one, np.ndarray) else one + other

    return _with_columns(lambda name: both(getattr(first, name), getattr(second, name)))


def _with_columns(column: Callable[[str], Any]) -> Catalogue:
    return Catalogue(**{field.name: column(field.name) for field in fields(Catalogue)})


_NEVER: Final = np.iinfo(np.int64).min


def first_seen(data: Interactions) -> dict[str, int]:
    """The time of each item's first event, in epoch seconds."""
    first = np.full(data.n_items, _NEVER, dtype=np.int64)
    # Where one place gets several values, the last one stays: with the newest event first, that of the oldest event.
    first[data.items[::-1]] = data.ts[::-1]
    return {item_id: ts for item_id, ts in zip(data.item_ids, first.tolist(), strict=True) if ts != _NEVER}


def with_birth(catalogue: Catalogue, seen: Mapping[str, int]) -> Catalogue:
    """The catalogue with `created_at` not later than an item's first event (`seen`)."""
    first = np.array([seen.get(item_id, 0) for item_id in catalogue.item_ids], dtype=np.int64)
    given = catalogue.created_at
    earlier = (first > 0) & ((first < given) | (given <= 0))
    return replace(catalogue, created_at=np.where(earlier, first, given))


def on_sale_rows(catalogue: Catalogue) -> I32:
    """(k,) int32: the rows with a price below their regular one, available or not."""
    regular = [_number(extra.get(REGULAR_PRICE)) for extra in catalogue.extra]
    return np.flatnonzero(catalogue.prices < np.array(regular, dtype=np.float64)).astype(np.int32)


def _number(text: str | None) -> float:
    """NaN for what is no number: rows from before regular prices were checked hold any text."""
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan
