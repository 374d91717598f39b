"""The process that reads uploads: `python -m common.store.uploads.reader_process`, which `reader.Reader` starts.

It has everything loaded and no threads, so that a fork of it costs milliseconds. Each upload is read in a fork of its
own, within limits: whatever a file does, it does to the fork. No setting and no credential is in its environment.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import signal
import sys
import time
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import wait
from pathlib import Path
from typing import Final

from common.errors import UnavailableError
from common.store.uploads.personal import PersonalJob, traces_of
from common.store.uploads.read_order import ANSWERS, ORDERS, READY, Limit, ReadAnswer, ReadLimits, ReadOrder
from common.store.uploads.reading import ReadJob, read_upload
from common.store.uploads.reading_together import read_together

# Files and libraries that are mapped, and address space that is reserved and not used.
_ADDRESS_SPACE: Final = 4 << 30
_LOOK_EVERY_S: Final = 0.25
_ANSWER_BYTES: Final = 16 << 20
# A process that died with so much of its memory in use has died of the limit.
_NEAR_THE_LIMIT: Final = 0.75
_DIE_WITH_PARENT: Final = 1  # PR_SET_PDEATHSIG


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers.write(READY)
    for line in sys.stdin.buffer:
        answers.write(ANSWERS.dump_json(_in_a_fork(ORDERS.validate_json(line))) + b"\n")


def _in_a_fork(order: ReadOrder) -> ReadAnswer:
    own, of_fork = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(own)
        _read_and_exit(order, of_fork, parent)
    os.close(of_fork)
    try:
        text, limit = _wait(child, own, order)
    finally:
        os.close(own)
    _, status, used = os.wait4(child, 0)
    return replace(_understood(text, limit, status, used, order.limits), peak_bytes=used.ru_maxrss * 1024)


def _read_and_exit(order: ReadOrder, answers: int, parent: int) -> None:
    """Never returns."""
    code = 1
    try:
        _keep_within(order.limits, parent)
        with os.fdopen(answers, "wb") as out:
            out.write(ANSWERS.dump_json(_read(order)))
        code = 0
    finally:
        os._exit(code)


def _read(order: ReadOrder) -> ReadAnswer:
    try:
        if isinstance(order.job, ReadJob):
            return ReadAnswer(upload=read_upload(order.job))
        if isinstance(order.job, PersonalJob):
            return ReadAnswer(traces=traces_of(order.job))
        return ReadAnswer(together=read_together(order.job))
    except MemoryError:
        return ReadAnswer(limit="memory")
    except UnavailableError as error:
        return ReadAnswer(unavailable=error.message)
    except OSError as error:
        if error.errno == errno.EFBIG:
            return ReadAnswer(limit="disk")
        return ReadAnswer(unavailable=f"the upload cannot be read on this machine: {error.strerror}")


def _keep_within(limits: ReadLimits, parent: int) -> None:
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    with suppress(OSError):
        # Where the container runs out of memory, this process ends before the one that can tell why.
        Path("/proc/self/oom_score_adj").write_text("1000")
    for kind, limit in (
        (resource.RLIMIT_DATA, limits.memory_bytes),
        (resource.RLIMIT_AS, limits.memory_bytes + _ADDRESS_SPACE),
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_FSIZE, limits.disk_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(OSError, ValueError):
            _, hard = resource.getrlimit(kind)
            most = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
            # At the soft limit of the processor's time there is a signal of its own, at the hard one that of any kill.
            resource.setrlimit(kind, (most, hard if kind == resource.RLIMIT_CPU else most))


def _wait(child: int, answers: int, order: ReadOrder) -> tuple[bytes, Limit]:
    """What the child has answered when it ends, and the limit at which it was ended. It ends with this process's
    parent: then there is something to read from standard input, its end."""
    until = time.monotonic() + order.limits.seconds
    text = b""
    limit: Limit = ""
    while True:
        ready = wait([0, answers], max(0.0, min(_LOOK_EVERY_S, until - time.monotonic())))
        if answers in ready:
            part = os.read(answers, 1 << 16)
            text += part
            if not part:
                return text, limit
        if 0 in ready or len(text) > _ANSWER_BYTES:
            os.kill(child, signal.SIGKILL)
        if 0 in ready:
            sys.exit(1)
        if not limit and (limit := _reached(until, order)):
            os.kill(child, signal.SIGKILL)


def _reached(until: float, order: ReadOrder) -> Limit:
    if time.monotonic() >= until:
        return "time"
    return "disk" if _bytes_in(order.job.work) > order.limits.disk_bytes else ""


def _bytes_in(directory: Path) -> int:
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
    return total


def _understood(text: bytes, limit: Limit, status: int, used: resource.struct_rusage, limits: ReadLimits) -> ReadAnswer:
    code = os.waitstatus_to_exitcode(status)
    if limit:
        return ReadAnswer(limit=limit)
    if code == 0:
        return ANSWERS.validate_json(text)
    if code == -signal.SIGXCPU:
        return ReadAnswer(limit="time")
    if code < 0 and code != -signal.SIGKILL and used.ru_maxrss * 1024 >= _NEAR_THE_LIMIT * limits.memory_bytes:
        return ReadAnswer(limit="memory")
    return ReadAnswer(died=signal.Signals(-code).name if code < 0 else "an unexpected error")


if __name__ == "__main__":
    main()
