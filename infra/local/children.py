"""Child processes of the stack: each has its own process group, and none outlives the stack."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from infra.local.parent_watch import tied_to_parent

GRACE_S = 5.0
"""Seconds between SIGTERM and SIGKILL. gunicorn's own grace of 30 s is not needed: a writer that is killed leaves only
files that no document references."""

POLL_S = 0.05


class Children:
    """Processes whose output goes to log files under `logs`.

    `stop` ends every process group, and runs at the latest when the interpreter exits. `grace_s` are the seconds that a
    process has between SIGTERM and SIGKILL, `GRACE_S` if None.
    """

    def __init__(self, logs: Path, grace_s: float | None = None) -> None:
        self.logs = logs
        self._grace_s = GRACE_S if grace_s is None else grace_s
        logs.mkdir(parents=True, exist_ok=True)
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        self._stopped = False
        atexit.register(self.stop)

    def start(
        self,
        name: str,
        command: Sequence[str],
        env: Mapping[str, str],
        cwd: Path,
        when_parent_ends: signal.Signals = signal.SIGTERM,
    ) -> subprocess.Popen[bytes]:
        """Starts `command`; on Linux it gets the signal `when_parent_ends` if this process ends without `stop`.

        Raises `RuntimeError` after `stop`.
        """
        with self._lock:
            if self._stopped:
                raise RuntimeError(f"{name} was to start while the stack stops")
            with self.log(name).open("ab") as log:
                child = subprocess.Popen(
                    tied_to_parent(list(command), when_parent_ends), env=dict(env), cwd=cwd,
                    stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                )  # fmt: skip
            self._children[name] = child
        return child

    def __getitem__(self, name: str) -> subprocess.Popen[bytes]:
        return self._children[name]

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def pids(self) -> dict[str, int]:
        return {name: child.pid for name, child in self._children.items()}

    def stop(self) -> None:
        """Ends all process groups: SIGTERM, then SIGKILL after the grace. A second call does nothing."""
        with self._lock:
            self._stopped = True
            children = list(self._children.values())
            self._children.clear()
        for child in children:
            _signal_group(child, signal.SIGTERM)
        deadline = time.monotonic() + self._grace_s
        while any(child.poll() is None for child in children) and time.monotonic() < deadline:
            time.sleep(POLL_S)
        for child in children:
            _signal_group(child, signal.SIGKILL)
            child.wait()
        atexit.unregister(self.stop)


def _signal_group(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    # A group may outlive its leader. Once its last process has ended, the group is not found any more.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)


def end_on_signals() -> None:
    """Turns SIGTERM and SIGHUP into SystemExit, so that they unwind the stack as Ctrl-C does.

    Ctrl-C is KeyboardInterrupt, also in a process that a shell has started in the background: it starts with SIGINT
    ignored, and Python leaves that as it is.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _exit)
    signal.signal(signal.SIGHUP, _exit)


def _exit(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
