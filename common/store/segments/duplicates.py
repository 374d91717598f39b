"""The search for rows of a batch that repeat rows in a segment of the store. The batch has no repeats of its own.

Two events with consent are the same if all of their columns are equal. Events without consent have no person, and their
keys differ in every upload. Of such events with equal item, time, quantity, type and price, the store keeps the largest
number that any one upload has.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from common.schemas.data import I64
from common.schemas.documents import Segment
from common.store.engine import Connection, attach_read_only, number, timestamp
from common.store.segments.segment import EVENT_COLUMNS, check_format

# Number of time ranges that are compared. A batch may have a few much older rows; the time between ranges is skipped.
_MAX_RANGES: Final = 16
_HOUR_US: Final = 3_600_000_000

_UNATTRIBUTED: Final = ("item_no", "ts", "qty", "event_type", "price")


class Duplicates:
    """The search for repeats in the events of the segment that `connection` has attached as `draft`.

    Results are kept in the temporary tables `repeated` (segment, row) and `seen` (segment, columns of an unattributed
    event, how many), so that a repeated commit examines new segments only.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._examined: set[str] = set()
        connection.execute("CREATE TEMP TABLE repeated (segment VARCHAR, row BIGINT)")
        connection.execute(
            f"CREATE TEMP TABLE seen AS SELECT '' AS segment, {', '.join(_UNATTRIBUTED)}, 1::BIGINT AS n "
            "FROM draft.events LIMIT 0"
        )

    def examine(self, segment: Segment, path: Path) -> None:
        """Compares the batch with a segment. A second call for the segment does nothing."""
        if segment.file.sha256 in self._examined:
            return
        attach_read_only(self._connection, "held", path)
        try:
            check_format(self._connection, "held", segment.file.key)
            ranges = self._ranges(segment)
            if ranges:
                self._compare(segment.file.sha256, ranges)
        finally:
            self._connection.execute("DETACH held")
        self._examined.add(segment.file.sha256)

    def rows(self, segments: Sequence[Segment]) -> I64:
        """(n,) int64, sorted: the rowids in `draft.events` that repeat rows of examined `segments`."""
        names = [segment.file.sha256 for segment in segments]
        queries = ["SELECT DISTINCT row FROM repeated WHERE list_contains($names, segment)"]
        if number(self._connection, "SELECT count(*) FROM seen"):
            queries.append(_UNATTRIBUTED_REPEATS)
        found = self._connection.execute(f"{' UNION '.join(queries)} ORDER BY row", {"names": names}).fetchnumpy()
        rows: I64 = np.asarray(found["row"], dtype=np.int64)
        return rows

    def _compare(self, name: str, ranges: str) -> None:
        """Compares the batch with the segment's rows that have a time, item and person of the batch."""
        for table, no, identity in (("users", "user_no", "key_hi, key_lo"), ("item_ids", "item_no", "item_id")):
            self._connection.execute(
                f"CREATE OR REPLACE TEMP TABLE held_{table} AS SELECT held.{no} AS held_no, own.{no} "
                f"FROM held.{table} AS held JOIN draft.{table} AS own USING ({identity})"
            )
        values = ", ".join(f"held.{column}" for column in EVENT_COLUMNS if not column.endswith("_no"))
        at_a_shared_time = (
            f"FROM (SELECT * FROM held.events WHERE {ranges}) AS held "
            "SEMI JOIN (SELECT ts FROM draft.events) AS own ON own.ts = held.ts "
            "JOIN held_item_ids AS items ON items.held_no = held.item_no"
        )
        self._connection.execute(
            f"INSERT INTO repeated SELECT $name, own.rowid FROM draft.events AS own SEMI JOIN "
            f"(SELECT users.user_no, items.item_no, {values} {at_a_shared_time} "
            f"JOIN held_users AS users ON users.held_no = held.user_no) AS other ON {_same(EVENT_COLUMNS)}",
            {"name": name},
        )
        self._connection.execute(
            f"INSERT INTO seen SELECT $name, items.item_no, ts, qty, event_type, price, count(*) {at_a_shared_time} "
            "WHERE held.user_no IS NULL GROUP BY ALL",
            {"name": name},
        )

    def _ranges(self, segment: Segment) -> str:
        """SQL of the time ranges in which both the batch and the segment may have events; empty if there is none.

        They are ranges of whole hours, of which there are few however many events there are."""
        assert segment.min_ts
        assert segment.max_ts
        found = self._connection.execute(
            f"SELECT DISTINCT epoch_us(ts) // {_HOUR_US} AS hour FROM draft.events "
            f"WHERE ts BETWEEN {timestamp(segment.min_ts)} AND {timestamp(segment.max_ts)} ORDER BY hour"
        ).fetchnumpy()
        return " OR ".join(
            f"ts >= make_timestamp({first * _HOUR_US}) AND ts < make_timestamp({(last + 1) * _HOUR_US})"
            for first, last in ranges_of(np.asarray(found["hour"], dtype=np.int64))
        )


def ranges_of(times: I64) -> list[tuple[int, int]]:
    """At most `_MAX_RANGES` ranges (first, last) that hold all of the sorted `times`, split at the widest gaps."""
    if not len(times):
        return []
    gaps = np.diff(times)
    cuts = np.sort(np.argsort(gaps)[-(_MAX_RANGES - 1) :])
    firsts = times[np.concatenate([[0], cuts + 1])]
    lasts = times[np.concatenate([cuts, [len(times) - 1]])]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def _same(columns: Sequence[str]) -> str:
    return " AND ".join(f"own.{column} IS NOT DISTINCT FROM other.{column}" for column in columns)


_GROUP: Final = ", ".join(f"own.{column}" for column in _UNATTRIBUTED)
_UNATTRIBUTED_REPEATS: Final = f"""
SELECT row FROM (
    SELECT own.rowid AS row, n, row_number() OVER (PARTITION BY {_GROUP} ORDER BY own.rowid) AS nth
    FROM draft.events AS own
    JOIN (
        SELECT {", ".join(_UNATTRIBUTED)}, sum(n) AS n FROM seen WHERE list_contains($names, segment) GROUP BY ALL
    ) AS other ON {_same(_UNATTRIBUTED)}
    WHERE own.user_no IS NULL
) WHERE nth <= n
"""
