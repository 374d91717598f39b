"""The lines of a CSV file, whose length is bounded before one of them is built, and which are all accounted for."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from common.errors import FileRejected
from common.store.uploads.bounds import Bounds

# Zip (and .xlsx), gzip, Parquet, PDF, .xls.
_BINARY: Final = (b"PK\x03\x04", b"\x1f\x8b", b"PAR1", b"%PDF", b"\xd0\xcf\x11\xe0")
_CHUNK_BYTES: Final = 1 << 20
_LINE_END: Final = len("\r\n")


def check_text(source: Path, bounds: Bounds) -> int:
    """Returns the number of lines. Raises `FileRejected` if the file is no text, or if a line in it is too long.

    It holds one chunk in memory. A line ends with a line feed, a carriage return, or both."""
    size = min(_CHUNK_BYTES, bounds.line_bytes)
    with source.open("rb") as file:
        chunk = file.read(size)
        if chunk.startswith(_BINARY):
            raise _no_text()
        ends, length, before = 0, 0, b""
        while chunk:
            if b"\0" in chunk:
                raise _no_text()
            first, last = _first_end(chunk), max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
            if length + first > bounds.line_bytes:
                raise bounds.line_too_long(ends + 1)
            ends += chunk.count(b"\n") + chunk.count(b"\r") - chunk.count(b"\r\n")
            ends -= before == b"\r" and chunk.startswith(b"\n")
            length = length + len(chunk) if last < 0 else len(chunk) - last - 1
            before = chunk[-1:]
            chunk = file.read(size)
    return ends + (length > 0)


def _first_end(chunk: bytes) -> int:
    """The number of bytes before the first line end. A chunk is no longer than a line may be, so others are not."""
    ends = [place for place in (chunk.find(b"\n"), chunk.find(b"\r")) if place >= 0]
    return min(ends, default=len(chunk))


def _no_text() -> FileRejected:
    return FileRejected("the file is named .csv and is not text (a workbook or an archive?): export it as CSV UTF-8")


class RowTooLong(Exception):
    """A row goes over so many lines that it is too long. `line` is the number of the last of them."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line}")
        self.line = line


class BoundedRow:
    """The lines of `text`, for `csv.reader`. A value may go over many lines, so whole rows are bounded here.

    The reader of rows calls `begin` before each row. `taken` are the lines of the row so far; those that turn out not
    to belong to it are given back. `lines` is the number of all lines that rows have taken."""

    def __init__(self, text: Iterable[str], bounds: Bounds) -> None:
        self.lines = 0
        self.taken: list[str] = []
        self._length = 0
        self._text = iter(text)
        self._again: deque[str] = deque()
        self._limit = bounds.line_bytes + _LINE_END

    def begin(self) -> None:
        self.taken = []
        self._length = 0

    def give_back(self, lines: Sequence[str]) -> None:
        """Gives back the last of the lines that the row has taken: they are read again."""
        self._again.extendleft(reversed(lines))
        self.lines -= len(lines)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        """Raises `RowTooLong` where a row is too long."""
        line = self._again.popleft() if self._again else next(self._text)
        self.lines += 1
        self.taken.append(line)
        self._length += len(line)
        if self._length > self._limit:
            raise RowTooLong(self.lines)
        return line
