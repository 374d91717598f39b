"""What reading an upload leaves behind for the rest of ingest: two DuckDB files without a user id."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from common.ids import Pseudonymizer
from common.store.engine import Connection, connect_hardened, interrupted_after, number
from common.store.segments.segment import create_tables
from common.store.uploads.files import Source, Table, damage_is_refused

# Less than the 600 s after which Knative ends a request, so that the upload is refused with a reason.
READ_DEADLINE_S: Final = 420.0


@dataclass(frozen=True)
class ReadOptions:
    """`now`, aware, decides what is in the future."""

    pseudonymizer: Pseudonymizer
    now: datetime
    memory_bytes: int


@dataclass(frozen=True)
class Draft:
    """`segment` holds the good rows as a delta will; `scratch` the refused ones, and those that are not settled yet.

    `rows_unattributed` of the good rows are events without consent.
    """

    segment: Path
    scratch: Path
    rows_read: int
    rows_refused: int
    rows_unattributed: int = 0
    notices: tuple[str, ...] = ()


@contextmanager
def drafting(source: Source, work: Path, memory_bytes: int) -> Iterator[tuple[Connection, Table]]:
    """A hardened connection that reads `source` and writes the databases `draft` and `scratch` in `work`.

    Raises `FileRejected` for whatever goes wrong with the upload, here or in the block.
    """
    rows = source.csv.rows if source.csv else _likely_rows(source.path)
    files = {"draft": work / "draft.duckdb", "scratch": work / "scratch.duckdb"}
    connection = connect_hardened(source.path, files, rows, memory_bytes)
    try:
        with damage_is_refused(), interrupted_after(connection, READ_DEADLINE_S):
            create_tables(connection, "draft")
            yield connection, source.table(connection)
    finally:
        connection.close()


def keep_refused(connection: Connection, refused: str) -> int:
    """Keeps the rows of the relation `refused` (row, code, value, …) in the scratch database; returns how many."""
    return number(connection, f"CREATE TABLE scratch.refused AS {refused}")


def _likely_rows(path: Path) -> int:
    """A Parquet row takes some twenty bytes. A guess is enough: it decides on the new file's layout, nothing else."""
    return path.stat().st_size // 20
