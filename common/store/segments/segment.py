"""A segment: one immutable DuckDB file of the store, whose name is the hash of its content.

Every segment has all tables. People and items are numbered within the segment: `events.user_no` refers to `users`
(NULL: no consent), `events.item_no` to `item_ids`. `seq` is the batch of a row. In a delta it is NULL, because the
store's document has the number of the delta's only batch; in a base it is given, because a base holds many batches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from common.errors import CorruptError
from common.ids import sha256_of_file
from common.schemas.documents import FileRef, Segment, Upload
from common.store.engine import STORAGE_VERSION, Connection, attach_new

SEGMENT_FORMAT: Final = 1

EVENT_COLUMNS: Final = ("user_no", "item_no", "ts", "qty", "event_type", "order_key", "session_key", "price")

_TABLES: Final = """
CREATE TABLE {0}.about (format_version INTEGER);
CREATE TABLE {0}.users (user_no INTEGER, key_hi UBIGINT, key_lo UBIGINT);
CREATE TABLE {0}.item_ids (item_no INTEGER, item_id VARCHAR);
CREATE TABLE {0}.events (
    user_no INTEGER, item_no INTEGER, ts TIMESTAMP, qty DOUBLE, event_type UTINYINT,
    order_key UBIGINT, session_key UBIGINT, price DOUBLE, seq BIGINT
);
CREATE TABLE {0}.items (
    item_id VARCHAR, category VARCHAR, brand VARCHAR, price DOUBLE, img_url VARCHAR, title VARCHAR, url VARCHAR,
    currency VARCHAR, available BOOLEAN, created_at TIMESTAMP, extra VARCHAR,
    first_seen TIMESTAMP, as_of TIMESTAMP, seq BIGINT
);
"""


@dataclass(frozen=True)
class SegmentFile:
    """A finished segment on the local disk.

    `events` and `items` are numbers of rows; `min_ts` and `max_ts` are the times of the first and last event (UTC),
    None without events."""

    path: Path
    sha256: str
    bytes: int
    events: int
    items: int
    min_ts: datetime | None
    max_ts: datetime | None

    def entry(self, key_of: Callable[[str], str], seq: int, uploads: Sequence[Upload]) -> Segment:
        """Returns the segment's entry for the store's document. `key_of` makes the object's key from the sha256."""
        return Segment(
            file=FileRef(key=key_of(self.sha256), sha256=self.sha256, bytes=self.bytes),
            seq=seq,
            storage_version=STORAGE_VERSION,
            events=self.events,
            items=self.items,
            min_ts=self.min_ts,
            max_ts=self.max_ts,
            uploads=tuple(uploads),
        )


@dataclass(frozen=True)
class Part:
    """A segment that a connection has attached under `alias`."""

    alias: str
    segment: Segment
    known_people: str = ""
    """The table that stands for that of the people, where some of them are to be nobody."""

    @property
    def people(self) -> str:
        """The table of the people, with numbers as in the segment's events."""
        return self.known_people or f"{self.alias}.users"

    @property
    def seq(self) -> str:
        """SQL expression of a row's batch number."""
        return f"coalesce(seq, {self.segment.seq})"


def create_tables(connection: Connection, alias: str) -> None:
    connection.execute(_TABLES.format(alias))
    connection.execute(f"INSERT INTO {alias}.about VALUES (?)", [SEGMENT_FORMAT])


def new_segment(connection: Connection, alias: str, path: Path, rows: int) -> None:
    """Attaches an empty segment at `path` under `alias`, with a layout for about `rows` events."""
    attach_new(connection, alias, path, rows)
    create_tables(connection, alias)


def finish(connection: Connection, alias: str, path: Path) -> SegmentFile:
    """Writes the segment to the disk, detaches it, and returns its hash and numbers."""
    counted = connection.execute(
        f"SELECT (SELECT count(*) FROM {alias}.items), count(*), min(ts), max(ts) FROM {alias}.events"
    ).fetchone()
    assert counted is not None
    items, events, min_ts, max_ts = counted
    connection.execute(f"CHECKPOINT {alias}")
    connection.execute(f"DETACH {alias}")
    return SegmentFile(
        path=path,
        sha256=sha256_of_file(path),
        bytes=path.stat().st_size,
        events=events,
        items=items,
        min_ts=_utc(min_ts),
        max_ts=_utc(max_ts),
    )


def check_format(connection: Connection, alias: str, key: str) -> None:
    """Raises `CorruptError` for a segment of another format version."""
    [(found,)] = connection.execute(f"SELECT max(format_version) FROM {alias}.about").fetchall()
    if found != SEGMENT_FORMAT:
        raise CorruptError(f"{key} has segment format {found}; this release reads {SEGMENT_FORMAT}")


def _utc(time: datetime | None) -> datetime | None:
    return time.replace(tzinfo=UTC) if time else None
