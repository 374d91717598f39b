"""The intake of one upload.

The steps are: fetch it, read it into a draft, put refused rows into the quarantine, commit the delta, delete the
upload. If the process dies in between, the upload stays. The next call finds it in the store's document if it was
committed, and repeats all steps otherwise.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from common.bucket.port import ObjectInfo
from common.errors import FileRejected, RefusedError
from common.schemas.documents import FileRef, RunRecord, Upload
from common.store.uploads.batch import Batch, event_batch
from common.store.uploads.columns import ERASURES, EVENTS, ITEMS
from common.store.uploads.draft import Draft, ReadOptions
from common.store.uploads.erasure_list import people_of, read_erasures
from common.store.uploads.events import read_events
from common.store.uploads.files import prepare
from common.store.uploads.items import item_batch, read_items
from common.store.uploads.refused_rows import Refusals, refusals_of
from common.usecases.erase.erase import erase_people
from common.usecases.ingest.commit_batch import BatchCommit, is_known
from common.usecases.ingest.quarantine import quarantine_file, quarantine_rows
from common.usecases.shared.context import Context
from common.usecases.shared.runs import RunLog
from common.usecases.shared.workspace import workspace


def upload_of(info: ObjectInfo) -> Upload:
    return Upload(key=info.key, etag=info.etag, modified=info.modified)


@dataclass(frozen=True)
class Intake:
    """The intake of uploads in one run."""

    ctx: Context
    run: RunLog

    def take(self, info: ObjectInfo) -> RunRecord:
        """Takes in the upload and returns the record of the run.

        Raises `FileRejected` if the upload was moved to the quarantine, `RefusedError` if it was left where it is.
        """
        self._check_place(info)
        if is_known(self.ctx.store_file.read().document, upload_of(info)):
            return self._already_in(info)
        self._check_size(info)
        self.run.step("fetch")
        with workspace(self.ctx) as work:
            path = work / "upload"
            fetched = self.ctx.bucket.fetch(info.key, path)
            if fetched is None:
                return self.run.finish(notices=[f"{info.key} is gone: another call was faster"])
            draft = self._read(fetched, path, work)
            if self._names_people(info):
                return self._erase(fetched, draft, work)
            with self._batch(fetched, draft, work) as batch:
                return self._commit(fetched, batch)

    def _read(self, info: ObjectInfo, path: Path, work: Path) -> Draft:
        """Reads the upload into a draft and stores its refused rows in the quarantine."""
        self.run.step("read")
        settings = self.ctx.settings
        rows_read, refusals = 0, None
        try:
            draft = self._draft(info, path, work)
            rows_read, refusals = draft.rows_read, refusals_of(draft, work, settings.ingest_memory_bytes)
            self._tell(draft, refusals)
            if draft.rows_refused > settings.max_bad_rows * draft.rows_read:
                raise FileRejected(
                    f"{draft.rows_refused} of {draft.rows_read} rows are bad, which is more than "
                    f"{settings.max_bad_rows:.0%} (RECSYS_MAX_BAD_ROWS)"
                )
        except FileRejected as error:
            report = quarantine_file(self.ctx, upload_of(info), path, error.message, rows_read, refusals)
            self.run.note(details={"quarantine": report})
            _delete(self.ctx, info)
            raise FileRejected(f"{info.key}: {error.message}. It is in the quarantine, see {report}") from None
        if refusals:
            self.run.note(details={"quarantine": quarantine_rows(self.ctx, upload_of(info), rows_read, refusals)})
        return draft

    def _draft(self, info: ObjectInfo, path: Path, work: Path) -> Draft:
        options = ReadOptions(
            pseudonymizer=self.ctx.shop.pseudonymizer,
            now=max(self.ctx.now(), info.modified),  # by a clock that is behind, good rows would be of the future
            memory_bytes=self.ctx.settings.ingest_memory_bytes,
        )
        if self._names_people(info):
            return read_erasures(prepare(path, info.key, ERASURES), work, options)
        if self._holds_events(info):
            return read_events(prepare(path, info.key, EVENTS), work, options)
        return read_items(prepare(path, info.key, ITEMS), work, options)

    def _batch(self, info: ObjectInfo, draft: Draft, work: Path) -> AbstractContextManager[Batch]:
        self.run.step("check")
        memory = self.ctx.settings.ingest_memory_bytes
        if self._holds_events(info):
            return event_batch(draft, work, memory)
        return item_batch(draft, work, info.modified, memory)

    def _commit(self, info: ObjectInfo, batch: Batch) -> RunRecord:
        stored = self.ctx.store_file.read().document
        notices = batch.notices_beside(stored.segments if stored else (), self._path_of)
        self.run.step("commit")
        batch_commit = BatchCommit(self.ctx, upload_of(info), batch)
        batch_commit.carry_out()
        if batch_commit.known:
            return self._already_in(info)
        segment = batch_commit.segment
        kept = segment.events + segment.items if segment else 0
        erased = batch_commit.erased
        if erased:
            refused = self.run.record.counts["rows_refused"] + erased
            self.run.note(counts={"rows_refused": refused}, reasons={"user_erased": erased})
            _forget(self.ctx, info)
        else:
            delete_unless_kept(self.ctx, info)
        return self.run.finish(
            counts={"rows_kept": kept, "rows_repeated": batch.rows - erased - kept},
            notices=(*batch.notices, *notices),
        )

    def _erase(self, info: ObjectInfo, draft: Draft, work: Path) -> RunRecord:
        """Erases the named people. The upload holds their user ids, so it is deleted as soon as all is done."""
        people = people_of(draft, work, self.ctx.settings.ingest_memory_bytes)
        if len(people):
            erase_people(self.ctx, self.run, people, info.modified)
        _forget(self.ctx, info)
        return self.run.finish(notices=() if len(people) else ("the file names nobody",))

    def _already_in(self, info: ObjectInfo) -> RunRecord:
        delete_unless_kept(self.ctx, info)
        return self.run.finish(notices=[f"{info.key} was ingested already"])

    def _tell(self, draft: Draft, refusals: Refusals | None) -> None:
        counts = {"rows_read": draft.rows_read, "rows_refused": draft.rows_refused}
        notices = () if draft.rows_read else ("the file has no rows",)
        self.run.note(counts=counts, reasons=refusals.counts if refusals else {}, notices=notices)

    def _holds_events(self, info: ObjectInfo) -> bool:
        return info.key.startswith(self.ctx.keys.incoming_events)

    def _names_people(self, info: ObjectInfo) -> bool:
        return info.key.startswith(self.ctx.keys.incoming_erasures)

    def _check_place(self, info: ObjectInfo) -> None:
        keys = self.ctx.keys
        if not info.key.startswith((keys.incoming_events, keys.incoming_items, keys.incoming_erasures)):
            raise RefusedError(
                f"{info.key} was left where it is: events go under {keys.incoming_events}, items under "
                f"{keys.incoming_items}, people to be erased under {keys.incoming_erasures}"
            )

    def _check_size(self, info: ObjectInfo) -> None:
        limit = self.ctx.settings.max_upload_bytes
        if info.size > limit:
            problem = f"it has {info.size} bytes and RECSYS_MAX_UPLOAD_BYTES is {limit}: split it and delete this one"
            report = quarantine_file(self.ctx, upload_of(info), None, problem)
            raise RefusedError(f"{info.key} was left where it is: {problem} ({report})")

    def _path_of(self, ref: FileRef) -> Path:
        return self.ctx.cache.fetch(self.ctx.bucket, ref)


def delete_unless_kept(ctx: Context, info: ObjectInfo) -> None:
    """Deletes a committed upload, unless it is kept for some days."""
    if not is_kept(ctx, info):
        _delete(ctx, info)


def is_kept(ctx: Context, info: ObjectInfo) -> bool:
    """Whether a committed upload is still kept (`keep_uploads_days`)."""
    days = ctx.settings.keep_uploads_days
    return days > 0 and ctx.now() - info.modified < timedelta(days=days)


def _forget(ctx: Context, info: ObjectInfo) -> None:
    """Deletes an upload that names erased people, and all of its versions, regardless of `keep_uploads_days`."""
    _delete(ctx, info)
    ctx.bucket.purge_versions(info.key)


def _delete(ctx: Context, info: ObjectInfo) -> None:
    """Deletes the upload, unless a newer one is at its key.

    Object stores have no conditional delete, so an upload that arrives in the milliseconds between the two calls is
    lost. Admins are therefore told to upload under new names."""
    now_there = ctx.bucket.head(info.key)
    if now_there and now_there.etag == info.etag:
        ctx.bucket.delete(info.key)
