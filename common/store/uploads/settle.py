"""The second step of reading an upload: a draft becomes a segment without repeated rows.

It needs no user ids, so the database that it works in may spill to the disk.
"""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np

from common.schemas.data import U64
from common.store.engine import Connection, attach_existing, connect_trusted, number, timestamp
from common.store.segments.segment import EVENT_COLUMNS, SegmentFile, finish, new_segment
from common.store.uploads.draft import Draft
from common.store.uploads.items import EMPTIED, ITEM_COLUMNS
from common.store.uploads.places import PLACE, ROW
from common.store.uploads.unattributed import add_unattributed, empty_consents, hours_ahead

# Rows whose hashes are in memory at a time, with a copy while they are sorted: 256 MB.
_SLICE_ROWS: Final = 16_000_000

_ROW: Final = ", ".join(EVENT_COLUMNS)
_HASH: Final = f"hash({_ROW})"
"""SQL of a 64-bit hash that selects the rows to compare. It is not stored."""


@dataclass(frozen=True)
class Settled:
    """The segment of an upload's good rows. `rows` is their number, repeats included."""

    segment: SegmentFile
    rows: int
    notices: tuple[str, ...]


def settle_events(draft: Draft, work: Path, now: datetime, memory_bytes: int) -> Settled:
    """Makes the segment of a draft of `read_events`, which took times after `now` for future ones."""
    connection = connect_trusted(work, memory_bytes)
    try:
        attach_existing(connection, "draft", draft.segment)
        attach_existing(connection, "scratch", draft.scratch)
        repeats = add_unattributed(connection) if draft.rows_unattributed else 0
        notices = empty_consents(connection).values() if draft.rows_unattributed else ()
        ahead = hours_ahead(connection, now).values() if draft.rows_refused else ()
        rows = number(connection, "SELECT count(*) FROM draft.events")
        suspects = _repeated_hashes(connection, rows)
        if len(suspects):
            segment = _distinct(connection, work / "distinct.duckdb", rows, suspects)
        else:
            segment = finish(connection, "draft", draft.segment)
        return Settled(segment, rows + repeats, (*draft.notices, *notices, *ahead))
    finally:
        connection.close()


def settle_items(draft: Draft, work: Path, modified: datetime, memory_bytes: int) -> Settled:
    """Makes the segment of a draft of `read_items`. `modified` is the time of the upload, by which the newest is found.

    For each item its last row in the file counts."""
    connection = connect_trusted(work, memory_bytes)
    try:
        attach_existing(connection, "draft", draft.segment)
        attach_existing(connection, "scratch", draft.scratch)
        as_of = timestamp(modified)
        connection.execute(
            f"INSERT INTO draft.items SELECT {ITEM_COLUMNS}, {as_of}, {as_of}, NULL FROM scratch.parsed "
            "SEMI JOIN (SELECT max(row) AS row FROM scratch.parsed GROUP BY item_id) AS last USING (row) "
            "ORDER BY item_id"
        )
        notices = (*draft.notices, *emptied(connection)[0])
        rows = draft.rows_read - draft.rows_refused
        return Settled(finish(connection, "draft", draft.segment), rows, notices)
    finally:
        connection.close()


def _distinct(connection: Connection, path: Path, rows: int, suspects: U64) -> SegmentFile:
    """Copies the draft, of equal rows one. Only rows with a hash of `suspects` are compared.

    Rows without a person stay: `add_unattributed` has removed the repeats of those."""
    new_segment(connection, "own", path, rows)
    connection.register("suspects", {"hash": suspects})
    columns = f"INSERT INTO own.events BY NAME SELECT {{}} {_ROW} FROM draft.events WHERE"
    is_suspect = f"user_no IS NOT NULL AND {_HASH} IN (SELECT hash FROM suspects)"
    connection.execute(f"{columns.format('')} NOT ({is_suspect})")
    connection.execute(f"{columns.format('DISTINCT')} {is_suspect}")
    connection.unregister("suspects")
    for table in ("users", "item_ids"):
        connection.execute(f"INSERT INTO own.{table} SELECT * FROM draft.{table}")
    return finish(connection, "own", path)


def _repeated_hashes(connection: Connection, rows: int) -> U64:
    """The distinct hashes that more than one row with a person has. They are looked for in slices of all hashes."""
    slices = -(-rows // _SLICE_ROWS)
    found = [repeated_values(_hashes(connection, part, slices)) for part in range(slices)]
    return np.concatenate(found) if found else np.empty(0, dtype=np.uint64)


def _hashes(connection: Connection, part: int, slices: int) -> U64:
    query = f"SELECT {_HASH} AS hash FROM draft.events WHERE user_no IS NOT NULL"
    if slices > 1:
        query = f"SELECT hash FROM ({query}) WHERE hash % {slices} = {part}"
    return np.asarray(connection.execute(query).fetchnumpy()["hash"], dtype=np.uint64)


def repeated_values(values: U64) -> U64:
    """The sorted distinct values that occur more than once. Two threads sort one half of the values each."""
    upper = values >= np.uint64(1 << 63)
    with ThreadPoolExecutor(2) as pool:
        return np.concatenate(list(pool.map(_repeated, (values[~upper], values[upper]))))


def _repeated(values: U64) -> U64:
    values.sort()
    return np.unique(values[1:][values[1:] == values[:-1]])


def emptied(connection: Connection) -> defaultdict[int, list[str]]:
    """Notices of values in `scratch.parsed` that were left empty, one for each column, by the place of the upload."""
    notices: defaultdict[int, list[str]] = defaultdict(list)
    for column, form in EMPTIED.items():
        found = connection.execute(
            f"SELECT {PLACE}, count(*), min({ROW}) FROM scratch.parsed WHERE {column}_emptied GROUP BY 1"
        )
        name = "a column of the shop's own" if column == "extra" else column
        for place, rows, first in found.fetchall():
            notices[place].append(f"{name}: values left empty, because {form}: {rows}, the first in row {first}")
    return notices
