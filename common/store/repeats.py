"""Which rows of a batch are repeats: of each other, or of rows that a segment of the store holds.

Two events with consent are the same if all their columns are. Events without consent have no person, and their keys
differ from upload to upload; of those that agree in item, time, quantity, type and price, the store keeps as many as
the one upload with the most of them has.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from common.schemas.data import I64, U64
from common.schemas.documents import Segment
from common.store.engine import Connection, attach_read_only, number, timestamp
from common.store.segment import EVENT_COLUMNS, check_format

# A batch may have a few rows that are much older than the rest. Between so many ranges of time nothing is looked at.
_MAX_RANGES: Final = 16

_ROW: Final = ("key_hi", "key_lo", "item_id", "ts", "qty", "event_type", "order_key", "session_key", "price")
_UNATTRIBUTED_ROW: Final = ("item_id", "ts", "qty", "event_type", "price")
_WITHIN: Final = ", ".join(EVENT_COLUMNS)


class Repeats:
    """Finds the repeats in the events of the segment that `connection` has attached as `draft`.

    What it found about a segment it keeps, in the temporary tables `repeated` (segment, row) and `seen` (segment,
    columns of an unattributed event, how many), so that a commit that is tried again looks only at what is new.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._examined: set[str] = set()
        connection.execute("CREATE TEMP TABLE repeated (segment VARCHAR, row BIGINT)")
        connection.execute(
            f"CREATE TEMP TABLE seen AS SELECT '' AS segment, {', '.join(_UNATTRIBUTED_ROW)}, 1::BIGINT AS n "
            f"FROM ({_rows('draft')}) LIMIT 0"
        )
        self._within_the_batch()

    def examine(self, segment: Segment, path: Path) -> None:
        """Compares the batch with a segment, once."""
        if segment.file.sha256 in self._examined:
            return
        attach_read_only(self._connection, "held", path)
        try:
            check_format(self._connection, "held", segment.file.key)
            self._compare(segment)
        finally:
            self._connection.execute("DETACH held")
        self._examined.add(segment.file.sha256)

    def rows(self, segments: Sequence[Segment]) -> I64:
        """(n,) rowids in `draft.events`, sorted: repeats within the batch, and of rows in the examined `segments`."""
        names = ["", *(segment.file.sha256 for segment in segments)]
        queries = ["SELECT DISTINCT row FROM repeated WHERE list_contains($names, segment)"]
        if number(self._connection, "SELECT count(*) FROM seen"):
            queries.append(_UNATTRIBUTED_REPEATS)
        found = self._connection.execute(f"{' UNION '.join(queries)} ORDER BY row", {"names": names}).fetchnumpy()
        rows: I64 = np.asarray(found["row"], dtype=np.int64)
        return rows

    def _within_the_batch(self) -> None:
        """A sort of 64-bit hashes finds the few rows that are worth comparing. Unattributed rows are settled before."""
        hashes = _hashes(
            self._connection, f"SELECT {_hash(_WITHIN)} AS hash FROM draft.events WHERE user_no IS NOT NULL"
        )
        hashes.sort()
        suspects = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
        if not len(suspects):
            return
        self._connection.register("suspects", {"hash": suspects})
        self._connection.execute(
            "INSERT INTO repeated SELECT '', row FROM (SELECT rowid AS row, row_number() OVER "
            f"(PARTITION BY {_WITHIN} ORDER BY rowid) AS nth FROM draft.events WHERE user_no IS NOT NULL "
            f"AND {_hash(_WITHIN)} IN (SELECT hash FROM suspects)) WHERE nth > 1"
        )
        self._connection.unregister("suspects")

    def _compare(self, segment: Segment) -> None:
        ranges = self._ranges(segment)
        if not ranges:
            return
        held = f"SELECT * FROM ({_rows('held')}) WHERE {ranges}"
        row = ", ".join(_ROW)
        hashes = _hashes(self._connection, f"SELECT {_hash(row)} AS hash FROM ({held})")
        batch = f"SELECT * FROM ({_rows('draft')}) WHERE {_between(segment)}"
        suspects = np.intersect1d(_hashes(self._connection, f"SELECT {_hash(row)} AS hash FROM ({batch})"), hashes)
        self._connection.register("suspects", {"hash": suspects})
        suspected = f"{_hash(row)} IN (SELECT hash FROM suspects)"
        self._connection.execute(
            f"INSERT INTO repeated SELECT $name, row FROM (SELECT * FROM ({batch}) WHERE {suspected}) AS batch "
            f"SEMI JOIN (SELECT * FROM ({held}) WHERE {suspected}) AS held ON {_same('batch', 'held', _ROW)} "
            "WHERE key_hi IS NOT NULL",
            {"name": segment.file.sha256},
        )
        self._connection.unregister("suspects")
        columns = ", ".join(_UNATTRIBUTED_ROW)
        self._connection.execute(
            f"INSERT INTO seen SELECT $name, {columns}, count(*) FROM ({held}) WHERE key_hi IS NULL GROUP BY {columns}",
            {"name": segment.file.sha256},
        )

    def _ranges(self, segment: Segment) -> str:
        """SQL of the ranges of time that both the batch and the segment may have; empty for none."""
        found = self._connection.execute(
            f"SELECT DISTINCT epoch_us(ts) AS ts FROM draft.events WHERE {_between(segment)} ORDER BY ts"
        ).fetchnumpy()
        return " OR ".join(
            f"ts BETWEEN make_timestamp({first}) AND make_timestamp({last})"
            for first, last in ranges_of(np.asarray(found["ts"], dtype=np.int64))
        )


