"""A process that keeps one worker running: a fault of the machine or of a mapped file ends the worker, not the service.

A container's own restart would do the same, but waits longer after each. Nothing but the standard library is imported
here, so that this process takes some megabytes and delays the start by milliseconds.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Final

FAULTS: Final = frozenset({signal.SIGBUS, signal.SIGSEGV, signal.SIGILL, signal.SIGFPE, signal.SIGABRT})
"""What ends a process by its own doing. SIGKILL is not one: whoever sends it wants the end, and so does a lack of
memory, which the container's own restart tells of."""

_FORWARDED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_SOON_S: Final = 10.0
_LONGEST_PAUSE_S: Final = 30.0


class Pauses:
    """How long to wait before a worker is started again: twice as long after each that has lived for `_SOON_S` only."""

    def __init__(self) -> None:
        self._next_s = 0.0

    def after(self, lived_s: float) -> float:
        pause_s = 0.0 if lived_s >= _SOON_S else self._next_s
        self._next_s = 0.0 if lived_s >= _SOON_S else min(max(1.0, 2 * pause_s), _LONGEST_PAUSE_S)
        return pause_s


class Supervisor:
    """Runs `serve` in a child process, and again whenever a fault has ended it. `function` names it in the log."""

    def __init__(self, function: str, serve: Callable[[], None]) -> None:
        self._function = function
        self._serve = serve
        self._child = 0
        self._stopping = False
        self._pauses = Pauses()

    def run(self) -> int:
        """The exit status of the child that ended otherwise: 128 and the signal's number after a signal."""
        for number in _FORWARDED:
            signal.signal(number, self._forward)
        while True:
            began = time.monotonic()
            status = self._run_child()
            if self._stopping or -status not in FAULTS:
                return status if status >= 0 else 128 - status
            self._wait(self._pauses.after(time.monotonic() - began))
            if self._stopping:
                return 128 - status
            self._tell(signal.Signals(-status).name)

    def _tell(self, fault: str) -> None:
        """One line, as all of the log is."""
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()),
            "level": "error",
            "function": self._function,
            "event": f"the worker died of {fault} and is started again",
        }
        sys.stderr.write(json.dumps(line) + "\n")

    def _run_child(self) -> int:
        """Its exit status, or the negative number of the signal that has ended it."""
        watched, held = os.pipe()
        signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED)
        self._child = os.fork()
        if not self._child:
            os.close(held)
            self._be_the_child(watched)
        os.close(watched)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _FORWARDED)
        try:
            return os.waitstatus_to_exitcode(os.waitpid(self._child, 0)[1])
        finally:
            self._child = 0
            os.close(held)

    def _be_the_child(self, watched: int) -> None:
        for number in _FORWARDED:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _FORWARDED)
        threading.Thread(target=_end_with_parent, args=(watched,), daemon=True).start()
        try:
            self._serve()
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 1
        except BaseException:
            sys.excepthook(*sys.exc_info())
            status = 1
        else:
            status = 0
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)

    def _forward(self, number: int, _frame: FrameType | None) -> None:
        self._stopping = True
        if self._child:
            os.kill(self._child, number)

    def _wait(self, pause_s: float) -> None:
        until = time.monotonic() + pause_s
        while not self._stopping and time.monotonic() < until:
            time.sleep(0.1)


def _end_with_parent(watched: int) -> None:
    """The pipe ends when the parent does, however it ends."""
    os.read(watched, 1)
    os.kill(os.getpid(), signal.SIGTERM)
