"""The intake of one upload.

The steps are: fetch it, read it into a draft, put refused rows into the quarantine, commit the delta, delete the
upload. If the process dies in between, the upload stays. The next call finds it in the store's document if it was
committed, and repeats all steps otherwise.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, NoReturn

from common.bucket.port import ObjectInfo
from common.errors import FileRejected, ReaderDied, RefusedError, UnavailableError
from common.schemas.documents import FileRef, RunRecord, Upload
from common.store.uploads.batch import Batch, ItemBatch, event_batch
from common.store.uploads.bounds import Bounds
from common.store.uploads.erasure_list import people_of
from common.store.uploads.personal import PersonalJob, Traces, traces_of_bytes
from common.store.uploads.reader import read_apart, start_reading_process, traces_apart
from common.store.uploads.reading import Contents, ReadJob, ReadUpload
from common.store.uploads.settle import Settled
from common.usecases.erase.erase import erase_people
from common.usecases.ingest.attempts import MAX_DEATHS, Attempts, counted
from common.usecases.ingest.commit_batch import BatchCommit, is_known
from common.usecases.ingest.quarantine import quarantine_file, quarantine_personal, quarantine_rows
from common.usecases.shared.context import Context
from common.usecases.shared.deadline import Deadline
from common.usecases.shared.runs import RunLog
from common.usecases.shared.workspace import workspace

SMALL_BYTES: Final = 64 << 10
"""The most bytes of an upload that is taken in with others, and whose steps are too short to be shown all."""

LOOKING_S: Final = 60.0
"""Seconds in which a refused upload is searched for people."""

# The part of an upload's time that reading may take; the rest is for the commit.
READING: Final = 0.8


def upload_of(info: ObjectInfo) -> Upload:
    return Upload(key=info.key, etag=info.etag, modified=info.modified)


@dataclass(frozen=True)
class Intake:
    """The intake of an upload in one run, until `deadline`. `last` says that no other upload waits behind it."""

    ctx: Context
    run: RunLog
    deadline: Deadline
    last: bool = True

    def take(self, info: ObjectInfo) -> RunRecord:
        """Takes in the upload and returns the record of the run.

        Raises `FileRejected` if the upload was moved to the quarantine, `RefusedError` if it was left where it is,
        `ReaderDied` if it killed what read it, and `OthersFirst` if it did so before and is not the last.
        """
        self._check_place(info)
        if is_known(self.ctx.store_file.read().document, upload_of(info)):
            return self.already_in(info)
        self._check_size(info)
        attempts = Attempts(self.ctx, upload_of(info), self.run.record.run_id)
        with counted(attempts, self.last):
            return self._take(info, attempts.deaths)

    def _take(self, info: ObjectInfo, deaths: tuple[str, ...]) -> RunRecord:
        start_reading_process()
        self.run.step("fetch")
        with workspace(self.ctx) as work:
            path = work / "upload"
            fetched = self.deadline.held(lambda: self.ctx.bucket.fetch(info.key, path), f"fetching {info.key}")
            if fetched is None:
                return self.run.finish(notices=[f"{info.key} is gone: another call was faster"])
            if len(deaths) >= MAX_DEATHS and fetched.etag == info.etag:
                self._refuse(fetched, path, _killed_the_reader(deaths), ReadUpload())
            found = self._read(fetched, path, work)
            if found.people is not None:
                return self._erase(fetched, found.people, work)
            assert found.settled is not None
            with self._batch(found.settled, fetched, work) as batch:
                return self._commit(fetched, batch)

    def _read(self, info: ObjectInfo, path: Path, work: Path) -> ReadUpload:
        """Reads the upload in another process, and stores its refused rows in the quarantine."""
        self.run.step("read")
        try:
            found, peak_bytes = read_apart(self.job(info, path, work), READING * self.deadline.left_s)
        except FileRejected as error:
            self.run.note(details={"reader_peak_bytes": error.details.get("peak_bytes", 0)})
            self._refuse(info, path, error.message, ReadUpload())
        self.run.note(details={"reader_peak_bytes": peak_bytes})
        self.tell(found)
        if found.rejected:
            self._refuse(info, path, found.rejected, found)
        self.keep_refused_rows(info, found)
        return found

    def keep_refused_rows(self, info: ObjectInfo, found: ReadUpload) -> None:
        """Stores the refused rows of the upload, if there are any, in the quarantine."""
        if found.refusals:
            report = quarantine_rows(self.ctx, upload_of(info), found.rows_read, found.refusals)
            self.run.note(details={"quarantine": report})

    def _refuse(self, info: ObjectInfo, path: Path, problem: str, found: ReadUpload) -> NoReturn:
        raise self.refused(info, path, problem, found)

    def refused(self, info: ObjectInfo, path: Path, problem: str, found: ReadUpload) -> FileRejected:
        """Moves the upload to the quarantine, or deletes it if it shows people. Returns the error that says so."""
        traces = self._traces(info, path)
        if traces:
            problem = f"{problem}. {traces.told()}"
            report = quarantine_personal(self.ctx, upload_of(info), problem, found.rows_read or traces.rows)
            _forget(self.ctx, info)
            where = f"See {report}"
        else:
            report = quarantine_file(self.ctx, upload_of(info), path, problem, found.rows_read, found.refusals)
            _delete(self.ctx, info)
            where = f"It is in the quarantine, see {report}"
        self.run.note(details={"quarantine": report})
        return FileRejected(f"{info.key}: {problem}. {where}")

    def _traces(self, info: ObjectInfo, path: Path) -> Traces:
        """What the upload shows of people. If looking for it fails, its bytes are looked at as they are."""
        settings = self.ctx.settings
        job = PersonalJob(path, info.key, path.parent, settings.ingest_memory_bytes, self._bounds())
        try:
            return traces_apart(job, min(LOOKING_S, self.deadline.left_s))
        except (FileRejected, ReaderDied, UnavailableError):
            return traces_of_bytes(path)

    def _bounds(self) -> Bounds:
        settings = self.ctx.settings
        return Bounds(
            settings.max_upload_rows, settings.max_upload_columns, settings.max_line_bytes, settings.max_unpacked_bytes
        )

    def job(self, info: ObjectInfo, path: Path, work: Path) -> ReadJob:
        settings = self.ctx.settings
        return ReadJob(
            path=path,
            name=info.key,
            contents=self.contents(info),
            work=work,
            modified=info.modified,
            now=max(self.ctx.now(), info.modified),  # by a clock that is behind, good rows would be of the future
            pseudonym_key=settings.pseudonym_key.get_secret_value(),
            memory_bytes=settings.ingest_memory_bytes,
            max_bad_rows=settings.max_bad_rows,
            bounds=self._bounds(),
            timezone=settings.timezone,
        )

    def _batch(self, settled: Settled, info: ObjectInfo, work: Path) -> AbstractContextManager[Batch]:
        self.run.step("check", show=info.size > SMALL_BYTES)
        if self.contents(info) == "items":
            return nullcontext(ItemBatch(settled))
        return event_batch(settled, work, self.ctx.settings.ingest_memory_bytes, self.deadline.left_s)

    def _commit(self, info: ObjectInfo, batch: Batch) -> RunRecord:
        stored = self.ctx.store_file.read().document
        notices = batch.notices_beside(stored.segments if stored else (), self._path_of)
        self.run.step("commit")
        batch_commit = BatchCommit(self.ctx, upload_of(info), batch)
        batch_commit.carry_out(self.deadline)
        if batch_commit.known:
            return self.already_in(info)
        segment = batch_commit.segment
        kept = segment.events + segment.items if segment else 0
        return self.committed(info, batch.rows, kept, batch_commit.erased, (*batch.notices, *notices))

    def committed(self, info: ObjectInfo, rows: int, kept: int, erased: int, notices: tuple[str, ...]) -> RunRecord:
        """Deletes the upload, whose good rows are in the store now: of all `rows` those that are new are `kept`, and
        those of erased people are left out. Returns the record of the run."""
        if erased:
            refused = self.run.record.counts["rows_refused"] + erased
            self.run.note(counts={"rows_refused": refused}, reasons={"user_erased": erased})
            _forget(self.ctx, info)
        else:
            delete_unless_kept(self.ctx, info)
        return self.run.finish(
            counts={"rows_kept": kept, "rows_repeated": rows - erased - kept},
            notices=notices,
        )

    def _erase(self, info: ObjectInfo, people_file: Path, work: Path) -> RunRecord:
        """Erases the named people. The upload holds their user ids, so it is deleted as soon as all is done."""
        people = people_of(people_file, work, self.ctx.settings.ingest_memory_bytes)
        if len(people):
            erase_people(self.ctx, self.run, people, info.modified)
        _forget(self.ctx, info)
        return self.run.finish(notices=() if len(people) else ("the file names nobody",))

    def already_in(self, info: ObjectInfo) -> RunRecord:
        """Deletes the upload, which the store holds. Returns the record of the run."""
        delete_unless_kept(self.ctx, info)
        self.ctx.bucket.delete(self.ctx.keys.attempts_at(info.key))
        return self.run.finish(notices=[f"{info.key} was ingested already"])

    def tell(self, found: ReadUpload) -> None:
        """Notes in the run what the upload holds."""
        if found.rejected and not found.rows_read:
            return
        counts = {"rows_read": found.rows_read, "rows_refused": found.rows_refused}
        notices = () if found.rows_read else ("the file has no rows",)
        self.run.note(counts=counts, reasons=found.refusals.counts if found.refusals else {}, notices=notices)

    def contents(self, info: ObjectInfo) -> Contents:
        if info.key.startswith(self.ctx.keys.incoming_events):
            return "events"
        return "erasures" if info.key.startswith(self.ctx.keys.incoming_erasures) else "items"

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


def _killed_the_reader(deaths: tuple[str, ...]) -> str:
    return (
        f"killed the reader: {len(deaths)} tries to take it in died ({'; '.join(sorted(set(deaths)))}). "
        "Export it anew, or split it"
    )


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
