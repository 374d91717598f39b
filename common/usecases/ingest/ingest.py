"""Ingest: uploads under `incoming/` become deltas of the store, or are refused with a reason."""

from __future__ import annotations

import logging

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

log = logging.getLogger(__name__)


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
    records: list[RunRecord] = []
    errors: list[Exception] = []
    for info in sorted(waiting, key=lambda info: info.modified):
        if _needs_nothing(ctx, document, info):
            continue
        try:
            records.append(_take(ctx, info))
        except Exception as error:
            logs.event(log, logging.WARNING, "upload failed", key=info.key, error=type(error).__name__)
            errors.append(error)
    sweep_quarantine(ctx)
    records += finish_erasures(ctx)
    if errors:
        raise errors[0]
    return records


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
