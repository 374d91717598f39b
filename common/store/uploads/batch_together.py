"""The batch of several uploads that were read together: their good rows as at most two segments, and whose rows are in.

Each row is counted for its upload as if the uploads were committed one after the other, in the order of their places.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from common.schemas.data import I64
from common.schemas.documents import Segment
from common.store.engine import Connection, attach_read_only, connect_trusted, interrupted_after
from common.store.segments.catalogue import CONTENT, newest
from common.store.segments.compaction import fold_events
from common.store.segments.segment import EVENT_COLUMNS, Part, SegmentFile, finish, new_segment
from common.store.segments.tombstones import Tombstones
from common.store.uploads.batch import ZEROS_LOST, EventBatch, PathOf, comparing, undescribed
from common.store.uploads.reading_together import ReadTogether
from common.store.uploads.settle import Settled

_COLUMNS: Final = ", ".join(EVENT_COLUMNS)
_KEYS: Final = ("order_key", "session_key")


@dataclass(frozen=True)
class Share:
    """The rows of each upload, by its place, that are in the batch's segments, and those that tombstones kept out."""

    kept: Mapping[int, int] = field(default_factory=dict)
    erased: Mapping[int, int] = field(default_factory=dict)


@contextmanager
def batch_together(read: ReadTogether, work: Path, memory_bytes: int, seconds: float) -> Iterator[TogetherBatch]:
    """Opens what `read_together` has read as a batch. Raises as `event_batch` does."""
    connection = connect_trusted(work, memory_bytes)
    with comparing(connection), interrupted_after(connection, seconds):
        yield TogetherBatch(connection, read, work, memory_bytes)


class TogetherBatch:
    """The good rows of several uploads."""

    def __init__(self, connection: Connection, read: ReadTogether, work: Path, memory_bytes: int) -> None:
        self._items = _Items(connection, [file for file in read.items if file.items], work)
        files = [file for file in read.events if file.events]
        self._events = _Events(connection, _folded(files, work, memory_bytes), work) if files else None

    def beside(
        self, segments: Sequence[Segment], path_of: PathOf, tombstones: Tombstones, out: Collection[int]
    ) -> tuple[list[SegmentFile], Share]:
        """Returns the batch as segments, one of events and one of items as far as there are such, and whose rows they
        hold: without rows that tombstones keep out, without those that one of `segments` holds, and without the uploads
        at the places `out`."""
        files, share = [self._items.without(out)], Share(self._items.kept)
        if self._events:
            erased = self._events.erased(tombstones)
            files.insert(0, self._events.without(segments, path_of, erased, out))
            kept = {**share.kept, **self._events.kept}
            share = Share(kept, self._events.erased_of_each(tombstones) if len(erased) else {})
        return [file for file in files if file], share

    def notices_beside(self, segments: Sequence[Segment], path_of: PathOf) -> Mapping[int, tuple[str, ...]]:
        """Returns notices for an admin, by place, that depend on the stored `segments`."""
        return self._events.undescribed(segments, path_of, self._items.described) if self._events else {}


class _Items:
    """`kept` are the items of each upload, `described` is a table of each item with the first place that has it."""

    def __init__(self, connection: Connection, files: Sequence[SegmentFile], work: Path) -> None:
        self._connection, self._work = connection, work
        self._parts = [Part(f"items_{n}", _segment(file)) for n, file in enumerate(files)]
        self._written: dict[frozenset[int], SegmentFile] = {}
        for part, file in zip(self._parts, files, strict=True):
            attach_read_only(connection, part.alias, file.path)
        rows = " UNION ALL ".join(f"SELECT item_id, seq FROM {part.alias}.items" for part in self._parts)
        rows = rows or "SELECT NULL::VARCHAR AS item_id, 0::BIGINT AS seq WHERE false"
        self.described = "described_here"
        connection.execute(
            f"CREATE TEMP TABLE {self.described} AS SELECT item_id, min(seq) AS place FROM ({rows}) GROUP BY item_id"
        )
        self.kept: dict[int, int] = dict(
            connection.execute(f"SELECT seq, count(*) FROM ({rows}) GROUP BY seq").fetchall()
        )

    def without(self, out: Collection[int]) -> SegmentFile | None:
        """The newest row of each item, as one segment."""
        left = self.kept.keys() - set(out)
        if not left:
            return None
        name = frozenset(left)
        if name not in self._written:
            self._written[name] = self._newest(sorted(left), self._work / f"items-{len(self._written)}.duckdb")
        return self._written[name]

    def _newest(self, places: list[int], path: Path) -> SegmentFile:
        new_segment(self._connection, "items_delta", path, len(self.kept))
        columns = ", ".join(("item_id", *CONTENT, "first_seen", "as_of"))
        rows = newest(self._parts, f"list_contains({places}::BIGINT[], seq)")
        self._connection.execute(
            f"INSERT INTO items_delta.items BY NAME SELECT {columns} FROM ({rows}) ORDER BY item_id"
        )
        return finish(self._connection, "items_delta", path)


