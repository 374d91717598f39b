"""The rows of a CSV file in the dialect in which it is written, and each line of it in exactly one row.

RFC 4180 doubles a quotation mark within a value. Databases and PHP put a backslash before it, other tools write texts
as they are. A mark that stands alone opens a value which swallows the lines behind it: where a later line is a row by
itself, only the line of the mark is bad.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from common.errors import FileRejected
from common.store.uploads.bounds import Bounds
from common.store.uploads.columns import Contract, fold
from common.store.uploads.csv_lines import BoundedRow, RowTooLong

SEPARATORS: Final = (",", ";", "\t", "|")

# So many rows that each swallow others are no slip: every one of them costs a reading of the lines behind it.
_MOST_OPEN_QUOTES: Final = 1_000
_NULL_OF_DATABASES: Final = r"\N"


class Quoting(Enum):
    """How a value may hold quotation marks and separators; the value is the sentence for an admin."""

    DOUBLED = ""
    BACKSLASH = "quotation marks and separators within values have a backslash before them, and were read so"
    NONE = "quotation marks enclose no values here, and were read as a part of them"


@dataclass(frozen=True)
class CsvDialect:
    """The separator of values, the mark around them, and what the mark within one looks like."""

    separator: str
    mark: str = '"'
    quoting: Quoting = Quoting.DOUBLED

    def reader(self, lines: Iterable[str]) -> Iterator[list[str]]:
        if self.quoting is Quoting.NONE:
            return csv.reader(lines, delimiter=self.separator, quoting=csv.QUOTE_NONE, strict=True)
        if self.quoting is Quoting.BACKSLASH:
            return csv.reader(
                map(self._without_nulls, lines),
                delimiter=self.separator,
                quotechar=self.mark,
                escapechar="\\",
                strict=True,
                skipinitialspace=True,
            )
        return csv.reader(lines, delimiter=self.separator, quotechar=self.mark, strict=True, skipinitialspace=True)

    def _without_nulls(self, line: str) -> str:
        """The line with `\\N` as an empty value, of which the reader would make an N."""
        if _NULL_OF_DATABASES not in line:
            return line
        separator = re.escape(self.separator)
        return re.sub(rf"(?:(?<=^)|(?<={separator}))\\N(?={separator}|\r|\n|$)", "", line)

    def has_enclosed(self, line: str) -> bool:
        """Whether the line has a value between two marks."""
        if self.mark not in line:
            return False
        mark, separator = re.escape(self.mark), re.escape(self.separator)
        return bool(re.search(rf"(?:^|{separator}) *{mark}[^{mark}]+{mark} *(?:{separator}|[\r\n]|$)", line))

    def width_of(self, line: str) -> int:
        """The number of values of a line that is a row by itself; 0 for one that is not."""
        try:
            return len(next(self.reader([line]), []))
        except csv.Error:
            return 0


def dialect_of(start: str, contract: Contract) -> CsvDialect:
    """The separator and mark with which the header has the most columns of the contract, at a tie the most columns."""

    def found(dialect: CsvDialect) -> tuple[int, int]:
        names = {fold(name) for name in _first_row(start, dialect)}
        return len(names & set(contract.names)), len(names)

    plain = max((CsvDialect(separator) for separator in SEPARATORS), key=found)
    single = max((CsvDialect(separator, "'") for separator in SEPARATORS), key=found)
    return single if found(single)[0] > found(plain)[0] else plain


def _first_row(start: str, dialect: CsvDialect) -> list[str]:
    try:
        return next((row for row in dialect.reader(start.splitlines(keepends=True)) if any(row)), [])
    except csv.Error:
        return []


CsvRow = tuple[list[str], str]
"""The fields of a row, and the code of a problem with it as a whole; the fields are then empty."""


class _Attempt(NamedTuple):
    """What the reader made of the next lines: `fields` is None for a row that it cannot read.

    too_long: the row goes over too many lines; never_ends: it is open at the end of the file, or beyond what a value
    may have"""

    fields: list[str] | None
    problem: str = ""
    too_long: RowTooLong | None = None
    never_ends: bool = False


def _attempt(reader: Iterator[list[str]], width: int) -> _Attempt | None:
    """None behind the last row."""
    try:
        fields = next(reader)
    except StopIteration:
        return None
    except (csv.Error, RowTooLong) as error:
        never_ends = "unexpected end" in str(error) or "field larger" in str(error)
        return _Attempt(None, "broken_quotes", error if isinstance(error, RowTooLong) else None, never_ends)
    if len(fields) > width and not any(field.strip() for field in fields[width:]):
        del fields[width:]
    return _Attempt(fields, "" if len(fields) == width else "wrong_number_of_fields")


def rows_of(
    lines: BoundedRow, dialect: CsvDialect, width: int, bounds: Bounds, one_line_each: bool
) -> Iterator[CsvRow]:
    """Every row that is not blank. `one_line_each` says that no value of this kind of file has line breaks.

    Raises `FileRejected` for more rows than may be, and for a row that is too long or never ends."""
    reader = dialect.reader(lines)
    row = blank = open_quotes = 0
    while True:
        lines.begin()
        found = _attempt(reader, width)
        if found is None:
            return
        if row + blank >= bounds.rows:
            bounds.check_rows(row + blank + 1)
        if found.fields is None:
            reader = dialect.reader(lines)
        elif not any(map(str.strip, found.fields)):
            blank += 1
            continue
        row += 1
        problem = found.problem
        swallowed = _swallowed(lines.taken, found, dialect, width, one_line_each)
        if swallowed:
            lines.give_back(swallowed)
            reader = dialect.reader(lines)
            open_quotes += 1
            if open_quotes > _MOST_OPEN_QUOTES:
                raise FileRejected(
                    f"row {row}: here and in {_MOST_OPEN_QUOTES} rows before a quotation mark is opened and never "
                    "closed: double the marks within values"
                )
        elif found.too_long:
            raise bounds.line_too_long(found.too_long.line)
        if swallowed or (found.never_ends and len(lines.taken) == 1):
            problem = "open_quote"
        yield ([""] * width, problem) if problem or found.fields is None else (found.fields, "")


def _swallowed(taken: list[str], found: _Attempt, dialect: CsvDialect, width: int, one_line_each: bool) -> list[str]:
    """The lines behind an open mark that are rows of their own; none for a row that may have all of its lines."""
    if len(taken) == 1 or not (found.problem or one_line_each):
        return []
    first = _next_row(taken, dialect, width)
    if first is None and found.never_ends:
        first = 1
    return [] if first is None else taken[first:]


def _next_row(taken: list[str], dialect: CsvDialect, width: int) -> int | None:
    """The place of the first line behind the first one that is a row by itself, but for its marks.

    The first line has all separators of a row then: else what follows is the rest of a value with line breaks."""

    def is_row(line: str) -> bool:
        return dialect.width_of(line) == width or line.count(dialect.separator) == width - 1 > 0

    if taken[0].count(dialect.separator) < width - 1:
        return None
    return next((place for place in range(1, len(taken)) if is_row(taken[place])), None)
