"""The normalisation of CSV uploads: UTF-8, commas, and a number for every row.

Shops export with commas, semicolons, tabs or bars, in one of several encodings (`encodings`) and ways to quote
(`csv_rows`). The result always has one form, which DuckDB reads with fixed options and without guessing. A row that
cannot be read as a whole keeps its number and gets a reason, without its values. Each line of the file is in one row:
a file of which the account does not balance is refused.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from common.errors import FileRejected
from common.store.uploads.bounds import Bounds
from common.store.uploads.columns import EVENTS, Contract
from common.store.uploads.csv_lines import BoundedRow, RowTooLong, check_text
from common.store.uploads.csv_rows import CsvDialect, CsvRow, Quoting, dialect_of, rows_of
from common.store.uploads.encodings import Encoding, as_utf_8, encoding_of, utf_16_of
from common.store.uploads.formulas import restored

ROW_COLUMN: Final = "row_number"
PROBLEM_COLUMN: Final = "row_problem"

_NOT_TEXT: Final = "not_utf8"
_HEADER_BYTES: Final = 64 << 10
_START_BYTES: Final = 4_096

# What spreadsheets write into the first line to name the separator.
_SEP_LINE: Final = re.compile('"?sep=(.)"?[;,\t]*\r?\n?', re.IGNORECASE)
_MARK: Final = "\ufeff"


@dataclass(frozen=True)
class CsvTable:
    """A normalised file without a header. Its columns are `ROW_COLUMN`, `PROBLEM_COLUMN`, then those of `header`."""

    path: Path
    header: tuple[str, ...]
    rows: int
    notices: tuple[str, ...]


@dataclass(frozen=True)
class _Text:
    """The file as text: where it lies, its encoding, its number of lines, and the kind of upload that it is."""

    path: Path
    encoding: Encoding
    n_lines: int
    contract: Contract
    bounds: Bounds


def normalise(source: Path, target: Path, contract: Contract, bounds: Bounds, after: int = 0) -> CsvTable:
    """Writes `source` to `target` in normalised form, its rows numbered from `after` + 1.

    Raises `FileRejected` if it is not CSV text within `bounds`."""
    text = _text_of(source, target.with_name("text.csv"), contract, bounds)
    with text.path.open(encoding=text.encoding.name, errors="surrogateescape", newline="") as file:
        dialect = dialect_of(_after_sep_line(file.read(_HEADER_BYTES).lstrip(_MARK)), contract)
    table, bad = _written(text, target, dialect, after)
    if bad:
        others = {other: _bad_rows(text, other) for other in _others(text, dialect)}
        better = min(others, key=others.__getitem__)
        if others[better] < bad:
            table, _ = _written(text, target, better, after)
            table = replace(table, notices=(better.quoting.value,))
    notices = tuple(notice for notice in (*table.notices, text.encoding.notice) if notice)
    return replace(table, notices=notices)


def _text_of(source: Path, transcoded: Path, contract: Contract, bounds: Bounds) -> _Text:
    with source.open("rb") as file:
        kind = utf_16_of(file.read(_START_BYTES))
    if kind:
        as_utf_8(source, transcoded, kind)
        source = transcoded
    n_lines = check_text(source, bounds)
    return _Text(source, encoding_of(source), n_lines, contract, bounds)


def _after_sep_line(start: str) -> str:
    found = _SEP_LINE.match(start)
    return start[found.end() :] if found else start


def _others(text: _Text, dialect: CsvDialect) -> list[CsvDialect]:
    """The other dialects that the file may have. Where a value stands between marks, marks do enclose values."""
    others = [replace(dialect, quoting=Quoting.BACKSLASH)]
    with text.path.open(encoding=text.encoding.name, errors="surrogateescape", newline="") as file:
        if not any(map(dialect.has_enclosed, file)):
            others.append(replace(dialect, quoting=Quoting.NONE))
    return others


def _bad_rows(text: _Text, dialect: CsvDialect) -> int:
    """The number of rows that this dialect cannot read."""
    try:
        with _Reading(text, dialect) as reading:
            return sum(1 for _, problem in reading.rows() if problem)
    except FileRejected:
        return text.n_lines + 1


def _written(text: _Text, target: Path, dialect: CsvDialect, after: int) -> tuple[CsvTable, int]:
    """The table, and the number of rows that are bad as a whole."""
    rows = bad = 0
    with _Reading(text, dialect) as reading, target.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\r\n")
        for rows, (fields, problem) in enumerate(reading.rows(), start=1):
            bad += problem not in ("", _NOT_TEXT)
            values = [field.strip() for field in fields]
            writer.writerow((after + rows, problem, *[restored(it) if it[:1] == "'" else it for it in values]))
    return CsvTable(target, reading.header, rows, ()), bad


def _is_text(fields: list[str]) -> bool:
    """Whether no field holds bytes that the encoding does not know."""
    try:
        "".join(fields).encode()
    except UnicodeEncodeError:
        return False
    return True


class _Reading:
    """One reading of the file, from the header on. After the last row, all of its lines are accounted for."""

    def __init__(self, text: _Text, dialect: CsvDialect) -> None:
        self._text, self._dialect = text, dialect
        csv.field_size_limit(text.bounds.line_bytes + 1)

    def __enter__(self) -> _Reading:
        self._file = self._text.path.open(encoding=self._text.encoding.name, errors="surrogateescape", newline="")
        self._lines = BoundedRow(self._file, self._text.bounds)
        try:
            self.header = self._read_header()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _read_header(self) -> tuple[str, ...]:
        bounds = self._text.bounds
        header = self._first_row()
        while header and not header[-1]:  # empty columns at the end of a sheet
            header.pop()
        bounds.check_columns(len(header))
        for name in header:
            bounds.check_name(len(name.encode(errors="replace")))
        return tuple(header)

    def _first_row(self) -> list[str]:
        """The names in the first line that is not blank and does not only name the separator."""
        first = next(self._lines, None)
        if first is None:
            raise FileRejected("the file is empty")
        first = first.lstrip(_MARK)
        self._lines.give_back([first] if not _SEP_LINE.fullmatch(first) else [])
        reader = replace(self._dialect, quoting=Quoting.DOUBLED).reader(self._lines)
        try:
            for fields in reader:
                names = [restored(name.strip(_MARK)) for name in fields]
                if any(map(str.strip, names)):
                    return [name if name.strip() else "" for name in names]
        except (csv.Error, RowTooLong):
            raise FileRejected("the first line is not a CSV header: it must name the columns") from None
        return []

    def rows(self) -> Iterator[CsvRow]:
        """Raises `FileRejected` if a line is in no row, or in two."""
        text = self._text
        width, one_line_each = len(self.header), text.contract is EVENTS
        for fields, problem in rows_of(self._lines, self._dialect, width, text.bounds, one_line_each):
            if text.encoding.mixed and not _is_text(fields):
                yield [""] * width, _NOT_TEXT
            else:
                yield fields, problem
        if self._lines.lines != text.n_lines:
            raise FileRejected(
                f"its rows have {self._lines.lines} lines and the file has {text.n_lines}: the account does not "
                "balance. Export it anew, as CSV UTF-8"
            )
