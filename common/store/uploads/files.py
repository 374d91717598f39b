"""Uploads as relations that DuckDB can read: Parquet as it is, CSV in normalised form."""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from common import logs
from common.errors import FileRejected, UnavailableError
from common.store.engine import Connection, literal, number, quoted
from common.store.uploads.columns import Contract
from common.store.uploads.csv_text import PROBLEM_COLUMN, ROW_COLUMN, CsvTable, normalise

PARQUET: Final = ".parquet"
CSV: Final = ".csv"

_MAGIC: Final = b"PAR1"
_SMALLEST_PARQUET: Final = 12

# Far above a shop's events of a year. It is needed because a few bytes of Parquet can stand for any number of rows.
_MAX_ROWS: Final = 500_000_000

# Errors in the product's own SQL, not in the upload.
_OWN_MISTAKES: Final = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Column:
    """A column of an upload: `name` in the file, `raw` as SQL qualified by `upload`, and `kind` as DuckDB type."""

    name: str
    raw: str
    kind: str


@dataclass(frozen=True)
class Table:
    """An upload as SQL. `relation` is for a FROM clause, with the alias `upload`.

    `row` is the SQL of a row's number, from 1 without the header. `problem` is the SQL of the code of a problem with
    the row as a whole; it is empty or NULL if there is none."""

    relation: str
    columns: tuple[Column, ...]
    rows: int
    row: str
    problem: str


@dataclass(frozen=True)
class Source:
    """An upload on the local disk whose form fits its name. `csv` is None for Parquet."""

    path: Path
    csv: CsvTable | None = None

    @property
    def notices(self) -> tuple[str, ...]:
        return self.csv.notices if self.csv else ()

    def table(self, connection: Connection) -> Table:
        """Returns the upload as SQL. Raises `FileRejected` if DuckDB cannot read the file's structure."""
        with damage_is_refused():
            return _csv_table(self.csv) if self.csv else _parquet_table(connection, self.path)


def prepare(path: Path, name: str, contract: Contract) -> Source:
    """Checks an upload with this `name` at `path`; a CSV file is normalised into a second file in its directory.

    Raises `FileRejected` if the file is empty, or neither Parquet nor CSV."""
    if path.stat().st_size == 0:
        raise FileRejected("the file is empty (0 bytes): upload it again")
    suffix = Path(name).suffix.lower()
    if suffix == PARQUET:
        _check_is_parquet(path)
        return Source(path)
    if suffix == CSV:
        table = normalise(path, path.with_name("normalised.csv"), contract)
        return Source(table.path, table)
    raise FileRejected(f"the name of an upload ends in {PARQUET} or {CSV}")


@contextmanager
def damage_is_refused() -> Iterator[None]:
    """Turns DuckDB's errors about the upload into `FileRejected`, without their text, which may quote values."""
    try:
        yield
    except _OWN_MISTAKES:
        raise
    except duckdb.OutOfMemoryException:
        raise FileRejected(
            "reading the file needs more memory than RECSYS_INGEST_MEMORY_BYTES allows: split it"
        ) from None
    except duckdb.InterruptException:
        raise FileRejected("reading the file takes too long: split it") from None
    except duckdb.Error as error:
        if "No space left" in str(error):
            raise UnavailableError("there is no space left in RECSYS_CACHE_DIR") from None
        logs.event(log, logging.WARNING, "unreadable upload", error=type(error).__name__)
        raise FileRejected("the file is damaged: export and upload it again") from None


def _check_is_parquet(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(len(_MAGIC))
        size = path.stat().st_size
        file.seek(max(0, size - 2 * len(_MAGIC)))
        end = file.read()
    if start != _MAGIC:
        raise FileRejected("the file is named .parquet and is not Parquet: export it as Parquet, or name it .csv")
    if size < _SMALLEST_PARQUET or end[-len(_MAGIC) :] != _MAGIC:
        raise FileRejected("the Parquet file is cut off: its end is missing. Upload it again")
    footer = struct.unpack("<I", end[: len(_MAGIC)])[0]
    if footer > size - _SMALLEST_PARQUET:
        raise FileRejected("the Parquet file is cut off or damaged: its footer is missing. Upload it again")


def _csv_table(table: CsvTable) -> Table:
    names = [f"c{position}" for position in range(len(table.header))]
    kinds = {ROW_COLUMN: "BIGINT", PROBLEM_COLUMN: "VARCHAR"} | dict.fromkeys(names, "VARCHAR")
    columns = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in kinds.items())
    relation = (
        f"read_csv({literal(table.path)}, auto_detect = false, header = false, delim = ',', quote = '\"', "
        f"escape = '\"', new_line = '\\r\\n', nullstr = '', columns = {{{columns}}}) AS upload"
    )
    return Table(
        relation=relation,
        columns=tuple(
            Column(title, f"upload.{name}", "VARCHAR") for title, name in zip(table.header, names, strict=True)
        ),
        rows=table.rows,
        row=f"upload.{ROW_COLUMN}",
        problem=f"upload.{PROBLEM_COLUMN}",
    )


def _parquet_table(connection: Connection, path: Path) -> Table:
    relation = f"read_parquet({literal(path)}, file_row_number = true) AS upload"
    described = connection.execute(f"DESCRIBE SELECT * EXCLUDE (file_row_number) FROM {relation}").fetchall()
    names = _parquet_names(connection, path)
    rows = number(connection, "SELECT sum(num_rows) FROM parquet_file_metadata(?)", [str(path)])
    if rows > _MAX_ROWS:
        raise FileRejected(f"the file says that it has {rows} rows; the most is {_MAX_ROWS}: split it")
    columns = tuple(
        Column(name, f"upload.{quoted(read_as)}", kind)
        for name, (read_as, kind, *_) in zip(names, described, strict=True)
    )
    return Table(relation, columns, rows, row="upload.file_row_number + 1", problem="NULL")


def _parquet_names(connection: Connection, path: Path) -> list[str]:
    """The column names as written in the file; DuckDB itself renames columns whose names differ only in case."""
    schema = connection.execute("SELECT name, num_children FROM parquet_schema(?)", [str(path)]).fetchall()
    names: list[str] = []
    nested = 0
    for name, children in schema[1:]:
        if nested == 0:
            names.append(name)
        else:
            nested -= 1
        nested += children or 0
    return names
