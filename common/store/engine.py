"""DuckDB connections: a hardened one for uploads, and a trusted one for the store's own files."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb

from common.cpus import usable_cpus

Connection = duckdb.DuckDBPyConnection

# DuckDB 1.5 still reads this version, so that a deployment can go back to it. Format 2.0 has the same size and speed.
STORAGE_VERSION: Final = "v1.5.0"

# (most rows, block size in bytes). A table takes whole blocks, so a small segment is smaller with small blocks, and a
# large one with large blocks; docs/measurements-store.md has the sizes.
_BLOCK_SIZES: Final = ((10_000, 16 << 10), (500_000, 64 << 10))
_LARGEST_BLOCK: Final = 256 << 10

_INTERRUPT_EVERY_S: Final = 0.05

_OFFLINE: Final = (
    "SET allow_community_extensions = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
)


def is_of_the_disk(error: Exception) -> bool:
    """Whether the error says that the local disk is full or cannot be written, be it Python's or DuckDB's."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
    return isinstance(error, duckdb.Error) and any(
        os.strerror(number) in str(error) for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
    )


def literal(value: object) -> str:
    """`value` as an SQL string literal, for statements that allow no prepared parameter."""
    return "'" + str(value).replace("'", "''") + "'"


def timestamp(time: datetime) -> str:
    """An aware `time` as an SQL literal in UTC."""
    return f"TIMESTAMP {literal(time.astimezone(UTC).replace(tzinfo=None))}"


def quoted(name: str) -> str:
    """`name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def connect_trusted(work_dir: Path, memory_bytes: int) -> Connection:
    """Returns an in-memory database for the store's own files, which spills to `work_dir` above `memory_bytes`."""
    connection = duckdb.connect()
    for statement in (f"SET temp_directory = {literal(work_dir / 'spill')}", *_limits(memory_bytes), *_OFFLINE):
        connection.execute(statement)
    return connection


def connect_hardened(upload: Path, attached: Mapping[str, Path], rows: int, memory_bytes: int) -> Connection:
    """Returns an in-memory database that can only read `upload` and write the databases in `attached`, by alias.

    It never spills, so that no user id gets on a disk. The order of statements matters: with `enable_external_access`
    off nothing can be attached, and after `lock_configuration` no setting can be changed.
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
    """Returns the single integer that `query` results in. For INSERT and CREATE TABLE AS it is the number of rows."""
    # All rows are fetched, because until the end of the result DuckDB takes the connection for busy.
    [row] = connection.execute(query, parameters).fetchall()
    return int(row[0])


@contextmanager
def interrupted_after(connection: Connection, seconds: float) -> Iterator[None]:
    """Ends what `connection` runs in the block after `seconds`, by `duckdb.InterruptException`.

    An interrupt between two statements has no effect on the next one, so it is repeated.
    """
    ended = threading.Event()

    def watch() -> None:
        wait_s = seconds
        while not ended.wait(wait_s):
            connection.interrupt()
            wait_s = _INTERRUPT_EVERY_S

    watchdog = threading.Thread(target=watch, daemon=True)
    watchdog.start()
    try:
        yield
    finally:
        ended.set()
        watchdog.join()


def _limits(memory_bytes: int) -> tuple[str, ...]:
    return (
        f"SET memory_limit = '{memory_bytes}B'",
        f"SET threads = {usable_cpus()}",
        "SET TimeZone = 'UTC'",
        "SET enable_progress_bar = false",
    )
