"""The report of a refused upload, `quarantine/….json`: the refused rows, the reasons, and the remedies."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from common.schemas.documents import Upload


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ReasonCount(_Part):
    """One reason with the number of `rows` refused for it. `column` is empty if it concerns the row as a whole."""

    code: str
    column: str
    rows: int
    problem: str
    what_to_do: str


class RefusedRow(_Part):
    """A refused row. `value` is given only where it cannot name a person.

    For an unreadable value it is the shape: letters become a, digits 9."""

    row: int
    column: str
    reason: str
    value: str | None = None


class QuarantineReport(_Part):
    """The report of one upload of which rows, or the whole file, were refused.

    Rows are numbered from 1, without the header of a CSV file. `problem` is the reason for which the whole file was
    refused, None if its good rows were taken in. `file` is the key of the refused file, `rows_file` the key of a CSV
    file with every refused row; `rows` are the first of them.
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
