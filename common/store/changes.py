"""What the batches after a given one touch, so that update's cost follows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from common.schemas.data import U64
from common.store.catalogue import CONTENT, newest
from common.store.engine import Connection, number
from common.store.interactions import unique_keys
from common.store.segment import Part


@dataclass(frozen=True)
class Changes:
    """`user_keys` (n, 2) uint64, sorted: the people of the new events. `item_ids`, sorted: items that are new in the
    catalogue or described differently. `event_item_ids`, sorted: items of the new events. `events`: how many."""

    user_keys: U64
    item_ids: tuple[str, ...]
    event_item_ids: tuple[str, ...]
    events: int


def read(connection: Connection, with_events: Sequence[Part], with_items: Sequence[Part], since_seq: int) -> Changes:
    """See `Reader.changed_since`."""
    user_keys = [np.empty((0, 2), np.uint64)]
    event_item_ids: set[str] = set()
    events = 0
    for part in (part for part in with_events if part.segment.seq > since_seq):
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE later AS SELECT user_no, item_no FROM {part.alias}.events "
            f"WHERE {part.seq} > {since_seq}"
        )
        events += number(connection, "SELECT count(*) FROM later")
        user_keys.append(_people(connection, part))
        event_item_ids.update(_items(connection, part))
    return Changes(
        user_keys=unique_keys(np.concatenate(user_keys))[0],
        item_ids=_described(connection, with_items, since_seq),
        event_item_ids=tuple(sorted(event_item_ids)),
        events=events,
    )


def _people(connection: Connection, part: Part) -> U64:
    rows = connection.execute(
        f"SELECT key_hi, key_lo FROM {part.alias}.users WHERE user_no IN (SELECT user_no FROM later)"
    ).fetchnumpy()
    return np.stack([rows["key_hi"], rows["key_lo"]], axis=1)


def _items(connection: Connection, part: Part) -> list[str]:
    rows = connection.execute(
        f"SELECT item_id FROM {part.alias}.item_ids WHERE item_no IN (SELECT item_no FROM later)"
    ).fetchnumpy()
    items: list[str] = rows["item_id"].tolist()
    return items


def _described(connection: Connection, parts: Sequence[Part], since_seq: int) -> tuple[str, ...]:
    """The items whose row in the catalogue is another one than it was at `since_seq`."""
    if not any(part.segment.seq > since_seq for part in parts):
        return ()
    columns = ", ".join(("item_id", *CONTENT))
    before = newest(parts, f"seq <= {since_seq}")
    rows = connection.execute(
        f"SELECT item_id FROM (SELECT {columns} FROM ({newest(parts)}) EXCEPT SELECT {columns} FROM ({before})) "
        "ORDER BY item_id"
    ).fetchnumpy()
    return tuple(rows["item_id"].tolist())
