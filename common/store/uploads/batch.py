"""Batches: the good rows of an upload, ready to be committed to the store."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

import duckdb
import numpy as np

from common.errors import ReaderDied
from common.schemas.data import I64
from common.schemas.documents import FileRef, Segment
from common.store.engine import Connection, attach_read_only, connect_trusted, interrupted_after
from common.store.segments.duplicates import Duplicates
from common.store.segments.segment import EVENT_COLUMNS, SegmentFile, finish, new_segment
from common.store.segments.tombstones import NEVER, Tombstones
from common.store.uploads.settle import Settled

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
def event_batch(settled: Settled, work: Path, memory_bytes: int, seconds: float) -> Iterator[EventBatch]:
    """Opens what `settle_events` made as a batch.

    Raises `ReaderDied` if the comparison with the store ends at the memory limit, or if the block takes `seconds`."""
    connection = connect_trusted(work, memory_bytes)
    with comparing(connection), interrupted_after(connection, seconds):
        yield EventBatch(connection, settled, work)


@contextmanager
def comparing(connection: Connection) -> Iterator[None]:
    """Closes `connection` after the block, in which rows are compared with the store. Raises as `event_batch` does."""
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise ReaderDied("comparing its rows with the store took more than RECSYS_INGEST_MEMORY_BYTES") from None
    except duckdb.InterruptException:
        raise ReaderDied("comparing its rows with the store took longer than RECSYS_UPLOAD_DEADLINE_S") from None
    finally:
        connection.close()


class EventBatch:
    """A `Batch` of events."""

    def __init__(self, connection: Connection, settled: Settled, work: Path) -> None:
        self._connection = connection
        self._work = work
        self._whole = settled.segment
        attach_read_only(connection, "draft", settled.segment.path)
        self._repeats = Duplicates(connection)
        self._written: dict[str, SegmentFile | None] = {_name(NO_ROWS): self._whole if self._whole.events else None}
        self.rows = settled.rows
        self.notices = settled.notices

    def erased(self, tombstones: Tombstones) -> I64:
        return self._named_by(tombstones, "draft")

    def _named_by(self, tombstones: Tombstones, alias: str) -> I64:
        if not tombstones.of_marks:
            return NO_ROWS
        users = self._connection.execute(f"SELECT user_no, key_hi, key_lo FROM {alias}.users").fetchnumpy()
        until = tombstones.until(np.stack([users["key_hi"], users["key_lo"]], axis=1))
        named = np.flatnonzero(until != NEVER)
        self._connection.register("erased", {"user_no": users["user_no"][named], "until": until[named]})
        rows = self._connection.execute(
            f"SELECT own.rowid AS row FROM {alias}.events AS own JOIN erased USING (user_no) "
            "WHERE epoch_us(own.ts) <= erased.until ORDER BY row"
        ).fetchnumpy()["row"]
        self._connection.unregister("erased")
        return np.asarray(rows, dtype=np.int64)

    def beside(self, segments: Sequence[Segment], path_of: PathOf, erased: I64 = NO_ROWS) -> SegmentFile | None:
        return self._less(self._dropped(segments, path_of, erased))

    def _dropped(self, segments: Sequence[Segment], path_of: PathOf, others: I64) -> I64:
        """The rows that one of `segments` holds, and `others`."""
        overlapping = [segment for segment in segments if self._overlaps(segment)]
        for segment in overlapping:
            self._repeats.examine(segment, path_of(segment.file))
        dropped = self._repeats.rows(overlapping)
        return np.union1d(dropped, others) if len(others) else dropped

    def _less(self, dropped: I64) -> SegmentFile | None:
        name = _name(dropped)
        if name not in self._written:
            self._written[name] = self._without(dropped) if len(dropped) < self._whole.events else None
        return self._written[name]

    def notices_beside(self, segments: Sequence[Segment], path_of: PathOf) -> tuple[str, ...]:
        """Returns a notice if there are events of items that no upload has described yet."""
        described = self._described([segment for segment in segments if segment.items], path_of)
        found = self._connection.execute(
            f"SELECT count(*), count(DISTINCT item_no), {ZEROS_LOST} FROM draft.events "
            f"JOIN draft.item_ids USING (item_no) WHERE item_id NOT IN ({described})"
        ).fetchone()
        assert found is not None
        events, items, zeros_lost = found
        if not events:
            return ()
        return (undescribed(events, items, zeros_lost),)

    def _described(self, segments: Sequence[Segment], path_of: PathOf) -> str:
        """SQL of those of the draft's items that the segments describe. Makes the table `near`: the ids of items
        that they describe and that are those of the draft's but for leading zeros."""
        self._connection.execute("CREATE OR REPLACE TEMP TABLE described (item_id VARCHAR)")
        self._connection.execute("CREATE OR REPLACE TEMP TABLE near (bare VARCHAR)")
        for segment in segments:
            attach_read_only(self._connection, "held", path_of(segment.file))
            self._connection.execute(
                "INSERT INTO described SELECT item_id FROM held.items SEMI JOIN draft.item_ids USING (item_id)"
            )
            self._connection.execute(
                "INSERT INTO near SELECT DISTINCT ltrim(item_id, '0') AS bare FROM held.items "
                "ANTI JOIN draft.item_ids USING (item_id) "
                "WHERE bare <> '' AND bare IN (SELECT ltrim(item_id, '0') FROM draft.item_ids)"
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


ZEROS_LOST: Final = "count(DISTINCT CASE WHEN ltrim(item_id, '0') IN (SELECT bare FROM near) THEN item_id END)"
"""SQL of the number of items that would be known with other leading zeros."""


def undescribed(events: int, items: int, zeros_lost: int) -> str:
    """The notice of so many events of so many items that nobody has described."""
    notice = (
        f"events of items that no items upload has described: {events} ({items} items). They count, and the items "
        "are recommended once they are described"
    )
    if not zeros_lost:
        return notice
    return (
        f"{notice}. {zeros_lost} of them are known with other leading zeros, as 412 and 00412: export the ids as text "
        "in both files"
    )


def _name(dropped: I64) -> str:
    return hashlib.sha256(dropped.data).hexdigest()


class ItemBatch:
    """A `Batch` of items. It has no repeats of stored rows: a later upload replaces the row of an earlier one."""

    def __init__(self, settled: Settled) -> None:
        self._segment = settled.segment
        self.rows = settled.rows
        self.notices = settled.notices

    def erased(self, tombstones: Tombstones) -> I64:  # noqa: ARG002
        return NO_ROWS

    def beside(
        self,
        segments: Sequence[Segment],  # noqa: ARG002
        path_of: PathOf,  # noqa: ARG002
        erased: I64 = NO_ROWS,  # noqa: ARG002
    ) -> SegmentFile | None:
        return self._segment if self._segment.items else None

    def notices_beside(self, segments: Sequence[Segment], path_of: PathOf) -> tuple[str, ...]:  # noqa: ARG002
        replaced = self.rows - self._segment.items
        return (replaced_rows(replaced),) if replaced else ()


def replaced_rows(rows: int) -> str:
    """The notice of so many rows of items that count no more."""
    return f"rows that a later row of the same item replaced: {rows}"
