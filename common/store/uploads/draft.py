"""Drafts: the result of reading an upload, as two DuckDB files without user ids."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from common.errors import FileRejected
from common.ids import Pseudonymizer
from common.store.engine import Connection, connect_hardened, number
from common.store.segments.segment import create_tables
from common.store.uploads.files import Source, Table, damage_is_refused


@dataclass(frozen=True)
class ReadOptions:
    """Options for reading an upload. `now` is an aware time; times after it are refused as future ones. `timezone` is
    the zone of times without one."""

    pseudonymizer: Pseudonymizer
    now: datetime
    memory_bytes: int
    timezone: str = "UTC"


@dataclass(frozen=True)
class Draft:
    """The rows of an upload, read and checked.

    `segment` is the file of the good rows, in the form of a segment. `scratch` is the file of the refused rows, and of
    good rows that need a second step. `rows_unattributed` is the number of good rows without consent.
    """

    segment: Path
    scratch: Path
    rows_read: int
    rows_refused: int
    rows_unattributed: int = 0
    notices: tuple[str, ...] = ()


@contextmanager
def drafting(source: Source, work: Path, memory_bytes: int) -> Iterator[tuple[Connection, Table]]:
    """Opens a hardened connection that reads `source` and writes the databases `draft` and `scratch` in `work`.

    Raises `FileRejected` for every problem with the upload, also for those in the block.
    """
    rows = source.csv.rows if source.csv else _likely_rows(source.path)
    files = {"draft": work / "draft.duckdb", "scratch": work / "scratch.duckdb"}
    connection = connect_hardened(source.path, files, rows, memory_bytes)
    try:
        with damage_is_refused():
            create_tables(connection, "draft")
            yield connection, source.table(connection)
    finally:
        connection.close()


def check_account(table: Table, kept: int, refused: int) -> None:
    """Raises `FileRejected` unless each row of the file is kept or refused."""
    if kept + refused != table.rows:
        raise FileRejected(
            f"the file has {table.rows} rows, and {kept} were kept and {refused} refused: the account does not "
            "balance. Export it anew"
        )


def write_refused_rows(connection: Connection, refused: str) -> int:
    """Stores the rows of the relation `refused` (row, code, value, …) in the scratch database. Returns their number."""
    return number(connection, f"CREATE TABLE scratch.refused AS {refused}")


def _likely_rows(path: Path) -> int:
    """A guess at the number of rows, at 20 bytes per Parquet row. It only decides on the layout of the new file."""
    return path.stat().st_size // 20