def ranges_of(moments: I64) -> list[tuple[int, int]]:
    """At most `_MAX_RANGES` ranges that hold all of the sorted `moments`, cut at the widest gaps."""
    if not len(moments):
        return []
    gaps = np.diff(moments)
    cuts = np.sort(np.argsort(gaps)[-(_MAX_RANGES - 1) :])
    firsts = moments[np.concatenate([[0], cuts + 1])]
    lasts = moments[np.concatenate([cuts, [len(moments) - 1]])]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def _rows(alias: str) -> str:
    """SQL of a segment's events as any segment can be compared with: people by key, items by id."""
    columns = ", ".join(column for column in EVENT_COLUMNS if column not in ("user_no", "item_no"))
    return (
        f"SELECT events.rowid AS row, key_hi, key_lo, item_id, {columns} FROM {alias}.events "
        f"LEFT JOIN {alias}.users USING (user_no) JOIN {alias}.item_ids USING (item_no)"
    )


def _between(segment: Segment) -> str:
    assert segment.min_ts
    assert segment.max_ts
    return f"ts BETWEEN {timestamp(segment.min_ts)} AND {timestamp(segment.max_ts)}"


def _same(left: str, right: str, columns: Sequence[str]) -> str:
    return " AND ".join(f"{left}.{column} IS NOT DISTINCT FROM {right}.{column}" for column in columns)


def _hash(columns: str) -> str:
    """SQL of 64 bits by which rows are sorted out before they are compared; nothing of it is stored."""
    return f"hash({columns})"


def _hashes(connection: Connection, query: str) -> U64:
    hashes: U64 = np.asarray(connection.execute(query).fetchnumpy()["hash"], dtype=np.uint64)
    return hashes


_UNATTRIBUTED: Final = ", ".join(_UNATTRIBUTED_ROW)
_UNATTRIBUTED_REPEATS: Final = f"""
SELECT row FROM (
    SELECT row, n, row_number() OVER (
        PARTITION BY {", ".join(f"batch.{column}" for column in _UNATTRIBUTED_ROW)} ORDER BY row
    ) AS nth
    FROM ({_rows("draft")}) AS batch
    JOIN (
        SELECT {_UNATTRIBUTED}, sum(n) AS n FROM seen WHERE list_contains($names, segment) GROUP BY {_UNATTRIBUTED}
    ) AS held ON {_same("batch", "held", _UNATTRIBUTED_ROW)}
    WHERE batch.key_hi IS NULL
) WHERE nth <= n
"""
