"""The footer of a Parquet upload: what it says of its rows and columns is looked at before a page is read."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from common.errors import FileRejected
from common.store.engine import Connection
from common.store.uploads.bounds import NAME_BYTES, Bounds

_MAGIC: Final = b"PAR1"
_ENCRYPTED: Final = b"PARE"
_SMALLEST_PARQUET: Final = 12

# 100 row groups of 1,000 columns have 15 MB of it. DuckDB holds several times as much while it looks into a footer.
FOOTER_BYTES: Final = 16 << 20
DEPTH: Final = 16

_DAMAGED: Final = "the file is damaged: export and upload it again"


@dataclass(frozen=True)
class Footer:
    """The column names as written in the file; DuckDB itself renames columns whose names differ only in case."""

    names: tuple[str, ...]
    rows: int


def check_ends(path: Path) -> None:
    """Raises `FileRejected` if the file does not begin and end as Parquet does, or if its footer is too large."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(len(_MAGIC))
        file.seek(max(0, size - 2 * len(_MAGIC)))
        end = file.read()
    if start == _ENCRYPTED or end[-len(_MAGIC) :] == _ENCRYPTED:
        raise _encrypted()
    if start != _MAGIC:
        raise FileRejected("the file is named .parquet and is not Parquet: export it as Parquet, or name it .csv")
    if size < _SMALLEST_PARQUET or end[-len(_MAGIC) :] != _MAGIC:
        raise FileRejected("the Parquet file is cut off: its end is missing. Upload it again")
    footer = struct.unpack("<I", end[: len(_MAGIC)])[0]
    if footer > size - _SMALLEST_PARQUET:
        raise FileRejected("the Parquet file is cut off or damaged: its footer is missing. Upload it again")
    if footer > FOOTER_BYTES:
        raise FileRejected(
            f"its footer has {footer} bytes; the most is {FOOTER_BYTES}: write fewer columns, larger row groups and "
            "less metadata"
        )


def _encrypted() -> FileRejected:
    return FileRejected(
        "the Parquet file is encrypted: write it without encryption, since no key can be given to the reader"
    )


def read_footer(connection: Connection, path: Path, bounds: Bounds) -> Footer:
    """Returns what the footer says. Raises `FileRejected` if it is over one of the `bounds` or contradicts itself."""
    columns, names = _names(connection, path, bounds)
    bounds.check_columns(columns)
    rows = _rows(connection, path)
    bounds.check_rows(rows)
    unpacked = connection.execute(
        "SELECT coalesce(sum(total_uncompressed_size), 0), coalesce(min(total_uncompressed_size), 0) "
        "FROM parquet_metadata(?)",
        [str(path)],
    ).fetchone()
    assert unpacked is not None
    if unpacked[1] < 0:
        raise FileRejected(_DAMAGED)
    bounds.check_unpacked(int(unpacked[0]))
    return Footer(names, rows)


def _names(connection: Connection, path: Path, bounds: Bounds) -> tuple[int, tuple[str, ...]]:
    """The number of columns with the parts of nested ones, and the names of those that are no parts."""
    schema = connection.execute(
        "SELECT left(name, ?), strlen(name), num_children FROM parquet_schema(?)", [NAME_BYTES, str(path)]
    ).fetchall()
    names: list[str] = []
    open_parents: list[int] = []
    for name, length, children in schema[1:]:
        bounds.check_name(length)
        if not open_parents:
            names.append(name)
        else:
            open_parents[-1] -= 1
        if children:
            open_parents.append(children)
        if len(open_parents) > DEPTH:
            raise FileRejected(f"the column {names[-1]} is nested more than {DEPTH} deep: export plain columns")
        while open_parents and open_parents[-1] <= 0:
            open_parents.pop()
    return len(schema) - 1, tuple(names)


def _rows(connection: Connection, path: Path) -> int:
    """The number of rows, which the footer has for the file, and for each row group."""
    found = connection.execute(
        "SELECT (SELECT sum(num_rows) FROM parquet_file_metadata($path)), coalesce(sum(rows), 0), "
        "coalesce(min(rows), 0) FROM (SELECT any_value(row_group_num_rows) AS rows FROM parquet_metadata($path) "
        "GROUP BY row_group_id)",
        {"path": str(path)},
    ).fetchone()
    assert found is not None
    rows, of_groups, smallest = (int(number) for number in found)
    if rows != of_groups or smallest < 0:
        raise FileRejected(_DAMAGED)
    return rows
