"""The reading of uploads in a process of its own (`reader_process.py`), as the process that takes them in calls it."""

from __future__ import annotations

import atexit
import logging
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from multiprocessing.connection import wait
from typing import Final

from common import logs
from common.cpus import usable_cpus
from common.errors import FileRejected, ReaderDied, UnavailableError
from common.memory_limit import usable_memory
from common.store.uploads.files import DISK_PROBLEM, MEMORY_PROBLEM, TIME_PROBLEM
from common.store.uploads.personal import PersonalJob, Traces
from common.store.uploads.read_order import ANSWERS, ORDERS, READY, Limit, ReadAnswer, ReadLimits, ReadOrder
from common.store.uploads.reading import ReadJob, ReadUpload
from common.store.uploads.reading_together import ReadTogether, TogetherJob

# What the interpreter, its libraries and numpy take beside DuckDB in the process that reads.
_BESIDE_DUCKDB: Final = 512 << 20
# What the process that commits takes while another one reads, and the one that is forked.
_OTHERS: Final = 256 << 20
_LEAST: Final = 384 << 20
_GRACE_S: Final = 15.0
_PREFIX: Final = "RECSYS_"

_PROBLEMS: Final[dict[Limit, str]] = {"memory": MEMORY_PROBLEM, "time": TIME_PROBLEM, "disk": DISK_PROBLEM}

log = logging.getLogger(__name__)


def read_apart(job: ReadJob, seconds: float) -> tuple[ReadUpload, int]:
    """Reads an upload in another process, and returns what it holds and the most bytes of memory that it took.

    Raises `FileRejected` if a limit was reached, `ReaderDied` if the process died otherwise, and `UnavailableError` if
    a later try may succeed."""
    answer = _answer(job, seconds)
    assert answer.upload is not None
    return answer.upload, answer.peak_bytes


def read_together_apart(job: TogetherJob, seconds: float) -> tuple[ReadTogether, int]:
    """Reads several small uploads in another process, as `read_apart` reads one; what it raises is said of all."""
    answer = _answer(job, seconds)
    assert answer.together is not None
    return answer.together, answer.peak_bytes


def traces_apart(job: PersonalJob, seconds: float) -> Traces:
    """What an upload that was refused whole shows of people, looked for in another process. Raises as `read_apart`."""
    answer = _answer(job, seconds)
    assert answer.traces is not None
    return answer.traces


def _answer(job: ReadJob | TogetherJob | PersonalJob, seconds: float) -> ReadAnswer:
    started = time.monotonic()
    if not _lock.acquire(timeout=max(0.0, seconds)):
        raise UnavailableError("other uploads were read until the deadline; this one waits")
    try:
        left = max(0.0, seconds - (time.monotonic() - started))
        answer = _reader().read(ReadOrder(job, _limits(job, left)))
    finally:
        _lock.release()
    _check(answer)
    return answer


def start_reading_process() -> None:
    """Starts the process, if there is none, and does not wait for it: it is loaded when the upload is fetched."""
    if _lock.acquire(blocking=False):
        try:
            _reader()
        finally:
            _lock.release()


def _limits(job: ReadJob | TogetherJob | PersonalJob, seconds: float) -> ReadLimits:
    most = max(_LEAST, usable_memory() - _OTHERS)
    return ReadLimits(
        memory_bytes=min(job.memory_bytes + _BESIDE_DUCKDB, most),
        seconds=seconds,
        cpu_seconds=int(seconds * usable_cpus()) + 1,
        disk_bytes=job.bounds.unpacked_bytes,
    )


def _check(answer: ReadAnswer) -> None:
    if answer.upload is not None or answer.together is not None or answer.traces is not None:
        return
    if answer.limit:
        raise FileRejected(_PROBLEMS[answer.limit], peak_bytes=answer.peak_bytes)
    if answer.unavailable:
        raise UnavailableError(answer.unavailable)
    logs.event(log, logging.WARNING, "reader died", died=answer.died, peak_bytes=answer.peak_bytes)
    raise ReaderDied(f"the process that read it ended by {answer.died}")


class _Reader:
    """A reading process that waits for orders. `owner` is the process that started it, which a fork of it is not."""

    def __init__(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(_PREFIX)}
        # One thread: a fork has none of the others.
        environment |= {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "common.store.uploads.reader_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        self.owner = os.getpid()
        self._ready = False

    @property
    def usable(self) -> bool:
        return self.owner == os.getpid() and self.process.poll() is None

    def read(self, order: ReadOrder) -> ReadAnswer:
        """Raises `UnavailableError` if the process does not start: that is not the upload's fault."""
        self._ready = self._ready or self._line(order.limits.seconds) == READY
        if not self._ready:
            self.close()
            raise UnavailableError("the process that reads uploads does not start; the log of the function tells why")
        try:
            self._tell(ORDERS.dump_json(order) + b"\n")
            line = self._line(order.limits.seconds + _GRACE_S)
        except OSError:
            line = b""
        if line.endswith(b"\n"):
            return ANSWERS.validate_json(line)
        self.close()
        return ReadAnswer(died="the end of the process before it")

    def _tell(self, line: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def _line(self, seconds: float) -> bytes:
        """What the process writes up to a line end; less if it ends before, or within `seconds`."""
        assert self.process.stdout
        until, line, source = time.monotonic() + seconds, b"", self.process.stdout.fileno()
        while not line.endswith(b"\n"):
            ready = wait([source], max(0.0, until - time.monotonic()))
            part = os.read(source, 1 << 16) if ready else b""
            if not part:
                break
            line += part
        return line

    def close(self) -> None:
        """Ends the process; it ends what it has forked."""
        if self.owner != os.getpid():
            return
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                with suppress(OSError):
                    stream.close()
        self.process.kill()
        self.process.wait()


_lock = threading.Lock()
_started: list[_Reader] = []


def _reader() -> _Reader:
    """The reading process of this process. The caller holds the lock."""
    if _started and not _started[0].usable:
        _started.pop().close()
    if not _started:
        _started.append(_Reader())
    return _started[0]


@atexit.register
def _end() -> None:
    while _started:
        _started.pop().close()
