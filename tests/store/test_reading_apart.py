"""The process that reads uploads: its limits, its death, and what it is not told."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from common.errors import FileRejected, ReaderDied, UnavailableError
from common.store.uploads import reader
from common.store.uploads.bounds import Bounds
from common.store.uploads.read_order import ReadLimits, ReadOrder
from common.store.uploads.reading import ReadJob, ReadUpload
from tests.store.shop import events_csv

BOUNDS = Bounds(rows=10**9, columns=100, line_bytes=1 << 20, unpacked_bytes=1 << 30)


@pytest.fixture
def job(tmp_path: Path) -> ReadJob:
    path = tmp_path / "upload"
    path.write_bytes(events_csv("u,i,2026-01-01,1"))
    now = datetime(2026, 1, 2, tzinfo=UTC)
    return ReadJob(path, "incoming/events/a.csv", "events", tmp_path, now, now, "ab" * 16, 256 << 20, 0.5, BOUNDS)


def endless(job: ReadJob) -> ReadJob:
    """The same job, whose file takes many seconds to read."""
    job.path.write_bytes(b"user_id,item_id,ts,qty\n" + b"u,i,2026-01-01,1\n" * 3_000_000)
    return job


def test_an_upload_is_read(job: ReadJob) -> None:
    found, peak_bytes = reader.read_apart(job, 60)
    assert (found.rows_read, found.rejected) == (1, "")
    assert found.settled is not None
    assert found.settled.segment.events == 1
    assert peak_bytes > 10 << 20


LIMITS: dict[str, tuple[ReadLimits, str]] = {
    "memory": (ReadLimits(64 << 20, 60, 60, 1 << 30), "needs more memory than RECSYS_INGEST_MEMORY_BYTES"),
    "seconds": (ReadLimits(1 << 30, 0.05, 60, 1 << 30), "takes too long"),
    "seconds of a processor": (ReadLimits(1 << 30, 60, 1, 1 << 30), "takes too long"),
    "disk": (ReadLimits(1 << 30, 60, 60, 1 << 20), "needs more disk than RECSYS_MAX_UNPACKED_BYTES"),
}


@pytest.mark.parametrize(("limits", "said"), LIMITS.values(), ids=LIMITS.keys())
def test_a_limit_that_is_reached_is_named(
    job: ReadJob, limits: ReadLimits, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_limits", lambda *_: limits)
    with pytest.raises(FileRejected, match=said):
        raise_if_rejected(*reader.read_apart(endless(job), 60))
    # The next upload is read.
    monkeypatch.undo()
    job.path.write_bytes(events_csv("u,i,2026-01-01,1"))
    for path in job.work.glob("*.duckdb*"):
        path.unlink()
    assert reader.read_apart(job, 60)[0].rows_read == 1


def raise_if_rejected(found: ReadUpload, _: int) -> None:
    if found.rejected:
        raise FileRejected(found.rejected)


def children_of(process: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def killing(who: Callable[[], list[int]]) -> threading.Thread:
    """A thread that kills the first process that `who` names."""

    def kill() -> None:
        while not (found := who()):
            pass
        os.kill(found[0], signal.SIGKILL)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    return thread


def test_a_reader_that_is_killed_is_told_and_the_next_upload_is_read(job: ReadJob, tmp_path: Path) -> None:
    reader.start_reading_process()
    template = reader._started[0].process.pid
    thread = killing(lambda: children_of(template))
    with pytest.raises(ReaderDied, match="SIGKILL"):
        reader.read_apart(endless(job), 60)
    thread.join()
    (tmp_path / "next").mkdir()
    small = replace(job, path=tmp_path / "next" / "upload", work=tmp_path / "next")
    small.path.write_bytes(events_csv("u,i,2026-01-01,1"))
    assert reader.read_apart(small, 60)[0].rows_read == 1


def test_the_process_before_it_is_started_anew(job: ReadJob) -> None:
    reader.start_reading_process()
    template = reader._started[0].process.pid
    thread = killing(lambda: [template] if children_of(template) else [])
    with pytest.raises(ReaderDied):
        reader.read_apart(endless(job), 60)
    thread.join()
    reader.start_reading_process()
    assert reader._started[0].process.pid != template


def test_a_process_that_does_not_start_is_not_the_uploads_fault(job: ReadJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_started", [])
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(UnavailableError, match="does not start") as caught:
        reader.read_apart(job, 60)
    assert not isinstance(caught.value, ReaderDied)


def test_it_ends_with_what_started_it() -> None:
    code = (
        "from common.store.uploads import reader; reader.start_reading_process(); "
        "print(reader._started[0].process.pid, flush=True); import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    try:
        process = os.pidfd_open(int(done.stdout))
    except ProcessLookupError:
        return
    ended, _, _ = select.select([process], [], [], 30)
    os.close(process)
    assert ended


def test_neither_settings_nor_credentials_are_in_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECSYS_S3_SECRET_KEY", "very-secret")
    started = reader._Reader()
    try:
        assert b"very-secret" not in Path(f"/proc/{started.process.pid}/environ").read_bytes()
    finally:
        started.close()


def test_an_order_does_not_show_the_key(job: ReadJob) -> None:
    assert "abab" not in repr(ReadOrder(job, LIMITS["memory"][0]))
