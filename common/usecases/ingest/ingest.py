"""Ingest: uploads under `incoming/` become deltas of the store, or are refused with a reason."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from common import logs
from common.bucket.keys import is_no_upload
from common.bucket.port import ObjectInfo
from common.errors import FileRejected, RefusedError, UnavailableError
from common.schemas.documents import RunRecord, Upload
from common.usecases.erase.erase import finish_erasures, take_request
from common.usecases.ingest.attempts import OthersFirst
from common.usecases.ingest.attempts_together import forget_marks, tried_before
from common.usecases.ingest.quarantine import sweep_quarantine
from common.usecases.ingest.take_together import Taken, take_together
from common.usecases.ingest.take_upload import Intake, upload_of
from common.usecases.ingest.waiting import around, first_together, is_small, taken_alone, waiting_for_ingest
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

    def take_all(self, key: str, work: Callable[[], Taken]) -> Taken:
        """As `take`, of several uploads from `key` on. Nothing of it is left to do if it fails."""
        try:
            taken = work()
        except Exception as error:
            logs.event(log, logging.WARNING, "uploads failed", key=key, error=type(error).__name__)
            self.errors.append(error)
            return Taken()
        self.records += taken.records
        return taken

    def result(self) -> list[RunRecord]:
        """Raises the first error."""
        if self.errors:
            raise self.errors[0]
        return self.records


def ingest_announced(ctx: Context, uploads: Sequence[Upload], call: Deadline | None = None) -> list[RunRecord]:
    """Takes in those of `uploads`, at least one and each with another key, that are in the bucket.

    Small ones are taken in together, as far as they follow each other; with a single one, others that wait before and
    behind it. Many are found by one listing, and all that are absent share one record: a call may name thousands.
    `call` is when the call ends in which this is done.

    Returns the records. A failed upload does not stop the others: the first error is raised at the end.
    """
    if len(uploads) == 1:
        return _ingest_one(ctx, uploads[0], call)
    there = {info.key: info for info in ctx.bucket.list(ctx.keys.incoming)}
    gone = [upload for upload in uploads if upload.key not in there]
    found = [there[upload.key] for upload in uploads if upload.key in there]
    apart = taken_alone(ctx, found) if sum(is_small(ctx, info) for info in found) > 1 else set(there)
    each = _take_each(ctx, found, call, apart, lambda info: ingest_object(ctx, info.key, call=call))
    if gone:
        each.take(gone[0].key, partial(_note_gone, ctx, gone))
    return each.result()


def _ingest_one(ctx: Context, upload: Upload, call: Deadline | None) -> list[RunRecord]:
    info = ctx.bucket.head(upload.key)
    together = around(ctx, info) if info else ()
    if info is None or len(together) < 2:
        return [_ingest_first_others(ctx, upload.key, upload.etag, call, info)]
    taken = take_together(ctx, together, _deadline(ctx, call))
    left = {other.key for other in (*taken.alone, *taken.later)}
    own = [ingest_object(ctx, upload.key, upload.etag, call)] if upload.key in left else []
    return [*taken.records, *own]


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
    return _ingest_first_others(ctx, key, etag, call, ctx.bucket.head(key))


def _ingest_first_others(
    ctx: Context, key: str, etag: str | None, call: Deadline | None, info: ObjectInfo | None
) -> RunRecord:
    try:
        return _ingest(ctx, key, etag, call, info, last=False)
    except OthersFirst:
        others = [other for other in waiting_for_ingest(ctx, skipped=tried_before(ctx)) if other.key != key]
        _take_all(ctx, others, call, taken_alone(ctx, others))
        return _ingest(ctx, key, etag, call, ctx.bucket.head(key), last=True)


def drain(ctx: Context, call: Deadline | None = None) -> list[RunRecord]:
    """Takes in all waiting uploads, oldest first, completes interrupted erasures, and deletes expired quarantine files.

    Uploads that have killed what took them in come last. A failed upload does not stop the others: the first error is
    raised at the end. `call` is when the call ends in which this is done; what is left then waits for the next one.
    Returns the records of the runs.
    """
    tried = tried_before(ctx)
    waiting = sorted(waiting_for_ingest(ctx), key=lambda info: info.key in tried)
    each = _take_all(ctx, waiting, call, tried | taken_alone(ctx, waiting))
    if tried:
        forget_marks(ctx)
    sweep_quarantine(ctx)
    each.records += finish_erasures(ctx)
    return each.result()


def _ingest(
    ctx: Context, key: str, etag: str | None, call: Deadline | None, info: ObjectInfo | None, last: bool
) -> RunRecord:
    function: Function = "erase" if key.startswith(ctx.keys.incoming_erasures) else "ingest"
    upload = upload_of(info) if info else Upload(key=key, etag=etag or "")
    with start_run(ctx, function, upload, at_once=False) as run:
        if info is None:
            return run.finish(notices=[f"{key} is gone, or was ingested by an earlier call"])
        if is_no_upload(key):
            return run.finish(notices=[f"{key} is no upload, and was left where it is"])
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


def _take_all(
    ctx: Context, waiting: Sequence[ObjectInfo], call: Deadline | None, apart: Collection[str]
) -> _EachByItself:
    """Takes in these, as far as the call has time to begin; those whose keys are `apart` one by one."""
    return _take_each(ctx, waiting, call, apart, partial(_take, ctx, call), may_end=True)


def _take_each(
    ctx: Context,
    waiting: Sequence[ObjectInfo],
    call: Deadline | None,
    apart: Collection[str],
    alone: Callable[[ObjectInfo], RunRecord],
    may_end: bool = False,
) -> _EachByItself:
    """Takes in these: small ones that follow each other together, others and those that are `apart` by `alone`.

    Where it `may_end`, it does when the call has too little time to begin another one."""
    each, apart = _EachByItself(), set(apart)
    while waiting:
        if may_end and call and call.left_s < _ENOUGH * ctx.settings.upload_deadline_s:
            logs.event(log, logging.INFO, "the rest waits for the next call", left=len(waiting))
            break
        together = first_together(ctx, waiting, apart)
        if len(together) < 2:
            each.take(waiting[0].key, partial(alone, waiting[0]))
            waiting = waiting[1:]
            continue
        taken = each.take_all(together[0].key, lambda: take_together(ctx, together, _deadline(ctx, call)))  # noqa: B023
        apart |= {info.key for info in taken.alone}
        waiting = [*taken.alone, *taken.later, *waiting[len(together) :]]
    return each


def _take(ctx: Context, call: Deadline | None, info: ObjectInfo) -> RunRecord:
    if info.key.startswith(ctx.keys.erasure_requests):
        return take_request(ctx, info.key)
    return _ingest(ctx, info.key, info.etag, call, ctx.bucket.head(info.key), last=True)
