"""The refused rows of an upload, in the form in which an admin sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from common.store.engine import Connection, attach_read_only, connect_trusted, literal
from common.store.uploads.draft import Draft
from common.store.uploads.reasons import REASONS

FIRST_ROWS: Final = 1_000


@dataclass(frozen=True)
class BadRow:
    """A refused row. `row` is its number, from 1 without the header; `value` is None if it must not be shown."""

    row: int
    code: str
    value: str | None


@dataclass(frozen=True)
class Refusals:
    """The refused rows: their `counts` by code of `REASONS`, the `first` ones, and a CSV file `table` of all of them.

    `first` has at most `FIRST_ROWS` rows."""

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
        return _read(connection, work / "refused.csv")
    finally:
        connection.close()


def _read(connection: Connection, table: Path) -> Refusals:
    """Reads `scratch.refused` (row, code, value, and further columns) and writes all of it to `table`."""
    connection.register("reasons", _reasons())
    connection.execute(
        "COPY (SELECT row, reasons.*, value, refused.* EXCLUDE (row, code, value) FROM scratch.refused AS refused "
        f"JOIN reasons USING (code) ORDER BY row) TO {literal(table)} (FORMAT csv, HEADER true)"
    )
    counts = connection.execute("SELECT code, count(*) FROM scratch.refused GROUP BY code ORDER BY 2 DESC, 1")
    by_code = dict(counts.fetchall())
    first = connection.execute(f"SELECT row, code, value FROM scratch.refused ORDER BY row LIMIT {FIRST_ROWS}")
    return Refusals(by_code, tuple(BadRow(*row) for row in first.fetchall()), table)


def _reasons() -> dict[str, npt.NDArray[np.object_]]:
    names = ("code", "column", "problem", "remedy")
    return {name: np.array([getattr(reason, name) for reason in REASONS.values()], dtype=object) for name in names}
