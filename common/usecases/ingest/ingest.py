"""Ingest: uploads under `incoming/` become deltas of the store, or are refused with a reason."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from common import logs
from common.bucket.keys import is_folder
from common.bucket.port import ObjectInfo
from common.errors import FileRejected, RefusedError, UnavailableError
from common.schemas.documents import RunRecord, StoreDocument, Upload
from common.usecases.erase.erase import finish_erasures, take_request
from common.usecases.ingest.attempts import OthersFirst, tried_before
from common.usecases.ingest.commit_batch import is_known
from common.usecases.ingest.quarantine import report_key, sweep_quarantine
from common.usecases.ingest.take_upload import Intake, is_kept, upload_of
from common.usecases.shared.context import Context
from common.usecases.shared.deadline import Deadline
from common.usecases.shared.runs import Function, start_run

_NAMED: Final = 3
"""Of many absent objects a record names so many."""

# The part of its time that an upload must have left to begin.
_ENOUGH: Final = 0.5

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


def ingest_announced(ctx: Context, uploads: Sequence[Upload], call: Deadline | None = None) -> list[RunRecord]:
    """Takes in those of `uploads`, at least one and each with another key, that are in the bucket.

    Many are found by one listing, and all that are absent share one record: a call may name thousands. `call` is when
    the call ends in which this is done.

    Returns the records. A failed upload does not stop the others: the first error is raised at the end.
    """
    if len(uploads) == 1:
        return [ingest_object(ctx, uploads[0].key, uploads[0].etag, call)]
    there = {info.key for info in ctx.bucket.list(ctx.keys.incoming)}
    gone = [upload for upload in uploads if upload.key not in there]
    each = _EachByItself()
    for key in [upload.key for upload in uploads if upload.key in there]:
        each.take(key, partial(ingest_object, ctx, key, call=call))
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


def ingest_object(ctx: Context, key: str, etag: str | None = None, call: Deadline | None = None) -> RunRecord:
    """Takes in the upload that is now at `key`, or carries out the erasure that it asks for.

    `etag` comes from the event, for the record of an upload that is absent. `call` is when the call ends in which this
    is done. If the upload has killed what took it in, all that waits behind it is taken in before it.

    Returns the record of the run, also for a refused or absent upload. Raises `UnavailableError` if a later call can
    succeed; the upload then stays.
    """
    try:
        return _ingest(ctx, key, etag, call, last=False)
    except OthersFirst:
        _take_all(ctx, [info for info in _waiting(ctx, skipped=tried_before(ctx)) if info.key != key], call)
        return _ingest(ctx, key, etag, call, last=True)


def drain(ctx: Context, call: Deadline | None = None) -> list[RunRecord]:
    """Takes in all waiting uploads, oldest first, completes interrupted erasures, and deletes expired quarantine files.

    Uploads that have killed what took them in come last. A failed upload does not stop the others: the first error is
    raised at the end. `call` is when the call ends in which this is done; what is left then waits for the next one.
    Returns the records of the runs.
    """
    tried = tried_before(ctx)
    each = _take_all(ctx, sorted(_waiting(ctx), key=lambda info: info.key in tried), call)
    sweep_quarantine(ctx)
    each.records += finish_erasures(ctx)
    return each.result()


def _ingest(ctx: Context, key: str, etag: str | None, call: Deadline | None, last: bool) -> RunRecord:
    info = ctx.bucket.head(key)
    function: Function = "erase" if key.startswith(ctx.keys.incoming_erasures) else "ingest"
    with start_run(ctx, function, upload_of(info) if info else Upload(key=key, etag=etag or "")) as run:
        if info is None:
            return run.finish(notices=[f"{key} is gone, or was ingested by an earlier call"])
        try:
            return Intake(ctx, run, _deadline(ctx, call), last).take(info)
        except (FileRejected, RefusedError) as error:
            return run.refuse(error)


def _deadline(ctx: Context, call: Deadline | None) -> Deadline:
    """The upload's own, or the call's if that is before.

    Raises `UnavailableError` if too little of it is left: an upload that the call cuts off is not at fault."""
    own = Deadline.after(ctx.settings.upload_deadline_s)
    if call is None or call.left_s >= own.seconds:
        return own
    if call.left_s < _ENOUGH * own.seconds:
        raise UnavailableError("the call has too little time left for another upload; the next call takes it in")
    return call


def _waiting(ctx: Context, skipped: Collection[str] = ()) -> list[ObjectInfo]:
    """Uploads and requests of erasures, oldest first, without those to which nothing is to be done."""
    keys = ctx.keys
    prefixes = (keys.incoming_events, keys.incoming_items, keys.incoming_erasures, keys.erasure_requests)
    found = [info for prefix in prefixes for info in ctx.bucket.list(prefix) if info.key not in skipped]
    document = ctx.store_file.read().document
    return sorted((info for info in found if not _needs_nothing(ctx, document, info)), key=lambda info: info.modified)


def _take_all(ctx: Context, waiting: Sequence[ObjectInfo], call: Deadline | None) -> _EachByItself:
    """Takes in these, as far as the call has time to begin."""
    each = _EachByItself()
    for number, info in enumerate(waiting):
        if call and call.left_s < _ENOUGH * ctx.settings.upload_deadline_s:
            logs.event(log, logging.INFO, "the rest waits for the next call", left=len(waiting) - number)
            break
        each.take(info.key, partial(_take, ctx, info, call))
    return each


def _take(ctx: Context, info: ObjectInfo, call: Deadline | None) -> RunRecord:
    if info.key.startswith(ctx.keys.erasure_requests):
        return take_request(ctx, info.key)
    return _ingest(ctx, info.key, info.etag, call, last=True)


def _needs_nothing(ctx: Context, document: StoreDocument | None, info: ObjectInfo) -> bool:
    """Whether nothing is to be done for this object.

    That is a folder marker, a committed upload that is kept for some days, or a too large upload with a report."""
    if is_folder(info.key):
        return True
    upload = upload_of(info)
    if is_known(document, upload):
        return is_kept(ctx, info)
    return info.size > ctx.settings.max_upload_bytes and ctx.bucket.head(report_key(ctx, upload)) is not None
