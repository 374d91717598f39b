"""The lines of a CSV file, whose length is bounded before one of them is built."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from common.errors import FileRejected
from common.store.uploads.bounds import Bounds

# Zip (and .xlsx), gzip, Parquet, PDF, .xls.
_BINARY: Final = (b"PK\x03\x04", b"\x1f\x8b", b"PAR1", b"%PDF", b"\xd0\xcf\x11\xe0")
_CHUNK_BYTES: Final = 1 << 20
_LINE_END: Final = len("\r\n")
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")


def check_text(source: Path, bounds: Bounds) -> None:
    """Raises `FileRejected` if the file is no text, or if a line in it is too long. It holds one chunk in memory."""
    size = min(_CHUNK_BYTES, bounds.line_bytes)
    with source.open("rb") as file:
        chunk = file.read(size)
        if chunk.startswith(_UTF_16):
            raise FileRejected("the file is UTF-16 text: save it as CSV UTF-8")
        if chunk.startswith(_BINARY):
            raise _no_text()
        line, length = 1, 0
        while chunk:
            if b"\0" in chunk:
                raise _no_text()
            first, last = _first_end(chunk), max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
            if length + first > bounds.line_bytes:
                raise bounds.line_too_long(line)
            line += chunk.count(b"\n")
            length = length + len(chunk) if last < 0 else len(chunk) - last - 1
            chunk = file.read(size)


def _first_end(chunk: bytes) -> int:
    """The number of bytes before the first line end. A chunk is no longer than a line may be, so others are not."""
    ends = [place for place in (chunk.find(b"\n"), chunk.find(b"\r")) if place >= 0]
    return min(ends, default=len(chunk))


def _no_text() -> FileRejected:
    return FileRejected("the file is named .csv and is not text (a workbook or an archive?): export it as CSV UTF-8")


class BoundedRow:
    """The lines of `text`, for `csv.reader`. A value may go over many lines, so whole rows are bounded here.

    The reader of rows sets `length` to 0 before each row."""

    def __init__(self, text: Iterable[str], bounds: Bounds) -> None:
        self.length = 0
        self._text = text
        self._bounds = bounds

    def __iter__(self) -> Iterator[str]:
        """Raises `FileRejected` where a row is too long."""
        limit = self._bounds.line_bytes + _LINE_END
        for number, line in enumerate(self._text, start=1):
            self.length += len(line)
            if self.length > limit:
                raise self._bounds.line_too_long(number)
            yield line
