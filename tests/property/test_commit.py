"""Writers of one current document, interleaved operation by operation, under faults, crashes, sweeps and passing days.

What must hold at every moment: what was acknowledged is in the document and stays; nothing is in it twice; every file
that it or its history refers to is there; and a writer that got a definite answer was told the truth.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from pydantic import BaseModel

from common.bucket.commit import NewFile, Proposal, commit
from common.bucket.current import CurrentFile, Snapshot
from common.bucket.port import Bucket
from common.bucket.sweep import sweep_unreferenced
from common.errors import BucketUnavailable, CommitContention
from common.ids import sha256_of_bytes
from common.schemas.documents import CurrentDocument
from common.testing.faults import Fault, FaultyBucket, ProcessKilled
from common.testing.memory import MemoryBucket
from tests.property.stepping import Stepper

KEY = "store/current.json"
START = datetime(2026, 11, 23, tzinfo=UTC)
MIN_AGE = timedelta(hours=2)
MOST_WRITERS = 4
READ_FAULTS = (Fault.FAIL_BEFORE, Fault.CRASH_BEFORE)
WRITE_FAULTS = (Fault.LATE, Fault.LOST_ANSWER, Fault.FAIL_BEFORE, Fault.CRASH_AFTER, Fault.CRASH_BEFORE)
DOCUMENT_FAULTS = (Fault.LATE, Fault.LATE, Fault.LATE, *WRITE_FAULTS)
FAULTS = {"get": READ_FAULTS, "put": WRITE_FAULTS, "put_if": WRITE_FAULTS}


class Segment(BaseModel):
    files: tuple[str, ...]
    uploads: tuple[str, ...]


class Ledger(CurrentDocument):
    """A store in miniature. `history` lists the files that a fold has just replaced, until the next commit."""

    segments: tuple[Segment, ...] = ()
    history: tuple[str, ...] = ()

    @property
    def uploads(self) -> list[str]:
        return [upload for segment in self.segments for upload in segment.uploads]

    @property
    def files(self) -> set[str]:
        return {key for segment in self.segments for key in segment.files} | set(self.history)


class Chain(MemoryBucket):
    """Remembers every version of the document that landed."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__(now)
        self.versions: list[Ledger] = []

    def put(self, key: str, data: bytes | Path) -> str:
        if key == KEY:
            assert isinstance(data, bytes)
            self.versions.append(Ledger.model_validate_json(data))
        return super().put(key, data)

    @property
    def commit_ids(self) -> set[str]:
        return {version.commit_id for version in self.versions}


@dataclass(eq=False)
class Job:
    """An upload that must get into the document, or a fold of its segments (`upload` is None).

    A blind one does not look whether it is in already, so it counts on the loop alone to land once.
    """

    upload: str | None
    content: bytes
    deadline_s: float
    blind: bool = False
    unknown: bool = False
    acknowledged: bool = False
    refused_ids: set[str] = field(default_factory=set)
    stepper: Stepper[Ledger | None] = field(init=False)

    def change(self, snapshot: Snapshot[Ledger]) -> Proposal | None:
        ledger = snapshot.document
        segments = ledger.segments if ledger else ()
        if self.upload is None:
            return _fold(ledger) if ledger and len(segments) > 1 else None
        if ledger and self.upload in ledger.uploads and not self.blind:
            return None
        return _proposal(self.content, (self.upload,), segments)


def _fold(ledger: Ledger) -> Proposal:
    folded = tuple(sorted({key for segment in ledger.segments for key in segment.files}))
    return _proposal(json.dumps(sorted(ledger.uploads)).encode(), tuple(ledger.uploads), (), folded)


def _proposal(
    content: bytes, uploads: tuple[str, ...], segments: tuple[Segment, ...], history: tuple[str, ...] = ()
) -> Proposal:
    """One more segment of two files, named by their content: another upload may have equal content."""
    files = tuple(NewFile(f"store/{sha256_of_bytes(part)}", part) for part in (content, content + b" index"))
    segment = Segment(files=tuple(file.key for file in files), uploads=uploads)
    return Proposal({"segments": (*segments, segment), "history": history}, files)


