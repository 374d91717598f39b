"""The bounds of an upload, which are looked at before anything is built from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from common.errors import FileRejected

NAME_BYTES: Final = 1_024


@dataclass(frozen=True)
class Bounds:
    """The most rows and columns of an upload, bytes of a CSV row, and bytes that the whole of it may unpack to."""

    rows: int
    columns: int
    line_bytes: int
    unpacked_bytes: int

    def check_rows(self, rows: int) -> None:
        """Raises `FileRejected` for more rows than may be."""
        if rows > self.rows:
            raise FileRejected(f"it has {rows} rows; the most is {self.rows} (RECSYS_MAX_UPLOAD_ROWS): split it")

    def check_columns(self, columns: int) -> None:
        """Raises `FileRejected` for more columns than may be."""
        if columns > self.columns:
            raise FileRejected(
                f"it has {columns} columns; the most is {self.columns} (RECSYS_MAX_UPLOAD_COLUMNS): export those that "
                "are needed"
            )

    def check_name(self, length: int) -> None:
        """Raises `FileRejected` for a column whose name has more bytes than may be. The name itself is not quoted."""
        if length > NAME_BYTES:
            raise FileRejected(f"a column's name has {length} bytes; the most is {NAME_BYTES}: shorten it")

    def check_unpacked(self, size: int) -> None:
        """Raises `FileRejected` for a file whose columns unpack to more bytes than may be."""
        if size > self.unpacked_bytes:
            raise FileRejected(
                f"it unpacks to {size} bytes; the most is {self.unpacked_bytes} (RECSYS_MAX_UNPACKED_BYTES): split it"
            )

    def line_too_long(self, line: int) -> FileRejected:
        """The refusal of a file for one of its lines, from 1 with the header."""
        return FileRejected(
            f"line {line}: the row that begins here or before has over {self.line_bytes} bytes "
            "(RECSYS_MAX_LINE_BYTES): end each row with a line break, and close every quotation mark"
        )
