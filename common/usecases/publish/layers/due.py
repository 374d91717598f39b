"""When people are expected to buy again, for the histories of a layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from common.models.due import Expected, ItemRhythms, due_columns, own_purchases
from common.schemas.data import I32, DueColumns, Interactions
from common.schemas.documents import DueSettings
from common.schemas.due import day_of
from common.usecases.publish.layers.histories import Histories

_NAME: Final = "item_rhythms"
"""Of the base's array. It holds sums over all people, as what is popular does, and no row of a person."""


def rhythms_of(data: Interactions, now_s: int, numbers: I32, n: int) -> ItemRhythms:
    """What is known of `n` items at `now_s`, epoch seconds; numbers[i] is the number of item code i.

    Later events do not count: updates go by the same table, and everybody by the same expectations."""
    seen = data if not len(data) or data.ts[-1] <= now_s else data.where(data.ts <= now_s)
    return ItemRhythms.of(own_purchases(seen), data.n_items, day_of(now_s)).placed(numbers, n)


def rhythm_arrays(rhythms: ItemRhythms) -> dict[str, npt.NDArray[Any]]:
    """The array by its name among the encoder arrays of a base."""
    return {_NAME: rhythms.table}


def rhythms_of_base(arrays: Mapping[str, npt.NDArray[Any]], n: int) -> ItemRhythms:
    """The table of `n` items, those of a base and later ones. A base from before there was one knows nothing."""
    rhythms = ItemRhythms(arrays[_NAME]) if _NAME in arrays else ItemRhythms.nothing()
    return rhythms.placed(np.arange(len(rhythms.table), dtype=np.int32), n)


def due_of(
    data: Interactions, histories: Histories, expected: Expected, settings: DueSettings | None, now_s: int
) -> DueColumns:
    """The columns of the histories of `data`; `expected` is of its item codes, `now_s` as in the histories."""
    own, width = own_purchases(data), max(data.n_items, 1)
    users = np.repeat(np.arange(len(histories.offsets) - 1), np.diff(histories.offsets))
    cells = users * width + histories.items
    order = np.argsort(cells)
    places = order[np.searchsorted(cells, own.users * width + own.items, sorter=order)]
    columns = due_columns(own, expected, settings or DueSettings(), day_of(now_s))
    return columns.placed(places, len(cells))
