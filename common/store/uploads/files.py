"""Uploads as relations that DuckDB can read: Parquet as it is, CSV in normalised form."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from common import logs
from common.errors import FileRejected, UnavailableError
from common.store.engine import Connection, literal, quoted
from common.store.uploads.bounds import Bounds
from common.store.uploads.columns import Contract, fold
from common.store.uploads.csv_text import PROBLEM_COLUMN, ROW_COLUMN, CsvTable, normalise
from common.store.uploads.parquet_footer import check_ends, read_footer
from common.store.uploads.texts import text_of_bytes

PARQUET: Final = ".parquet"
CSV: Final = ".csv"

# Errors in the product's own SQL, not in the upload.
_OWN_MISTAKES: Final = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException)

# Of a file that reached the limit of the process, and of a spill that reached that of the connection.
_DISK_BOUND: Final = ("File too large", "max_temp_directory_size")
DISK_PROBLEM: Final = "reading the file needs more disk than RECSYS_MAX_UNPACKED_BYTES allows: split it"
MEMORY_PROBLEM: Final = "reading the file needs more memory than RECSYS_INGEST_MEMORY_BYTES allows: split it"
TIME_PROBLEM: Final = "reading the file takes too long: split it"

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
    the row as a whole; it is empty or NULL if there is none. `several` says that these are the rows of several uploads,
    whose numbers hold the place of their upload (`places`)."""

    relation: str
    columns: tuple[Column, ...]
    rows: int
    row: str
    problem: str
    several: bool = False


@dataclass(frozen=True)
class Source:
    """An upload on the local disk whose form fits its name. `csv` is None for Parquet. `several` is that of `Table`."""

    path: Path
    bounds: Bounds
    contract: Contract
    csv: CsvTable | None = None
    several: bool = False

    @property
    def notices(self) -> tuple[str, ...]:
        return self.csv.notices if self.csv else ()

    def table(self, connection: Connection) -> Table:
        """Returns the upload as SQL. Raises `FileRejected` if DuckDB cannot read the file's structure."""
        with damage_is_refused():
            return (
                _csv_table(self.csv, self.several)
                if self.csv
                else _parquet_table(connection, self.path, self.bounds, self.contract)
            )


def prepare(path: Path, name: str, contract: Contract, bounds: Bounds, after: int = 0) -> Source:
    """Checks an upload with this `name` at `path`; a CSV file is normalised into a second file in its directory, with
    rows numbered from `after` + 1.

    Raises `FileRejected` if the file is empty, neither Parquet nor CSV, or over one of the `bounds`."""
    if path.stat().st_size == 0:
        raise FileRejected("the file is empty (0 bytes): upload it again")
    _check_folders(name, contract)
    suffix = Path(name).suffix.lower()
    if suffix == PARQUET:
        check_ends(path)
        return Source(path, bounds, contract)
    if suffix == CSV:
        table = normalise(path, path.with_name("normalised.csv"), contract, bounds, after)
        return Source(table.path, bounds, contract, table)
    raise FileRejected(f"the name of an upload ends in {PARQUET} or {CSV}")


def _check_folders(name: str, contract: Contract) -> None:
    """Raises `FileRejected` if a folder of the upload says what its rows do not, as `event_type=view/` does."""
    columns = [fold(folder.partition("=")[0]) for folder in name.split("/")[:-1] if "=" in folder]
    meant = [column for column in columns if column in contract.names]
    if meant:
        raise FileRejected(
            f"a folder of its path gives the value of {meant[0]}, which is not read from there: write the column "
            f"{meant[0]} into the file"
        )


@contextmanager
def damage_is_refused() -> Iterator[None]:
    """Turns DuckDB's errors about the upload into `FileRejected`, without their text, which may quote values."""
    try:
        yield
    except _OWN_MISTAKES:
        raise
    except duckdb.OutOfMemoryException:
        raise FileRejected(MEMORY_PROBLEM) from None
    except duckdb.Error as error:
        if "No space left" in str(error):
            raise UnavailableError("there is no space left in RECSYS_CACHE_DIR") from None
        if any(sign in str(error) for sign in _DISK_BOUND):
            raise FileRejected(DISK_PROBLEM) from None
        logs.event(log, logging.WARNING, "unreadable upload", error=type(error).__name__)
        raise FileRejected("the file is damaged: export and upload it again") from None


def _csv_table(table: CsvTable, several: bool) -> Table:
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
        several=several,
    )


_TEXT: Final = "VARCHAR"
_BYTES: Final = "BLOB"
_NO_VALUES: Final = ("NULL", '"NULL"')
_TEXTS: Final = ("ENUM", "JSON")


def _parquet_table(connection: Connection, path: Path, bounds: Bounds, contract: Contract) -> Table:
    footer = read_footer(connection, path, bounds)
    relation = f"read_parquet({literal(path)}, file_row_number = true) AS upload"
    described = connection.execute(f"DESCRIBE SELECT * EXCLUDE (file_row_number) FROM {relation}").fetchall()
    raw = {
        name: (f"upload.{quoted(read_as)}", kind)
        for name, (read_as, kind, *_) in zip(footer.names, described, strict=True)
    }
    columns = tuple(_as_text_if_it_may_be(name, *found) for name, found in raw.items())
    read = {fold(name) for name in contract.names}
    of_bytes = [found[0] for name, found in raw.items() if found[1] == _BYTES and fold(name) in read]
    not_text = " OR ".join(f"({column} IS NOT NULL AND {text_of_bytes(column)} IS NULL)" for column in of_bytes)
    problem = f"CASE WHEN {not_text} THEN 'not_utf8' END" if not_text else "NULL"
    return Table(relation, columns, footer.rows, row="upload.file_row_number + 1", problem=problem)


def _as_text_if_it_may_be(name: str, raw: str, kind: str) -> Column:
    """The column of a Parquet file; bytes, categories and columns without any value are columns of text."""
    if kind == _BYTES:
        return Column(name, text_of_bytes(raw), _TEXT)
    if kind in _NO_VALUES:
        return Column(name, "NULL::VARCHAR", _TEXT)
    if kind.startswith(_TEXTS):
        return Column(name, f"{raw}::VARCHAR", _TEXT)
    return Column(name, raw, kind)
