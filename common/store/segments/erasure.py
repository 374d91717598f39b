"""The removal of erased people from a segment: the other rows are copied to a new file.

A DELETE would not do, because the bytes of the rows stay in the file, even after a CHECKPOINT and a VACUUM.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import numpy as np

from common.errors import CorruptError
from common.schemas.documents import Segment
from common.store.engine import Connection, attach_read_only, connect_trusted, number
from common.store.segments.segment import EVENT_COLUMNS, SegmentFile, check_format, finish, new_segment
from common.store.segments.tombstones import NEVER, Tombstones

_COLUMNS: Final = ", ".join(f"events.{column}" for column in (*EVENT_COLUMNS, "seq"))
_IS_ERASED: Final = "erased.until IS NOT NULL AND epoch_us(events.ts) <= erased.until"


@dataclass(frozen=True)
class ErasedRows:
    """The erased rows of a segment: the number of `events`, and the marks of their people."""

    marks: frozenset[str]
    events: int


@dataclass(frozen=True)
class Rewritten:
    """A rewritten segment: the rows that were left out, and the new file, None if no row is left."""

    found: ErasedRows
    file: SegmentFile | None


def find_erased(
    segment_path: Path, key: str, tombstones: Tombstones, since: int, work: Path, memory_bytes: int
) -> ErasedRows:
    """Returns the rows of the segment at `segment_path` that erasures after number `since` have erased.

    Raises `CorruptError`, which names `key`, if the file is no segment.
    """
    connection = connect_trusted(work, memory_bytes)
    try:
        return _find(connection, segment_path, key, tombstones, since)
    finally:
        connection.close()


def rewrite_without_erased(
    segment: Segment, path: Path, tombstones: Tombstones, since: int, target: Path, memory_bytes: int
) -> Rewritten | None:
    """Copies `segment` at `path` to `target`, without erased rows. Returns None if the segment has no erased rows.

    Rows keep their order and numbers. Items without remaining events are left out of `item_ids`.
    """
    connection = connect_trusted(target.parent, memory_bytes)
    try:
        found = _find(connection, path, segment.file.key, tombstones, since)
        if not found.events:
            return None
        if found.events == segment.events and not segment.items:
            return Rewritten(found, None)
        new_segment(connection, "target", target, segment.events - found.events)
        _copy(connection)
        return Rewritten(found, finish(connection, "target", target))
    finally:
        connection.close()


def _find(connection: Connection, path: Path, key: str, tombstones: Tombstones, since: int) -> ErasedRows:
    """Counts the erased rows. The segment stays attached as `source`, with a table `erased` (user_no, until)."""
    try:
        attach_read_only(connection, "source", path)
    except duckdb.Error:
        raise CorruptError(f"{key} is not a DuckDB file", key=key) from None
    check_format(connection, "source", key)
    users = connection.execute("SELECT user_no, key_hi, key_lo FROM source.users").fetchnumpy()
    keys = np.stack([users["key_hi"], users["key_lo"]], axis=1)
    until = tombstones.until(keys, since)
    rows = np.flatnonzero(until != NEVER)
    connection.register("named", {"user_no": np.asarray(users["user_no"])[rows], "until": until[rows]})
    connection.execute("CREATE TEMP TABLE erased AS SELECT * FROM named")
    erased_events = f"source.events JOIN erased USING (user_no) WHERE {_IS_ERASED}"
    events = number(connection, f"SELECT count(*) FROM {erased_events}")
    numbers = connection.execute(f"SELECT DISTINCT user_no FROM {erased_events}").fetchnumpy()["user_no"]
    return ErasedRows(frozenset(tombstones.marks(keys[np.isin(users["user_no"], numbers)])), events)


def _copy(connection: Connection) -> None:
    connection.execute(
        f"INSERT INTO target.events SELECT {_COLUMNS} FROM source.events LEFT JOIN erased USING (user_no) "
        f"WHERE NOT coalesce({_IS_ERASED}, false) ORDER BY events.rowid"
    )
    for table, no in (("users", "user_no"), ("item_ids", "item_no")):
        connection.execute(
            f"INSERT INTO target.{table} SELECT * FROM source.{table} WHERE {no} IN (SELECT {no} FROM target.events) "
            "ORDER BY rowid"
        )
    connection.execute("INSERT INTO target.items SELECT * FROM source.items ORDER BY rowid")