class Writers(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self.chain = Chain(self.now)
        self.store = FaultyBucket(self.chain)
        self.jobs: list[Job] = []
        self.sweeps: list[Stepper[list[str]]] = []

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    @property
    def running(self) -> list[Job]:
        return [job for job in self.jobs if not job.stepper.finished]

    @property
    def waiting(self) -> list[Job]:
        """Jobs whose writer ended without an acknowledgement: the bucket's event is delivered again."""
        ended = [job for job in self.jobs if job.stepper.finished and not job.acknowledged]
        return [job for job in ended if not (job.blind and job.unknown)]

    @property
    def sweeping(self) -> list[Stepper[list[str]]]:
        return [sweep for sweep in self.sweeps if not sweep.finished]

    @property
    def document(self) -> Ledger | None:
        return self.chain.versions[-1] if self.chain.versions else None

    @precondition(lambda self: len(self.running) < MOST_WRITERS)
    @rule(
        content=st.sampled_from([b"few", b"many"]),
        deadline_s=st.sampled_from([30.0, 0.05]),
        blind=st.booleans(),
        writers=st.integers(1, 3),
    )
    def upload(self, content: bytes, deadline_s: float, blind: bool, writers: int) -> None:
        for _ in range(writers):
            self._start(Job(f"upload-{len(self.jobs)}", content, deadline_s, blind))

    @rule(content=st.sampled_from([b"few", b"many"]))
    def upload_undisturbed(self, content: bytes) -> None:
        job = Job(f"upload-{len(self.jobs)}", content, 30.0)
        self._start(job)
        self._run_to_its_end(job)

    @precondition(lambda self: len(self.running) < MOST_WRITERS)
    @rule(at_once=st.booleans())
    def fold(self, at_once: bool) -> None:
        job = Job(None, b"", 30.0)
        self._start(job)
        if at_once:
            self._run_to_its_end(job)

    @precondition(lambda self: self.waiting and len(self.running) < MOST_WRITERS)
    @rule(choice=st.integers(0, 99))
    def deliver_again(self, choice: int) -> None:
        self._start(self.waiting[choice % len(self.waiting)])

    @precondition(lambda self: self.running)
    @rule(choice=st.integers(0, 99), steps=st.integers(1, 3))
    def proceed(self, choice: int, steps: int) -> None:
        job = self.running[choice % len(self.running)]
        for _ in range(steps):
            self._step(job, None)

    @precondition(lambda self: self.running)
    @rule(choice=st.integers(0, 99), fault=st.sampled_from(DOCUMENT_FAULTS), steps=st.integers(0, 2))
    def fail_at_the_document(self, choice: int, fault: Fault, steps: int) -> None:
        """Then the writer goes on for some steps, and after them its write lands if it was late."""
        job = self.running[choice % len(self.running)]
        while not job.stepper.finished and job.stepper.operation != "put_if":
            self._step(job, None)
        self._step(job, fault)
        for _ in range(steps):
            self._step(job, None)
        if fault is Fault.LATE and self.store.late_writes:
            self.store.deliver(-1)

    @precondition(lambda self: self.running)
    @rule(choice=st.integers(0, 99), data=st.data())
    def fail(self, choice: int, data: st.DataObject) -> None:
        job = self.running[choice % len(self.running)]
        self._step(job, data.draw(st.sampled_from(FAULTS[job.stepper.operation])))

    @precondition(lambda self: self.store.late_writes)
    @rule(choice=st.integers(0, 99))
    def land_a_late_write(self, choice: int) -> None:
        self.store.deliver(choice % self.store.late_writes)

    @precondition(lambda self: self.document)
    @rule(landed=st.booleans(), steps=st.sampled_from([0, 1, 2, 3]))
    def let_days_pass_and_sweep(self, landed: bool, steps: int) -> None:
        """No request is under way for days, and no process rests for days between its last check and its request."""
        while landed and self.store.late_writes:
            self.store.deliver()
        self.store.lose_late_writes()
        for job in self.running:
            if job.stepper.operation == "put_if":
                job.stepper.kill()
                self._collect(job)
        self.seconds += timedelta(days=3).total_seconds()
        self.sweeps.append(Stepper(self.store, self._sweep))
        if steps:
            self._step_a_sweep(steps)
        else:
            self.sweeps[-1].finish()

    @precondition(lambda self: self.sweeping)
    @rule(steps=st.integers(1, 5))
    def go_on_with_a_sweep(self, steps: int) -> None:
        self._step_a_sweep(steps)

    def _step_a_sweep(self, steps: int) -> None:
        sweep = self.sweeping[-1]
        for _ in range(steps):
            if not sweep.finished:
                sweep.step()

    @invariant()
    def nothing_acknowledged_is_lost_and_nothing_is_twice(self) -> None:
        uploads = Counter(self.document.uploads if self.document else ())
        assert not [upload for upload, times in uploads.items() if times > 1]
        assert {job.upload for job in self.jobs if job.acknowledged and job.upload} <= set(uploads)

    @invariant()
    def every_referenced_file_is_there(self) -> None:
        for key in self.document.files if self.document else ():
            assert self.chain.head(key) is not None, key

    @invariant()
    def a_refused_commit_never_lands(self) -> None:
        for job in self.jobs:
            assert not job.refused_ids & self.chain.commit_ids

    def teardown(self) -> None:
        try:
            self._finish()
        finally:
            for stepper in [job.stepper for job in self.jobs] + self.sweeps:
                stepper.kill()

    def _finish(self) -> None:
        """Faults end: then every upload gets in."""
        while self.store.late_writes:
            self.store.deliver()
        for job in self.running:
            self._run_to_its_end(job)
        for job in self.waiting:
            job.deadline_s = 30.0
            self._start(job)
            self._run_to_its_end(job)
        assert not self.waiting
        self.nothing_acknowledged_is_lost_and_nothing_is_twice()
        self.every_referenced_file_is_there()
        self.a_refused_commit_never_lands()

    def _start(self, job: Job) -> None:
        if job not in self.jobs:
            self.jobs.append(job)
        job.stepper = Stepper(self.store, lambda bucket: self._commit(job, bucket))

    def _commit(self, job: Job, bucket: Bucket) -> Ledger | None:
        return commit(
            CurrentFile(bucket, KEY, Ledger),
            job.change,
            now=self.now,
            deadline_s=job.deadline_s,
            rng=Random(0),
            clock=lambda: self.seconds,
            sleep=self.sleep,
        )

    def _sweep(self, bucket: Bucket) -> list[str]:
        document = CurrentFile(bucket, KEY, Ledger).read().document
        return sweep_unreferenced(bucket, "store/", document.files if document else set(), MIN_AGE, self.now())

    def _run_to_its_end(self, job: Job) -> None:
        if not job.stepper.finished:
            job.stepper.finish()
            self._collect(job)

    def _step(self, job: Job, fault: Fault | None) -> None:
        if job.stepper.finished:
            return
        job.stepper.step(fault)
        if job.stepper.finished:
            self._collect(job)

    def _collect(self, job: Job) -> None:
        """What the writer learned must be the truth."""
        outcome = job.stepper.outcome
        sent = {json.loads(body)["commit_id"] for body in job.stepper.bodies}
        if isinstance(outcome, CommitContention) or (
            isinstance(outcome, BucketUnavailable) and outcome.details.get("outcome") != "unknown"
        ):
            job.refused_ids |= sent
        elif isinstance(outcome, BaseException):
            assert isinstance(outcome, BucketUnavailable | ProcessKilled), outcome
            job.unknown = True
        else:
            job.acknowledged = True
            job.refused_ids |= sent - {outcome.commit_id if outcome else ""}
            assert outcome is None or outcome.commit_id in self.chain.commit_ids
            assert job.upload is None or (outcome and job.upload in outcome.uploads)


TestWriters = Writers.TestCase
TestWriters.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)


@pytest.mark.slow(lane="faults")
def test_many_writers() -> None:
    run_state_machine_as_test(Writers, settings=settings(max_examples=600, stateful_step_count=80, deadline=None))
