"""The reading of the store: base, catalogue and deltas as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np

from common.schemas.data import EVENT_TYPES, U64, Catalogue, EventType, Interactions
from common.schemas.documents import FileRef, StoreDocument
from common.schemas.pairs import PairRule
from common.store.engine import Connection, attach_read_only, connect_trusted, number
from common.store.segments import catalogue, co_purchases, crowds, interactions
from common.store.segments.catalogue import CONTENT, newest
from common.store.segments.co_purchases import CoPurchases
from common.store.segments.crowds import Crowd
from common.store.segments.interactions import unique_keys
from common.store.segments.segment import Part, check_format


@dataclass(frozen=True)
class Changes:
    """The changes of the store by new batches.

    user_keys (n, 2) uint64, sorted: the people of the new events; item_ids, sorted: items that are new in the catalogue
    or described differently; event_item_ids, sorted: the items of the new events; events: the number of new events."""

    user_keys: U64
    item_ids: tuple[str, ...]
    event_item_ids: tuple[str, ...]
    events: int


def read_changes(
    connection: Connection, with_events: Sequence[Part], with_items: Sequence[Part], since_seq: int
) -> Changes:
    """Implements `Reader.changed_since`."""
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
        f"SELECT key_hi, key_lo FROM {part.people} WHERE user_no IN (SELECT user_no FROM later)"
    ).fetchnumpy()
    return np.stack([rows["key_hi"], rows["key_lo"]], axis=1)


def _items(connection: Connection, part: Part) -> list[str]:
    rows = connection.execute(
        f"SELECT item_id FROM {part.alias}.item_ids WHERE item_no IN (SELECT item_no FROM later)"
    ).fetchnumpy()
    items: list[str] = rows["item_id"].tolist()
    return items


def _described(connection: Connection, parts: Sequence[Part], since_seq: int) -> tuple[str, ...]:
    """The items whose row in the catalogue has changed since batch `since_seq`."""
    if not any(part.segment.seq > since_seq for part in parts):
        return ()
    columns = ", ".join(("item_id", *CONTENT))
    before = newest(parts, f"seq <= {since_seq}")
    rows = connection.execute(
        f"SELECT item_id FROM (SELECT {columns} FROM ({newest(parts)}) EXCEPT SELECT {columns} FROM ({before})) "
        "ORDER BY item_id"
    ).fetchnumpy()
    return tuple(rows["item_id"].tolist())


READER_MEMORY_BYTES: Final = 1 << 30


@dataclass(frozen=True)
class Counts:
    """The numbers of rows in the store, and the times of the first and last event (UTC, None without events).

    `users` are people with at least one event with consent; `items` are those in the catalogue."""

    events: int
    purchases: int
    users: int
    items: int
    min_ts: datetime | None
    max_ts: datetime | None


@contextmanager
def open_store(
    document: StoreDocument | None,
    path_of: Callable[[FileRef], Path],
    work_dir: Path,
    memory_bytes: int = READER_MEMORY_BYTES,
) -> Iterator[Reader]:
    """Opens the version of the store that `document` describes; None is an empty store.

    `path_of` fetches a file and returns its local path. `memory_bytes` limits the memory of DuckDB, which spills to
    `work_dir`; the arrays that the reader returns are not included. Raises `CorruptError` for a segment of an unknown
    format.
    """
    connection = connect_trusted(work_dir, memory_bytes)
    try:
        parts = []
        for number, segment in enumerate(document.segments if document else ()):
            part = Part(f"segment_{number}", segment)
            attach_read_only(connection, part.alias, path_of(segment.file))
            check_format(connection, part.alias, segment.file.key)
            parts.append(part)
        yield Reader(connection, tuple(parts))
    finally:
        connection.close()


class Reader:
    """The reader of one version of the store. It is not thread-safe."""

    def __init__(self, connection: Connection, parts: tuple[Part, ...]) -> None:
        self._connection = connection
        self._parts = parts
        self._with_events = tuple(part for part in parts if part.segment.events)
        self._with_items = tuple(part for part in parts if part.segment.items)
        self._item_codes = interactions.ItemCodes(connection)

    def counts(self) -> Counts:
        """Counts the rows of the store."""
        segments = [part.segment for part in self._with_events]
        return Counts(
            events=sum(segment.events for segment in segments),
            purchases=self._purchases(),
            users=self._distinct("users", "key_hi, key_lo", self._with_events),
            items=self._distinct("items", "item_id", self._with_items),
            min_ts=min((segment.min_ts for segment in segments if segment.min_ts), default=None),
            max_ts=max((segment.max_ts for segment in segments if segment.max_ts), default=None),
        )

    def interactions(
        self,
        since_seq: int = 0,
        user_keys: U64 | None = None,
        *,
        until_seq: int | None = None,
        since_s: int | None = None,
    ) -> Interactions:
        """Returns the events of the batches after `since_seq`, oldest first.

        With `user_keys` (n, 2) uint64 these are the events of these people only, with `until_seq` those of the batches
        up to it, with `since_s` (epoch seconds) those since then. People and items without such events get no code.
        """
        wanted = interactions.Wanted(since_seq, until_seq, since_s, user_keys)
        return interactions.read(self._connection, self._with_events, self._item_codes, wanted)

    def catalogue(self, item_ids: tuple[str, ...] | None = None) -> Catalogue:
        """Returns all items, or the known ones of `item_ids`, as their newest uploads describe them."""
        return catalogue.read(self._connection, self._with_items, item_ids)

    def changed_since(self, seq: int) -> Changes:
        """Returns the changes by the batches after `seq`."""
        return read_changes(self._connection, self._with_events, self._with_items, seq)

    def co_purchases(self, rule: PairRule, since_seq: int = 0) -> CoPurchases:
        """Returns the pairs of items that share orders, in the batches after `since_seq`.

        For each item these are the `CANDIDATES` pairs with the highest lift among pairs with as many distinct people
        as `rule` asks for. Returned items are not subtracted."""
        return co_purchases.read(self._connection, self._with_events, since_seq, rule)

    def crowds(self, share: float) -> tuple[Crowd, ...]:
        """Returns the customer ids with more than `share` of all orders, those with most orders first."""
        return crowds.read(self._connection, self._with_events, share)

    def without(self, keys: Sequence[tuple[int, int]]) -> Reader:
        """Returns a reader for which the events of these people, as (key_hi, key_lo), are nobody's.

        `counts` and `crowds` stay as they are."""
        if not keys:
            return self
        nobody = ", ".join(f"({key_hi}::UBIGINT, {key_lo}::UBIGINT)" for key_hi, key_lo in keys)
        parts = []
        for part in self._parts:
            known = f"people_of_{part.alias}"
            self._connection.execute(
                f"CREATE OR REPLACE TEMP VIEW {known} AS SELECT * FROM {part.alias}.users "
                f"WHERE (key_hi, key_lo) NOT IN ({nobody})"
            )
            parts.append(replace(part, known_people=known))
        return Reader(self._connection, tuple(parts))

    def _purchases(self) -> int:
        code = EVENT_TYPES.index(EventType.PURCHASE)
        return sum(
            number(self._connection, f"SELECT count(*) FROM {part.alias}.events WHERE event_type = {code}")
            for part in self._with_events
        )

    def _distinct(self, table: str, columns: str, parts: tuple[Part, ...]) -> int:
        if not parts:
            return 0
        rows = " UNION ".join(f"SELECT {columns} FROM {part.alias}.{table}" for part in parts)
        return number(self._connection, f"SELECT count(*) FROM ({rows})")
