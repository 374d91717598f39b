"""The intake of several small uploads that wait: read together, and committed to the store at once.

Each upload has everything that it has alone: its account, its quarantine, its run, its deletion after the commit. The
steps are those of `take_upload`, each for all of them; if the process dies in between, the uploads stay. If what reads
them dies or reaches a limit, none is at fault yet: all are then to be taken in one by one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from common import logs
from common.bucket.at_once import each_at_once
from common.bucket.port import ObjectInfo
from common.errors import FileRejected, ReaderDied, UnavailableError
from common.schemas.documents import RunRecord, RunState
from common.store.uploads.batch import replaced_rows
from common.store.uploads.batch_together import batch_together
from common.store.uploads.reader import read_together_apart, start_reading_process
from common.store.uploads.reading import ReadUpload
from common.store.uploads.reading_together import ReadTogether, TogetherJob
from common.usecases.ingest.attempts_together import marked
from common.usecases.ingest.commit_together import TogetherCommit
from common.usecases.ingest.take_upload import READING, SMALL_BYTES, Intake, upload_of
from common.usecases.shared.context import Context
from common.usecases.shared.deadline import Deadline
from common.usecases.shared.runs import RunLog, note_last_runs, start_runs
from common.usecases.shared.workspace import workspace

MOST_SECONDS: Final = 10.0
"""After so long no further upload is fetched, from a store that is slow: an erasure may wait for the commit."""

log = logging.getLogger(__name__)


@dataclass
class Taken:
    """What became of the uploads: the records of those that are done, those to take in one by one, and those that
    wait for the next commit."""

    records: list[RunRecord] = field(default_factory=list)
    alone: Sequence[ObjectInfo] = ()
    later: Sequence[ObjectInfo] = ()


@dataclass(frozen=True)
class _Member:
    """An upload on its way, with the object as it was fetched to `path` in the directory `work`."""

    place: int
    run: RunLog
    info: ObjectInfo
    work: Path
    path: Path


def take_together(ctx: Context, uploads: Sequence[ObjectInfo], deadline: Deadline) -> Taken:
    """Takes in the uploads, which `first_together` has chosen.

    Raises `UnavailableError` if a later call can succeed; the uploads then stay."""
    runs = start_runs(ctx, "ingest", [upload_of(info) for info in uploads])
    try:
        with marked(ctx, [upload_of(info) for info in uploads], runs[0].record.run_id), workspace(ctx) as work:
            taken = _Together(ctx, deadline, work).take(uploads, runs)
    except (FileRejected, ReaderDied) as error:
        logs.event(log, logging.WARNING, "uploads are taken in one by one", uploads=len(uploads), detail=error.message)
        return Taken(alone=uploads)
    except Exception as error:
        _fail(ctx, runs, error)
        raise
    note_last_runs(ctx, taken.records)
    return taken


def _fail(ctx: Context, runs: Sequence[RunLog], error: Exception) -> None:
    """Records the error for all in the first of `runs`: if the store does not answer, each write takes its time."""
    if runs[0].record.state is not RunState.RUNNING:
        return
    runs[0].note(notices=[f"uploads that were to be taken in together: {len(runs)}"])
    with suppress(type(error)), runs[0]:
        raise error
    note_last_runs(ctx, [runs[0].record])


@dataclass(frozen=True)
class _Together:
    ctx: Context
    deadline: Deadline
    work: Path

    def take(self, uploads: Sequence[ObjectInfo], runs: Sequence[RunLog]) -> Taken:
        start_reading_process()
        members, gone, failed = self._fetched(uploads, runs)
        beyond = uploads[len(members) + len(gone) + len(failed) :]
        if not members:
            return Taken(gone, failed, beyond)
        read, peak_bytes = self._read(members)
        found = list(zip(members, read.uploads, strict=False))
        for member, upload in found:
            if upload:
                member.run.note(details={"reader_peak_bytes": peak_bytes})
        refused = [(member, upload) for member, upload in found if upload and upload.rejected]
        good = [(member, upload) for member, upload in found if upload and not upload.rejected]
        records = [*gone, *each_at_once(self.ctx.bucket, self._refuse, refused)]
        each_at_once(self.ctx.bucket, self._tell, good)
        if good:
            records += self._commit(good, read)
        alone = [member.info for member, upload in found if upload is None]
        return Taken(records, [*alone, *failed], [*(member.info for member in members[len(found) :]), *beyond])

    def _fetched(
        self, uploads: Sequence[ObjectInfo], runs: Sequence[RunLog]
    ) -> tuple[list[_Member], list[RunRecord], list[ObjectInfo]]:
        """The uploads that are there, the records of those that are gone, and those that could not be fetched: the
        first ones, as far as time allows.

        Raises `UnavailableError` where none could be fetched: the store is away."""
        until = time.monotonic() + MOST_SECONDS
        _step(runs, "fetch")

        def fetch(numbered: tuple[int, ObjectInfo]) -> ObjectInfo | UnavailableError | None:
            number, info = numbered
            folder = self.work / str(number)
            if number and time.monotonic() > until:
                return None
            folder.mkdir()
            try:
                return self.ctx.bucket.fetch(info.key, folder / "upload")
            except UnavailableError as error:
                return error

        fetched = self.deadline.held(
            lambda: each_at_once(self.ctx.bucket, fetch, enumerate(uploads)), f"fetching {len(uploads)} uploads"
        )
        errors = [info for info in fetched if isinstance(info, UnavailableError)]
        if errors and not any(isinstance(info, ObjectInfo) for info in fetched):
            raise errors[0]
        if any(isinstance(info, ObjectInfo) and info.size > SMALL_BYTES for info in fetched):
            raise FileRejected("a large upload has come in the place of a small one")
        members: list[_Member] = []
        records: list[RunRecord] = []
        failed: list[ObjectInfo] = []
        for number, (run, info) in enumerate(zip(runs, fetched, strict=True)):
            folder = self.work / str(number)
            if not folder.exists():
                break
            if info is None:
                records.append(_end(run, notices=[f"{uploads[number].key} is gone: another call was faster"]))
            elif isinstance(info, UnavailableError):
                failed.append(uploads[number])
            else:
                members.append(_Member(len(members), run, info, folder, folder / "upload"))
        return members, records, failed

    def _read(self, members: Sequence[_Member]) -> tuple[ReadTogether, int]:
        _step([member.run for member in members], "read")
        intakes = [Intake(self.ctx, member.run, self.deadline) for member in members]
        jobs = [
            intake.job(member.info, member.path, member.work) for intake, member in zip(intakes, members, strict=True)
        ]
        return read_together_apart(TogetherJob(tuple(jobs), self.work), READING * self.deadline.left_s)

    def _refuse(self, refused: tuple[_Member, ReadUpload]) -> RunRecord:
        member, upload = refused
        intake = Intake(self.ctx, member.run, self.deadline)
        with member.run:
            intake.tell(upload)
            return member.run.refuse(intake.refused(member.info, member.path, upload.rejected, upload))

    def _tell(self, good: tuple[_Member, ReadUpload]) -> None:
        member, upload = good
        intake = Intake(self.ctx, member.run, self.deadline)
        intake.tell(upload)
        intake.keep_refused_rows(member.info, upload)

    def _commit(self, good: Sequence[tuple[_Member, ReadUpload]], read: ReadTogether) -> list[RunRecord]:
        ctx, runs = self.ctx, [member.run for member, _ in good]
        stored = ctx.store_file.read().document
        _step(runs, "check")
        memory_bytes = ctx.settings.ingest_memory_bytes
        with batch_together(read, self.work, memory_bytes, self.deadline.left_s) as batch:
            notices = batch.notices_beside(stored.segments if stored else (), ctx.path_of)
            _step(runs, "commit")
            uploads = {member.place: upload_of(member.info) for member, _ in good}
            done = TogetherCommit(ctx, uploads, batch)
            done.carry_out(self.deadline)
        return each_at_once(ctx.bucket, lambda one: self._end_of(*one, done, notices.get(one[0].place, ())), good)

    def _end_of(self, member: _Member, upload: ReadUpload, done: TogetherCommit, notices: tuple[str, ...]) -> RunRecord:
        intake, place = Intake(self.ctx, member.run, self.deadline), member.place
        with member.run:
            if place in done.known:
                return intake.already_in(member.info)
            rows, kept, erased = upload.rows_good, done.share.kept.get(place, 0), done.share.erased.get(place, 0)
            if intake.contents(member.info) == "items" and kept < rows:
                notices = (replaced_rows(rows - kept), *notices)
            return intake.committed(member.info, rows, kept, erased, (*upload.notices, *notices))


def _step(runs: Sequence[RunLog], name: str) -> None:
    for run in runs:
        run.step(name)


def _end(run: RunLog, notices: Sequence[str]) -> RunRecord:
    with run:
        return run.finish(notices=notices)
