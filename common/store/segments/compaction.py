"""The merging of segments: all events into one base, and all items into one catalogue.

The base is sorted by time, so that a range of time is found quickly. The catalogue has one row for each item."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from common.schemas.documents import FileRef, Segment
from common.store.engine import Connection, attach_read_only, connect_trusted, timestamp
from common.store.segments.catalogue import CONTENT, newest
from common.store.segments.segment import EVENT_COLUMNS, Part, SegmentFile, check_format, finish, new_segment

_VALUES: Final = tuple(column for column in EVENT_COLUMNS if column not in ("user_no", "item_no"))


def fold_events(
    segments: Sequence[Segment],
    path_of: Callable[[FileRef], Path],
    target: Path,
    keep_since: datetime | None,
    memory_bytes: int,
) -> SegmentFile:
    """Writes the events of `segments`, without those older than `keep_since` (UTC), to a new segment at `target`.

    People without remaining events are left out. Segments are read one after the other, because one query over all of
    them would hold the hash tables of all in memory.
    """
    where = f"WHERE ts >= {timestamp(keep_since)}" if keep_since else ""
    with _opened(segments, path_of, target, memory_bytes) as (connection, parts):
        _number(connection, parts, "users", "user_no", ("key_hi", "key_lo"), where)
        _number(connection, parts, "item_ids", "item_no", ("item_id",), where)
        _gather(connection, parts, where)
        connection.execute("INSERT INTO target.events FROM gathered ORDER BY ts, seq")
        return finish(connection, "target", target)


def fold_items(
    segments: Sequence[Segment], path_of: Callable[[FileRef], Path], target: Path, memory_bytes: int
) -> SegmentFile:
    """Writes the newest row of every item in `segments` to a new segment at `target`."""
    with _opened(segments, path_of, target, memory_bytes) as (connection, parts):
        columns = ", ".join(("item_id", *CONTENT, "first_seen", "as_of", "seq"))
        connection.execute(f"INSERT INTO target.items SELECT {columns} FROM ({newest(parts)}) ORDER BY item_id")
        return finish(connection, "target", target)


@contextmanager
def _opened(
    segments: Sequence[Segment], path_of: Callable[[FileRef], Path], target: Path, memory_bytes: int
) -> Iterator[tuple[Connection, tuple[Part, ...]]]:
    connection = connect_trusted(target.parent, memory_bytes)
    try:
        parts = tuple(Part(f"segment_{number}", segment) for number, segment in enumerate(segments))
        for part in parts:
            attach_read_only(connection, part.alias, path_of(part.segment.file))
            check_format(connection, part.alias, part.segment.file.key)
        new_segment(connection, "target", target, sum(segment.events + segment.items for segment in segments))
        yield connection, parts
    finally:
        connection.close()


def _gather(connection: Connection, parts: Sequence[Part], where: str) -> None:
    """Makes the table `gathered`: the kept events with the target's numbers, unsorted."""
    connection.execute("CREATE TEMP TABLE gathered AS FROM target.events LIMIT 0")
    for part in parts:
        connection.execute(
            f"INSERT INTO gathered SELECT users.code, items.code, {', '.join(_VALUES)}, {part.seq} AS seq "
            f"FROM {part.alias}.events LEFT JOIN {part.alias}_users AS users USING (user_no) "
            f"JOIN {part.alias}_item_ids AS items USING (item_no) {where}"
        )


def _number(
    connection: Connection, parts: Sequence[Part], table: str, own: str, identity: tuple[str, ...], where: str
) -> None:
    """Fills the target's `table` with the people or items of the kept events, numbered in the order of `identity`.

    It also makes a table for each part, which maps the `own` number in the part to the `code` in the target."""
    names = ", ".join(identity)
    connection.execute(f"CREATE TEMP TABLE named AS SELECT {names} FROM target.{table} LIMIT 0")
    for part in parts:
        kept = f"{own} IN (SELECT {own} FROM {part.alias}.events {where})"
        connection.execute(f"INSERT INTO named SELECT {names} FROM {part.alias}.{table} WHERE {kept}")
    connection.execute(
        f"INSERT INTO target.{table} SELECT row_number() OVER (ORDER BY {names}) - 1, {names} "
        "FROM (SELECT DISTINCT * FROM named)"
    )
    connection.execute("DROP TABLE named")
    for part in parts:
        connection.execute(
            f"CREATE TEMP TABLE {part.alias}_{table} AS SELECT old.{own}, new.{own} AS code "
            f"FROM {part.alias}.{table} AS old JOIN target.{table} AS new USING ({names})"
        )
