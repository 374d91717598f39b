"""The catalogue: for each item the row of its newest upload, out of all segments."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from common.schemas.data import Catalogue
from common.store.engine import Connection
from common.store.segments.segment import Part

CONTENT: Final = (
    "category",
    "brand",
    "price",
    "img_url",
    "title",
    "url",
    "currency",
    "available",
    "created_at",
    "extra",
)
"""The columns of an item that come from an upload."""

_NO_EXTRA: Final = "{}"


def newest(parts: Iterable[Part], where: str = "true") -> str:
    """SQL of the newest row of each item.

    It is the row with the latest `as_of`, at a tie that of the later batch; `first_seen` is the earliest of all rows.
    `where` selects rows first, and may name `seq`, the row's batch."""
    columns = ", ".join(("item_id", *CONTENT, "first_seen", "as_of"))
    rows = " UNION ALL ".join(f"SELECT {columns}, {part.seq} AS seq FROM {part.alias}.items" for part in parts)
    return (
        f"SELECT * REPLACE (min(first_seen) OVER (PARTITION BY item_id) AS first_seen) FROM ({rows}) WHERE {where} "
        "QUALIFY row_number() OVER (PARTITION BY item_id ORDER BY as_of DESC, seq DESC) = 1"
    )


def read(connection: Connection, parts: Sequence[Part], item_ids: tuple[str, ...] | None) -> Catalogue:
    """Implements `Reader.catalogue`. A missing `created_at` is replaced by the time of the item's first upload."""
    if not parts:
        return _EMPTY
    chosen = ""
    if item_ids is not None:
        connection.register("chosen", {"item_id": np.array(item_ids, dtype=object)})
        chosen = "WHERE item_id IN (SELECT item_id FROM chosen)"
    rows = connection.execute(
        "SELECT * REPLACE (coalesce(price, 'nan'::DOUBLE) AS price, epoch_us(as_of) // 1000000 AS as_of, "
        "epoch_us(coalesce(created_at, first_seen)) // 1000000 AS created_at) "
        f"FROM ({newest(parts)}) {chosen} ORDER BY item_id"
    ).fetchnumpy()
    return Catalogue(
        item_ids=_texts(rows["item_id"]),
        categories=_texts(rows["category"]),
        brands=_texts(rows["brand"]),
        prices=np.asarray(rows["price"], dtype=np.float64),
        img_urls=_texts(rows["img_url"]),
        titles=_texts(rows["title"]),
        urls=_texts(rows["url"]),
        currencies=_texts(rows["currency"]),
        available=np.asarray(rows["available"], dtype=bool),
        created_at=np.asarray(rows["created_at"], dtype=np.int64),
        as_of=np.asarray(rows["as_of"], dtype=np.int64),
        extra=tuple(_extra(text) for text in rows["extra"].tolist()),
    )


def _texts(column: npt.NDArray[Any]) -> tuple[str, ...]:
    return tuple(column.tolist())


def _extra(text: str) -> dict[str, str]:
    return {} if text == _NO_EXTRA else {name: value for name, value in json.loads(text).items() if value}


_EMPTY: Final = Catalogue(
    item_ids=(),
    categories=(),
    brands=(),
    prices=np.empty(0, np.float64),
    img_urls=(),
    titles=(),
    urls=(),
    currencies=(),
    available=np.empty(0, bool),
    created_at=np.empty(0, np.int64),
    as_of=np.empty(0, np.int64),
    extra=(),
)
