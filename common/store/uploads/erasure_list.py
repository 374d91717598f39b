"""The reading of uploads that name people to erase."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from common.errors import FileRejected
from common.schemas.data import U64
from common.store.engine import attach_read_only, connect_trusted
from common.store.uploads.columns import ERASURES, match
from common.store.uploads.draft import Draft, ReadOptions, drafting, write_refused_rows
from common.store.uploads.fields import Field, identifier
from common.store.uploads.files import Source, Table
from common.store.uploads.pseudonyms import number_ids, write_everybody

_COLUMN: Final = "user_id"


def read_erasures(source: Source, work: Path, options: ReadOptions) -> Draft:
    """Reads `source` into a draft in `work`, whose `users` are the named people.

    Raises `FileRejected` if the file cannot be read or has more than one column: a file of events, uploaded here by
    mistake, would erase all of its people."""
    with drafting(source, work, options.memory_bytes) as (connection, table):
        _require_one_column(table)
        place = match([column.name for column in table.columns], ERASURES)[_COLUMN]
        field = identifier(_COLUMN, table.columns[place].raw, table.columns[place].kind)
        number_ids(connection, table, field, "user_no")
        refused = write_refused_rows(connection, _refused(table, field))
        connection.execute("DELETE FROM user_ids WHERE problem IS NOT NULL")
        write_everybody(connection, options.pseudonymizer)
    return Draft(
        segment=work / "draft.duckdb",
        scratch=work / "scratch.duckdb",
        rows_read=table.rows,
        rows_refused=refused,
        notices=source.notices,
    )


def _require_one_column(table: Table) -> None:
    """Raises `FileRejected` for more columns, without quoting them: without a header they may be a person's data."""
    if len(table.columns) > 1:
        raise FileRejected(
            f"an erasure list has one column, {_COLUMN}, and this file has {len(table.columns)}: if it lists people to "
            f"erase, upload their {_COLUMN} alone; events belong under incoming/events/"
        )


def people_of(people: Path, work: Path, memory_bytes: int) -> U64:
    """(n, 2) uint64: the keys of the people in the segment of a draft of `read_erasures`."""
    connection = connect_trusted(work, memory_bytes)
    try:
        attach_read_only(connection, "draft", people)
        users = connection.execute("SELECT key_hi, key_lo FROM draft.users ORDER BY key_hi, key_lo").fetchnumpy()
        return np.stack([users["key_hi"], users["key_lo"]], axis=1)
    finally:
        connection.close()


def _refused(table: Table, field: Field) -> str:
    """SQL of the refused rows, without their values, which may be user ids."""
    problem = (
        f"CASE WHEN {table.problem} <> '' THEN {table.problem} WHEN NOT {field.given} THEN '{_COLUMN}_empty' "
        f"WHEN user_ids.user_no IS NULL THEN '{_COLUMN}_not_whole' ELSE user_ids.problem END"
    )
    rows = (
        f"SELECT {table.row} AS row, {problem} AS code FROM {table.relation} "
        f"LEFT JOIN user_ids ON user_ids.{_COLUMN} = {field.value}"
    )
    return f"SELECT row, code, NULL::VARCHAR AS value FROM ({rows}) WHERE code IS NOT NULL"
