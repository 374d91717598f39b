"""Taking people out of a segment: by a new file that never held them.

A DELETE leaves the bytes of a row in the file, also after a CHECKPOINT and a VACUUM.
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
    """What a segment holds that tombstones keep out: `events` of the people with these marks."""

    marks: frozenset[str]
    events: int


@dataclass(frozen=True)
class Rewritten:
    """A segment without those people: `file` is None if nothing is left in it."""

    found: ErasedRows
    file: SegmentFile | None


def find_erased(
    segment_path: Path, key: str, tombstones: Tombstones, since: int, work: Path, memory_bytes: int
) -> ErasedRows:
    """What the segment at `segment_path` holds of people whom an erasure after number `since` has named."""
    connection = connect_trusted(work, memory_bytes)
    try:
        return _find(connection, segment_path, key, tombstones, since)
    finally:
        connection.close()


def rewrite_without_erased(
    segment: Segment, path: Path, tombstones: Tombstones, since: int, target: Path, memory_bytes: int
) -> Rewritten | None:
    """Writes what is left of `segment`, which lies at `path`, to `target`. None if it holds nothing that is to go.

    The rows keep their order and their numbers; items that nobody else has events of are left out of `item_ids`.
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
    """Leaves the segment attached as `source`, and a table `erased` (user_no, until) of whom it is about."""
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
    gone = f"source.events JOIN erased USING (user_no) WHERE {_IS_ERASED}"
    events = number(connection, f"SELECT count(*) FROM {gone}")
    numbers = connection.execute(f"SELECT DISTINCT user_no FROM {gone}").fetchnumpy()["user_no"]
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
