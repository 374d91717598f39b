"""Batches: the good rows of an upload, ready to be committed to the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from common.schemas.data import I64
from common.schemas.documents import FileRef, Segment
from common.store.engine import Connection, attach_existing, attach_read_only, connect_trusted
from common.store.segments.duplicates import Duplicates
from common.store.segments.segment import EVENT_COLUMNS, SegmentFile, finish, new_segment
from common.store.segments.tombstones import NEVER, Tombstones
from common.store.uploads.draft import Draft
from common.store.uploads.unattributed import add_unattributed

PathOf = Callable[[FileRef], Path]

NO_ROWS: Final[I64] = np.empty(0, dtype=np.int64)


class Batch(Protocol):
    """The good rows of one upload. `rows` is their number, repeats included; `notices` are for an admin."""

    rows: int
    notices: tuple[str, ...]

    def erased(self, tombstones: Tombstones) -> I64:
        """(n,) int64, sorted: the rows that `tombstones` keep out."""
        ...

    def beside(self, segments: Sequence[Segment], path_of: PathOf, erased: I64 = NO_ROWS) -> SegmentFile | None:
        """Returns the batch as a segment, without the `erased` rows and without rows that one of `segments` holds.

        Returns None if no row is left."""
        ...

    def notices_beside(self, segments: Sequence[Segment], path_of: PathOf) -> tuple[str, ...]:
        """Returns notices for an admin that depend on the stored `segments`."""
        ...


@contextmanager
def event_batch(draft: Draft, work: Path, memory_bytes: int) -> Iterator[EventBatch]:
    """Opens a draft of `read_events` as a batch."""
    connection = connect_trusted(work, memory_bytes)
    try:
        yield EventBatch(connection, draft, work)
    finally:
        connection.close()


class EventBatch:
    """A `Batch` of events."""

    def __init__(self, connection: Connection, draft: Draft, work: Path) -> None:
        self._connection = connection
        self._work = work
        attach_existing(connection, "draft", draft.segment)
        attach_existing(connection, "scratch", draft.scratch)
        repeats, notices = add_unattributed(connection) if draft.rows_unattributed else (0, [])
        self._whole = finish(connection, "draft", draft.segment)
        attach_read_only(connection, "draft", draft.segment)
        self._repeats = Duplicates(connection)
        self._written: dict[bytes, SegmentFile | None] = {b"": self._whole if self._whole.events else None}
        self.rows = self._whole.events + repeats
        self.notices = (*draft.notices, *notices)

    def erased(self, tombstones: Tombstones) -> I64:
        if not tombstones.of_marks:
            return NO_ROWS
        users = self._connection.execute("SELECT user_no, key_hi, key_lo FROM draft.users").fetchnumpy()
        until = tombstones.until(np.stack([users["key_hi"], users["key_lo"]], axis=1))
        named = np.flatnonzero(until != NEVER)
        self._connection.register("erased", {"user_no": users["user_no"][named], "until": until[named]})
        rows = self._connection.execute(
            "SELECT own.rowid AS row FROM draft.events AS own JOIN erased USING (user_no) "
            "WHERE epoch_us(own.ts) <= erased.until ORDER BY row"
        ).fetchnumpy()["row"]
        self._connection.unregister("erased")
        return np.asarray(rows, dtype=np.int64)

    def beside(self, segments: Sequence[Segment], path_of: PathOf, erased: I64 = NO_ROWS) -> SegmentFile | None:
        overlapping = [segment for segment in segments if self._overlaps(segment)]
        for segment in overlapping:
            self._repeats.examine(segment, path_of(segment.file))
        dropped = np.union1d(self._repeats.rows(overlapping), erased)
        key = dropped.tobytes()
        if key not in self._written:
            self._written[key] = self._without(dropped) if len(dropped) < self._whole.events else None
        return self._written[key]

    def notices_beside(self, segments: Sequence[Segment], path_of: PathOf) -> tuple[str, ...]:
        """Returns a notice if there are events of items that no upload has described yet."""
        described = self._described([segment for segment in segments if segment.items], path_of)
        found = self._connection.execute(
            "SELECT count(*), count(DISTINCT item_no) FROM draft.events JOIN draft.item_ids USING (item_no) "
            f"WHERE item_id NOT IN ({described})"
        ).fetchone()
        assert found is not None
        events, items = found
        if not events:
            return ()
        return (
            f"events of items that no items upload has described: {events} ({items} items). They count, and the items "
            "are recommended once they are described",
        )

    def _described(self, segments: Sequence[Segment], path_of: PathOf) -> str:
        self._connection.execute("CREATE OR REPLACE TEMP TABLE described (item_id VARCHAR)")
        for segment in segments:
            attach_read_only(self._connection, "held", path_of(segment.file))
            self._connection.execute(
                "INSERT INTO described SELECT item_id FROM held.items SEMI JOIN draft.item_ids USING (item_id)"
            )
            self._connection.execute("DETACH held")
        return "SELECT item_id FROM described"

    def _overlaps(self, segment: Segment) -> bool:
        """Whether the times of both overlap. Other segments need not be fetched."""
        own = self._whole
        if not (segment.min_ts and segment.max_ts and own.min_ts and own.max_ts):
            return False
        return segment.min_ts <= own.max_ts and own.min_ts <= segment.max_ts

    def _without(self, dropped: I64) -> SegmentFile:
        """Copies the draft without these rows, and without the people and items of these rows only."""
        path = self._work / f"delta-{len(self._written)}.duckdb"
        columns = ", ".join(EVENT_COLUMNS)
        new_segment(self._connection, "delta", path, self._whole.events - len(dropped))
        self._connection.register("dropped", {"row": dropped})
        self._connection.execute(
            f"INSERT INTO delta.events BY NAME SELECT {columns} FROM draft.events "
            "WHERE rowid NOT IN (SELECT row FROM dropped)"
        )
        self._connection.unregister("dropped")
        for table, no in (("users", "user_no"), ("item_ids", "item_no")):
            self._connection.execute(
                f"INSERT INTO delta.{table} SELECT * FROM draft.{table} WHERE {no} IN (SELECT {no} FROM delta.events)"
            )
        return finish(self._connection, "delta", path)
