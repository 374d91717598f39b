"""`quarantine/….json`: what was refused of an upload, why, and what to do."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from common.schemas.documents import Upload


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ReasonCount(_Part):
    """`rows` rows were refused for this. `column` is empty where the row as a whole is wrong."""

    code: str
    column: str
    rows: int
    problem: str
    what_to_do: str


class RefusedRow(_Part):
    """`value` is shown where it can name nobody. Of an unreadable one it is the shape: letters as a, digits as 9."""

    row: int
    column: str
    reason: str
    value: str | None = None


class QuarantineReport(_Part):
    """Rows count from 1; the header line of a CSV file is not counted.

    `problem` says why the whole file was refused, and is None if its good rows were taken in. `file` is the key of the
    refused file, `rows_file` that of a CSV with every refused row; `rows` shows the first of them.
    """

    format_version: Literal[1] = 1
    upload: Upload
    refused_at: datetime
    problem: str | None
    file: str | None = None
    rows_file: str | None = None
    rows_read: int = 0
    rows_refused: int = 0
    reasons: tuple[ReasonCount, ...] = ()
    rows: tuple[RefusedRow, ...] = ()
    kept_until: datetime
