"""An upload of items: reading it, and its way into the store. Of each item its last row in the file counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from common.schemas.data import I64
from common.schemas.documents import Segment
from common.store.batch import NO_ROWS, PathOf
from common.store.columns import ITEMS, match
from common.store.draft import Draft, ReadOptions, drafting, keep_refused
from common.store.engine import Connection, attach_existing, connect_trusted, number, timestamp
from common.store.item_rows import EMPTIED, Columns, item_fields, parsed_items, refused_items
from common.store.segment import SegmentFile, finish
from common.store.tombstones import Tombstones
from common.store.uploads import Source

_COLUMNS: Final = "item_id, category, brand, price, img_url, title, url, currency, available, created_at, extra"


def read_items(source: Source, work: Path, options: ReadOptions) -> Draft:
    """Reads `source` into a draft in `work`. Raises `FileRejected` for a file that cannot be read.

    Good rows wait in `scratch.parsed` for `item_batch`, whose connection may spill to the disk.
    """
    with drafting(source, work, options.memory_bytes) as (connection, table):
        columns = Columns.of(table, match([column.name for column in table.columns], ITEMS))
        rows = parsed_items(table, columns, item_fields(connection, table, columns), options.now)
        flags = ", ".join(f"{name}_emptied" for name in EMPTIED)
        good = f"SELECT row, {_COLUMNS}, {flags} FROM ({rows}) WHERE problem IS NULL"
        kept = number(connection, f"CREATE TABLE scratch.parsed AS {good}")
        refused = keep_refused(connection, refused_items(table, rows)) if kept < table.rows else 0
    return Draft(work / "draft.duckdb", work / "scratch.duckdb", kept + refused, refused, notices=source.notices)


@contextmanager
def item_batch(draft: Draft, work: Path, modified: datetime, memory_bytes: int) -> Iterator[ItemBatch]:
    """`modified` is the upload's own time: it decides which of two uploads of an item is the later."""
    connection = connect_trusted(work, memory_bytes)
    try:
        yield ItemBatch(connection, draft, modified)
    finally:
        connection.close()


class ItemBatch:
    """See `batch.Batch`. Items have no repeats across uploads: a later one replaces what an earlier one says."""

    def __init__(self, connection: Connection, draft: Draft, modified: datetime) -> None:
        attach_existing(connection, "draft", draft.segment)
        attach_existing(connection, "scratch", draft.scratch)
        as_of = timestamp(modified)
        connection.execute(
            f"INSERT INTO draft.items SELECT {_COLUMNS}, {as_of}, {as_of}, NULL FROM scratch.parsed "
            "SEMI JOIN (SELECT max(row) AS row FROM scratch.parsed GROUP BY item_id) AS last USING (row) "
            "ORDER BY item_id"
        )
        self.rows = draft.rows_read - draft.rows_refused
        self.notices = (*draft.notices, *_emptied(connection))
        self._segment = finish(connection, "draft", draft.segment)

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
        return (f"rows that a later row of the same item replaced: {replaced}",) if replaced else ()


def _emptied(connection: Connection) -> Iterator[str]:
    """A notice for each column of which values were left empty."""
    for column, form in EMPTIED.items():
        counted = connection.execute(f"SELECT count(*), min(row) FROM scratch.parsed WHERE {column}_emptied").fetchone()
        assert counted is not None
        rows, first = counted
        if rows:
            name = "a column of the shop's own" if column == "extra" else column
            yield f"{name}: values left empty, because {form}: {rows}, the first in row {first}"
