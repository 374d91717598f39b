"""The normalisation of CSV uploads: UTF-8, commas, and a number for every row.

Shops export with commas, semicolons or tabs, in UTF-8 or Windows-1252, with or without a byte order mark. The result
always has one form, which DuckDB reads with fixed options and without guessing. Rows with a wrong number of fields keep
their number and get a reason, without their values.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from common.errors import FileRejected
from common.store.uploads.bounds import Bounds
from common.store.uploads.columns import Contract, fold
from common.store.uploads.csv_lines import BoundedRow, check_text
from common.store.uploads.formulas import restored

SEPARATORS: Final = (",", ";", "\t")
ROW_COLUMN: Final = "row_number"
PROBLEM_COLUMN: Final = "row_problem"

# Limits of a header and of a value. A longer value means that a quotation mark was never closed.
_HEADER_BYTES: Final = 64 << 10
_VALUE_BYTES: Final = 128 << 10

_FALLBACK: Final = "cp1252"


@dataclass(frozen=True)
class CsvTable:
    """A normalised file without a header. Its columns are `ROW_COLUMN`, `PROBLEM_COLUMN`, then those of `header`."""

    path: Path
    header: tuple[str, ...]
    rows: int
    notices: tuple[str, ...]


def normalise(source: Path, target: Path, contract: Contract, bounds: Bounds, after: int = 0) -> CsvTable:
    """Writes `source` to `target` in normalised form, its rows numbered from `after` + 1.

    Raises `FileRejected` if it is not CSV text within `bounds`."""
    check_text(source, bounds)
    try:
        return _written(source, target, contract, bounds, "utf-8-sig", after)
    except UnicodeDecodeError:
        pass
    try:
        table = _written(source, target, contract, bounds, _FALLBACK, after)
    except UnicodeDecodeError:
        raise FileRejected("the text is neither UTF-8 nor Windows-1252: save it as CSV UTF-8") from None
    notice = "the file is not UTF-8 and was read as Windows-1252 (Latin-1): check that accents came out right"
    return CsvTable(table.path, table.header, table.rows, (*table.notices, notice))


def _written(source: Path, target: Path, contract: Contract, bounds: Bounds, encoding: str, after: int) -> CsvTable:
    with source.open(encoding=encoding, newline="") as text:
        separator = _separator(text.read(_HEADER_BYTES), contract)
    csv.field_size_limit(_VALUE_BYTES)
    with source.open(encoding=encoding, newline="") as text, target.open("w", encoding="utf-8", newline="") as out:
        lines = BoundedRow(text, bounds)
        reader = csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=True)
        writer = csv.writer(out, lineterminator="\r\n")
        header = _header(reader)
        bounds.check_columns(len(header))
        for name in header:
            bounds.check_name(len(name.encode()))
        rows = 0
        for rows, (fields, problem) in enumerate(_rows(reader, len(header), lines, bounds), start=1):
            writer.writerow((after + rows, problem, *fields))
    return CsvTable(target, header, rows, ())


def _separator(start: str, contract: Contract) -> str:
    """The separator with which the header has the most columns of the contract, at a tie the most columns."""

    def found(separator: str) -> tuple[int, int]:
        names = {fold(name) for name in _first_row(start, separator)}
        return len(names & set(contract.names)), len(names)

    return max(SEPARATORS, key=found)


def _first_row(start: str, separator: str) -> list[str]:
    try:
        return next(csv.reader(start.splitlines(keepends=True), delimiter=separator, skipinitialspace=True), [])
    except csv.Error:
        return []


def _header(reader: Iterator[list[str]]) -> tuple[str, ...]:
    try:
        return tuple(map(restored, next(reader)))
    except StopIteration:
        raise FileRejected("the file is empty") from None
    except csv.Error:
        raise FileRejected("the first line is not a CSV header: it must name the columns") from None


def _rows(
    reader: Iterator[list[str]], width: int, lines: BoundedRow, bounds: Bounds
) -> Iterator[tuple[list[str], str]]:
    """(fields, problem) of every row that is not blank. A bad row has empty fields and the problem's code."""
    refused = [""] * width
    row = blank = 0
    while True:
        lines.length = 0
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            row += 1
            if "unexpected end" in str(error) or "field larger" in str(error):
                raise FileRejected(f"row {row}: a quotation mark is opened and never closed") from None
            yield refused, "broken_quotes"
            continue
        if row + blank >= bounds.rows:
            bounds.check_rows(row + blank + 1)
        if not fields:
            blank += 1
            continue
        row += 1
        if len(fields) != width:
            yield refused, "wrong_number_of_fields"
        else:
            values = [field.strip() for field in fields]
            yield [restored(value) if value[:1] == "'" else value for value in values], ""
