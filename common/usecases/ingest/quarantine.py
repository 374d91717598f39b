"""The quarantine: refused rows and files with the reasons, kept for an admin until `quarantine_days` have passed.

Of a refused row of events only data that identifies nobody is kept: its number, the column, the reason, and the shape
of the value; of a refused row of items the columns that are known. A file that is refused whole is kept unchanged,
because it could not be read or its columns are unknown, unless it shows people: of that one only the report is kept.
Whole files are the only objects in the bucket that can hold user ids for long.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Final

from pydantic import ValidationError

from common.bucket.keys import key_problem
from common.schemas.documents import Upload
from common.schemas.quarantine import QuarantineReport, ReasonCount, RefusedRow
from common.store.uploads.reasons import REASONS
from common.store.uploads.refused_rows import Refusals
from common.usecases.shared.context import Context

_TAG_LENGTH: Final = 12
_SUFFIX_LENGTH: Final = 16


def quarantine_rows(ctx: Context, upload: Upload, rows_read: int, refusals: Refusals) -> str:
    """Stores the refused rows of an upload whose good rows are taken in. Returns the key of the report."""
    return _keep(ctx, upload, problem=None, file=None, rows_read=rows_read, refusals=refusals)


def quarantine_file(
    ctx: Context, upload: Upload, file: Path | None, problem: str, rows_read: int = 0, refusals: Refusals | None = None
) -> str:
    """Stores a refused upload whole, with its refused rows if they are known. Returns the key of the report."""
    return _keep(ctx, upload, problem=problem, file=file, rows_read=rows_read, refusals=refusals)


def quarantine_personal(ctx: Context, upload: Upload, problem: str, rows_read: int) -> str:
    """Stores that an upload was refused, and nothing of what was in it. Returns the key of the report."""
    return _keep(ctx, upload, problem=problem, file=None, rows_read=rows_read, refusals=None)


def report_key(ctx: Context, upload: Upload) -> str:
    return _key(ctx, upload, ".json")


def read_report(ctx: Context, key: str) -> QuarantineReport | None:
    """Returns the report at `key`, None if there is none or it has another format."""
    blob = ctx.bucket.get(key)
    try:
        return QuarantineReport.model_validate_json(blob.data) if blob else None
    except ValidationError:
        return None


def list_reports(ctx: Context) -> list[tuple[str, QuarantineReport]]:
    """The reports with their keys, newest first; those of another format are left out."""
    infos = [info for info in ctx.bucket.list(ctx.keys.quarantine) if info.key.endswith(".json")]
    newest_first = sorted(infos, key=lambda info: info.modified, reverse=True)
    found = ((info.key, read_report(ctx, info.key)) for info in newest_first)
    return [(key, report) for key, report in found if report]


def sweep_quarantine(ctx: Context) -> list[str]:
    """Deletes the objects that are older than `quarantine_days` and returns their keys."""
    oldest = ctx.now() - timedelta(days=ctx.settings.quarantine_days)
    expired = [info.key for info in ctx.bucket.list(ctx.keys.quarantine) if info.modified < oldest]
    for key in expired:
        ctx.bucket.delete(key)
    return expired


def _keep(
    ctx: Context, upload: Upload, *, problem: str | None, file: Path | None, rows_read: int, refusals: Refusals | None
) -> str:
    file_key = rows_key = None
    if file is not None:
        file_key = _key(ctx, upload, PurePosixPath(upload.key).suffix)
        ctx.bucket.put(file_key, file)
    if refusals is not None:
        rows_key = _key(ctx, upload, ".rows.csv")
        ctx.bucket.put(rows_key, refusals.table)
    now = ctx.now()
    report = QuarantineReport(
        upload=upload,
        refused_at=now,
        problem=problem,
        file=file_key,
        rows_file=rows_key,
        rows_read=rows_read,
        rows_refused=sum(refusals.counts.values()) if refusals else 0,
        reasons=_reasons(refusals) if refusals else (),
        rows=_rows(refusals) if refusals else (),
        kept_until=now + timedelta(days=ctx.settings.quarantine_days),
    )
    ctx.bucket.put(report_key(ctx, upload), report.model_dump_json(indent=1).encode())
    return report_key(ctx, upload)


def _reasons(refusals: Refusals) -> tuple[ReasonCount, ...]:
    known = ((REASONS[code], rows) for code, rows in refusals.counts.items())
    return tuple(
        ReasonCount(code=reason.code, column=reason.column, rows=rows, problem=reason.problem, what_to_do=reason.remedy)
        for reason, rows in known
    )


def _rows(refusals: Refusals) -> tuple[RefusedRow, ...]:
    return tuple(
        RefusedRow(row=row.row, column=REASONS[row.code].column, reason=row.code, value=row.value)
        for row in refusals.first
    )


def _key(ctx: Context, upload: Upload, suffix: str) -> str:
    """The key of an object of this upload: `incoming/events/a.csv` becomes `quarantine/events/a-1f0c9a7b2d3e.csv`.

    The tag is a hash of the ETag. So one upload has one report, and another upload of the same name has another. Where
    the key would be too long for an object, a hash stands in place of the upload's name and folders."""
    path = PurePosixPath(ctx.keys.quarantined(upload.key))
    tag = hashlib.sha256(upload.etag.encode()).hexdigest()[:_TAG_LENGTH]
    key = str(path.with_name(f"{path.stem}-{tag}{suffix}"))
    if key_problem(key) is None:
        return key
    kind = upload.key.removeprefix(ctx.keys.incoming).partition("/")[0]
    name = hashlib.sha256(upload.key.encode()).hexdigest()
    return f"{ctx.keys.quarantine}{kind}/{name}-{tag}{suffix[:_SUFFIX_LENGTH]}"
