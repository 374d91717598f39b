"""A command that ends within a time, with everything it started."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

import psutil

GRACE_S = 30.0
"""Between Ctrl-C and SIGKILL: pytest says what has passed, and ends what its fixtures have started."""

_PR_SET_CHILD_SUBREAPER = 36
_ROUNDS = 10
_REAP_S = 5.0


def run(command: Sequence[str], environment: Mapping[str, str], limit_s: float, grace_s: float = GRACE_S) -> int | None:
    """The exit status, or None if the command did not end within `limit_s`.

    For a program that starts nothing else: every child of this process is ended. On Linux these are also those in
    sessions of their own whose parents have ended, as a test's servers are once pytest is killed.
    """
    _adopt_orphans()
    # A signal may come as soon as the command runs, before `Popen` has returned.
    try:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True)
        return _status(process, limit_s, grace_s)
    finally:
        _kill_children()


def _status(process: subprocess.Popen[bytes], limit_s: float, grace_s: float) -> int | None:
    try:
        return process.wait(limit_s)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_s)
        return None


def _adopt_orphans() -> None:
    """Makes this process the parent of descendants whose own parent has ended, so that they can be found."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _kill_children() -> None:
    # Whoever has started something just now leaves it to this process: found in the next round.
    for _ in range(_ROUNDS):
        left = psutil.Process().children(recursive=True)
        if not left:
            return
        for child in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(left, timeout=_REAP_S)