class _Events(EventBatch):
    """`whole` has the rows of all uploads, and the draft those that would be left of them one after the other."""

    def __init__(self, connection: Connection, whole: SegmentFile, work: Path) -> None:
        attach_read_only(connection, "whole", whole.path)
        draft = _first_of_equal(connection, work / "first.duckdb", whole.events)
        super().__init__(connection, Settled(draft, draft.events, ()), work)
        self._written = {}  # not the draft itself, which holds places
        self.kept: Mapping[int, int] = {}

    def without(
        self, segments: Sequence[Segment], path_of: PathOf, erased: I64, out: Collection[int]
    ) -> SegmentFile | None:
        """The batch as `beside` returns it, without the uploads that are `out`. Sets `kept`."""
        of_others = f"SELECT rowid AS row FROM draft.events WHERE list_contains({sorted(out)}::BIGINT[], seq)"
        others = np.asarray(self._connection.execute(of_others).fetchnumpy()["row"], dtype=np.int64)
        dropped = self._dropped(segments, path_of, np.union1d(erased, others))
        self._connection.register("dropped", {"row": dropped})
        kept = "SELECT seq, count(*) FROM draft.events WHERE rowid NOT IN (SELECT row FROM dropped) GROUP BY seq"
        self.kept = dict(self._connection.execute(kept).fetchall())
        self._connection.unregister("dropped")
        return self._less(dropped)

    def erased_of_each(self, tombstones: Tombstones) -> dict[int, int]:
        """The number of rows that `tombstones` keep out, by place. A row counts in each upload that has it."""
        self._connection.register("rows", {"row": self._named_by(tombstones, "whole")})
        counted = "SELECT seq, count(*) FROM whole.events WHERE rowid IN (SELECT row FROM rows) GROUP BY seq"
        of_each = dict(self._connection.execute(counted).fetchall())
        self._connection.unregister("rows")
        return of_each

    def undescribed(self, segments: Sequence[Segment], path_of: PathOf, here: str) -> dict[int, tuple[str, ...]]:
        """The notices of `EventBatch.notices_beside`, by place; `here` is a table of the items of these uploads."""
        stored = self._described([segment for segment in segments if segment.items], path_of)
        found = self._connection.execute(
            f"SELECT seq, count(*), count(DISTINCT item_no), {ZEROS_LOST.replace('item_id', 'item_ids.item_id')} "
            "FROM whole.events JOIN whole.item_ids USING (item_no) "
            f"LEFT JOIN {here} AS here ON here.item_id = item_ids.item_id AND here.place < seq "
            f"WHERE here.item_id IS NULL AND item_ids.item_id NOT IN ({stored}) GROUP BY seq"
        ).fetchall()
        return {place: (undescribed(events, items, zeros),) for place, events, items, zeros in found}


def _segment(file: SegmentFile) -> Segment:
    return file.entry(str, 0, ())


def _folded(files: Sequence[SegmentFile], work: Path, memory_bytes: int) -> SegmentFile:
    """The files as one, by time and place."""
    paths = {file.sha256: file.path for file in files}
    segments = [_segment(file) for file in files]
    return fold_events(segments, lambda ref: paths[ref.sha256], work / "whole.duckdb", None, memory_bytes)


def _first_of_equal(connection: Connection, path: Path, rows: int) -> SegmentFile:
    """Copies `whole`, of equal rows of several uploads that of the first. Of equal rows without a person as many are
    left as one upload has at most: their keys differ from upload to upload, so that they are not compared."""
    apart = ", ".join(column for column in EVENT_COLUMNS if column not in _KEYS)
    keys = ", ".join(f"CASE WHEN user_no IS NOT NULL THEN {key} END" for key in _KEYS)
    new_segment(connection, "first", path, rows)
    connection.execute(
        f"INSERT INTO first.events BY NAME SELECT {_COLUMNS}, seq FROM (SELECT *, "
        f"row_number() OVER (PARTITION BY {apart}, {keys}, nth ORDER BY seq) AS copy FROM (SELECT *, "
        f"row_number() OVER (PARTITION BY seq, {apart}, {keys}) AS nth FROM whole.events)) WHERE copy = 1 "
        "ORDER BY ts, seq"
    )
    for table in ("users", "item_ids"):
        connection.execute(f"INSERT INTO first.{table} SELECT * FROM whole.{table}")
    return finish(connection, "first", path)
