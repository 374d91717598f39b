"""Ingest: uploads under `incoming/` become deltas of the store, or are refused with a reason."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from common import logs
from common.bucket.keys import is_folder
from common.bucket.port import ObjectInfo
from common.errors import FileRejected, RefusedError
from common.schemas.documents import RunRecord, StoreDocument, Upload
from common.usecases.erase.erase import finish_erasures, take_request
from common.usecases.ingest.commit_batch import is_known
from common.usecases.ingest.quarantine import report_key, sweep_quarantine
from common.usecases.ingest.take_upload import Intake, is_kept, upload_of
from common.usecases.shared.context import Context
from common.usecases.shared.runs import Function, start_run

_NAMED: Final = 3
"""Of many absent objects a record names so many."""

log = logging.getLogger(__name__)


@dataclass
class _EachByItself:
    """The records of several uploads: one that fails does not stop the others."""

    records: list[RunRecord] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    def take(self, key: str, work: Callable[[], RunRecord]) -> None:
        try:
            self.records.append(work())
        except Exception as error:
            logs.event(log, logging.WARNING, "upload failed", key=key, error=type(error).__name__)
            self.errors.append(error)

    def result(self) -> list[RunRecord]:
        """Raises the first error."""
        if self.errors:
            raise self.errors[0]
        return self.records


def ingest_announced(ctx: Context, uploads: Sequence[Upload]) -> list[RunRecord]:
    """Takes in those of `uploads`, at least one and each with another key, that are in the bucket.

    Many are found by one listing, and all that are absent share one record: a call may name thousands.

    Returns the records. A failed upload does not stop the others: the first error is raised at the end.
    """
    if len(uploads) == 1:
        return [ingest_object(ctx, uploads[0].key, uploads[0].etag)]
    there = {info.key for info in ctx.bucket.list(ctx.keys.incoming)}
    gone = [upload for upload in uploads if upload.key not in there]
    each = _EachByItself()
    for key in [upload.key for upload in uploads if upload.key in there]:
        each.take(key, partial(ingest_object, ctx, key))
    if gone:
        each.take(gone[0].key, partial(_note_gone, ctx, gone))
    return each.result()


def _note_gone(ctx: Context, uploads: Sequence[Upload]) -> RunRecord:
    if len(uploads) == 1:
        return ingest_object(ctx, uploads[0].key, uploads[0].etag)
    names = ", ".join(upload.key for upload in uploads[:_NAMED])
    with start_run(ctx, "ingest") as run:
        notice = f"{len(uploads)} objects are gone, or were ingested by an earlier call: {names}, …"
        return run.finish(counts={"objects_gone": len(uploads)}, notices=[notice])


def ingest_object(ctx: Context, key: str, etag: str | None = None) -> RunRecord:
    """Takes in the upload that is now at `key`, or carries out the erasure that it asks for.

    `etag` comes from the event, for the record of an upload that is absent.

    Returns the record of the run, also for a refused or absent upload. Raises `UnavailableError` if a later call can
    succeed; the upload then stays.
    """
    info = ctx.bucket.head(key)
    function: Function = "erase" if key.startswith(ctx.keys.incoming_erasures) else "ingest"
    with start_run(ctx, function, upload_of(info) if info else Upload(key=key, etag=etag or "")) as run:
        if info is None:
            return run.finish(notices=[f"{key} is gone, or was ingested by an earlier call"])
        try:
            return Intake(ctx, run).take(info)
        except (FileRejected, RefusedError) as error:
            return run.refuse(error)


def drain(ctx: Context) -> list[RunRecord]:
    """Takes in all waiting uploads, oldest first, completes interrupted erasures, and deletes expired quarantine files.

    A failed upload does not stop the others: the first error is raised at the end. Returns the records of the runs.
    """
    keys = ctx.keys
    prefixes = (keys.incoming_events, keys.incoming_items, keys.incoming_erasures, keys.erasure_requests)
    waiting = [info for prefix in prefixes for info in ctx.bucket.list(prefix)]
    document = ctx.store_file.read().document
    each = _EachByItself()
    for info in sorted(waiting, key=lambda info: info.modified):
        if not _needs_nothing(ctx, document, info):
            each.take(info.key, partial(_take, ctx, info))
    sweep_quarantine(ctx)
    each.records += finish_erasures(ctx)
    return each.result()


def _take(ctx: Context, info: ObjectInfo) -> RunRecord:
    if info.key.startswith(ctx.keys.erasure_requests):
        return take_request(ctx, info.key)
    return ingest_object(ctx, info.key, info.etag)


def _needs_nothing(ctx: Context, document: StoreDocument | None, info: ObjectInfo) -> bool:
    """Whether nothing is to be done for this object.

    That is a folder marker, a committed upload that is kept for some days, or a too large upload with a report."""
    if is_folder(info.key):
        return True
    upload = upload_of(info)
    if is_known(document, upload):
        return is_kept(ctx, info)
    return info.size > ctx.settings.max_upload_bytes and ctx.bucket.head(report_key(ctx, upload)) is not None
