"""DuckDB connections: a hardened one for what strangers wrote, a trusted one for the store's own files."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb

from common.cpus import usable_cpus

Connection = duckdb.DuckDBPyConnection

# The release before (1.5) still reads this version, so a deployment can step back. Version 2.0 of the format gave the
# same size and speed on 10 million events.
STORAGE_VERSION: Final = "v1.5.0"

# A block is the smallest piece that a table takes. Bytes of a segment with 1,000, 50,000 and 1,000,000 events by
# block size: 16 KiB 0.11, 2.3 and 33 MB; 64 KiB 0.27, 1.5 and 25 MB; 256 KiB 1.1, 2.4 and 21 MB.
_BLOCK_SIZES: Final = ((10_000, 16 << 10), (500_000, 64 << 10))
_LARGEST_BLOCK: Final = 256 << 10

_INTERRUPT_EVERY_S: Final = 0.05

_OFFLINE: Final = (
    "SET allow_community_extensions = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
)


def literal(value: object) -> str:
    """`value` as an SQL string literal, where a prepared parameter is not allowed."""
    return "'" + str(value).replace("'", "''") + "'"


def timestamp(moment: datetime) -> str:
    """An aware `moment` as an SQL literal in UTC."""
    return f"TIMESTAMP {literal(moment.astimezone(UTC).replace(tzinfo=None))}"


def quoted(name: str) -> str:
    """`name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def connect_trusted(work_dir: Path, memory_bytes: int) -> Connection:
    """An in-memory database for the store's own files; what does not fit in memory spills to `work_dir`."""
    connection = duckdb.connect()
    for statement in (f"SET temp_directory = {literal(work_dir / 'spill')}", *_limits(memory_bytes), *_OFFLINE):
        connection.execute(statement)
    return connection


def connect_hardened(upload: Path, attached: Mapping[str, Path], rows: int, memory_bytes: int) -> Connection:
    """An in-memory database that can read `upload` and write the databases in `attached`, by alias, and nothing else.

    It never spills, so that no user id comes to a disk. The order matters: after `enable_external_access` is off
    nothing can be attached any more, and after `lock_configuration` none of it can be undone.
    """
    connection = duckdb.connect()
    for alias, path in attached.items():
        attach_new(connection, alias, path, rows)
    statements = (
        "SET temp_directory = ''",
        "SET max_temp_directory_size = '0GB'",
        *_limits(memory_bytes),
        "SET preserve_insertion_order = false",
        *_OFFLINE,
        f"SET allowed_paths = [{literal(upload)}]",
        "SET enable_external_access = false",
        "SET lock_configuration = true",
    )
    for statement in statements:
        connection.execute(statement)
    return connection


def attach_new(connection: Connection, alias: str, path: Path, rows: int) -> None:
    """Attaches a new database file, laid out for about `rows` events."""
    block = next((size for limit, size in _BLOCK_SIZES if rows <= limit), _LARGEST_BLOCK)
    connection.execute(
        f"ATTACH {literal(path)} AS {alias} (STORAGE_VERSION {literal(STORAGE_VERSION)}, BLOCK_SIZE {block})"
    )


def attach_existing(connection: Connection, alias: str, path: Path) -> None:
    connection.execute(f"ATTACH {literal(path)} AS {alias}")


def attach_read_only(connection: Connection, alias: str, path: Path) -> None:
    connection.execute(f"ATTACH {literal(path)} AS {alias} (READ_ONLY)")


def number(connection: Connection, query: str, parameters: Sequence[object] = ()) -> int:
    """The one whole number that `query` answers; an INSERT and a CREATE TABLE AS answer how many rows."""
    # All rows are fetched: DuckDB holds a connection to be busy until it was told that there are no more.
    [row] = connection.execute(query, parameters).fetchall()
    return int(row[0])


@contextmanager
def interrupted_after(connection: Connection, seconds: float) -> Iterator[None]:
    """Whatever `connection` runs after `seconds` ends with `duckdb.InterruptException`.

    An interrupt between two statements is forgotten by the next, so it is repeated.
    """
    over = threading.Event()

    def watch() -> None:
        patience = seconds
        while not over.wait(patience):
            connection.interrupt()
            patience = _INTERRUPT_EVERY_S

    watchdog = threading.Thread(target=watch, daemon=True)
    watchdog.start()
    try:
        yield
    finally:
        over.set()
        watchdog.join()


def _limits(memory_bytes: int) -> tuple[str, ...]:
    return (
        f"SET memory_limit = '{memory_bytes}B'",
        f"SET threads = {usable_cpus()}",
        "SET TimeZone = 'UTC'",
        "SET enable_progress_bar = false",
    )
