"""The refused rows of an upload, in the form in which an admin sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from common.store.engine import Connection, attach_read_only, connect_trusted, literal, quoted
from common.store.uploads.columns import fold
from common.store.uploads.draft import Draft
from common.store.uploads.fields import FLOATING, WHOLE
from common.store.uploads.formulas import neutralised, neutralised_sql
from common.store.uploads.places import PLACE, ROW
from common.store.uploads.reasons import REASONS

FIRST_ROWS: Final = 1_000
_NUMBERS: Final = frozenset({"price", "value"})
"""Columns in which a number such as -5 stays one, though all of a CSV file is text. `value` may be a refused price."""

_NO_TEXT: Final = ("DECIMAL", "BOOLEAN", "DATE", "TIME")
"""Beginnings of the types whose values are no texts; TIME stands for TIMESTAMP too."""


@dataclass(frozen=True)
class BadRow:
    """A refused row. `row` is its number, from 1 without the header; `value` is None if it must not be shown."""

    row: int
    code: str
    value: str | None


@dataclass(frozen=True)
class Refusals:
    """The refused rows: their `counts` by code of `REASONS`, the `first` ones, and a CSV file `table` of all of them.

    `first` has at most `FIRST_ROWS` rows. In `table` no text can be taken for a formula (`formulas`)."""

    counts: Mapping[str, int]
    first: tuple[BadRow, ...]
    table: Path


def refusals_of(draft: Draft, work: Path, memory_bytes: int) -> Refusals | None:
    """Returns the refused rows of a draft, None if there are none."""
    if not draft.rows_refused:
        return None
    connection = connect_trusted(work, memory_bytes)
    try:
        attach_read_only(connection, "scratch", draft.scratch)
        return _read(connection, work / "refused.csv", "scratch.refused")
    finally:
        connection.close()


def refusals_at(connection: Connection, place: int, table: Path) -> Refusals:
    """The refused rows in `scratch.refused` of the upload at this place; `table` is the file to write."""
    own = f"(SELECT * REPLACE ({ROW} AS row) FROM scratch.refused WHERE {PLACE} = {place})"
    return _read(connection, table, own)


def _read(connection: Connection, table: Path, relation: str) -> Refusals:
    """Reads the rows of `relation` (row, code, value, and further columns) and writes all of it to `table`."""
    connection.register("reasons", _reasons())
    connection.execute(
        f"COPY (SELECT row, reasons.*, {_cells(connection)} FROM {relation} AS refused "
        f"JOIN reasons USING (code) ORDER BY row) TO {literal(table)} (FORMAT csv, HEADER true)"
    )
    counts = connection.execute(f"SELECT code, count(*) FROM {relation} AS refused GROUP BY code ORDER BY 2 DESC, 1")
    by_code = dict(counts.fetchall())
    first = connection.execute(f"SELECT row, code, value FROM {relation} AS refused ORDER BY row LIMIT {FIRST_ROWS}")
    return Refusals(by_code, tuple(BadRow(*row) for row in first.fetchall()), table)


def _cells(connection: Connection) -> str:
    """SQL of `value` and of the further columns, as text that a spreadsheet may read."""
    described = connection.execute("DESCRIBE scratch.refused").fetchall()
    return ", ".join(_cell(name, kind) for name, kind, *_ in described if name not in ("row", "code"))


def _cell(name: str, kind: str) -> str:
    cell = f"refused.{quoted(name)}"
    if kind in WHOLE | FLOATING or kind.startswith(_NO_TEXT):
        return f"{cell} AS {quoted(neutralised(name))}"
    safe = neutralised_sql(f"{cell}::VARCHAR", keep_numbers=fold(name) in _NUMBERS)
    return f"{safe} AS {quoted(neutralised(name))}"


def _reasons() -> dict[str, npt.NDArray[np.object_]]:
    names = ("code", "column", "problem", "remedy")
    return {name: np.array([getattr(reason, name) for reason in REASONS.values()], dtype=object) for name in names}
