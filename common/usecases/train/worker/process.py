"""The training's side of the worker: it starts it, waits for it no longer than a deadline, and ends it."""

from __future__ import annotations

import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

from common.errors import StopCause, Stopped
from common.models.base import TrainingData
from common.usecases.train.evaluator import too_long
from common.usecases.train.workbench import Order
from common.usecases.train.worker.channel import Channel
from common.usecases.train.worker.serve import Reply
from common.usecases.train.worker.shared_data import nameless_file, share, shared

GRACE_S: Final = 0.5
GRACE_SHARE: Final = 0.1
"""After a deadline a fit that watches the clock itself has so many seconds, or this share of its time, to say so before
its process is killed: the next one would have to import all libraries again."""

_REAP_S: Final = 1.0
_LAST_REAP_S: Final = 30.0
"""How long a killed process is waited for: shortly between jobs, longer at the end, when nothing else is to be done."""

_PROGRAM: Final = "from common.usecases.train.worker.serve import main; main({}, {}, {})"

Listen = Callable[..., None]
"""Called with what a job tells of its steps. An exception ends the job."""


class WorkerFailed(Exception):
    """An error of the program inside the worker; the text is the worker's traceback."""


class Worker:
    """A process for the jobs of one training, between `with` and its end. If it has to be killed, the next job gets a
    new one."""

    def __init__(self, directory: Path, order: Order, ends: float) -> None:
        """ends: when the last job must have ended, on the clock of `time.monotonic`. What jobs keep goes into
        `directory`."""
        self.directory = directory
        self.ends = ends
        self._order = order
        self._file = nameless_file(directory)
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._is_ready = False
        self._killed: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Worker:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The number of the process; None while there is none."""
        return self._process.pid if self._process else None

    def give(self, data: TrainingData) -> TrainingData:
        """Gives the data to the worker, once, before the first job. Returns the same data in the shared file, so that
        this process needs no copy of its own."""
        share(data, self._file)
        given: TrainingData = shared(self._file)
        return given

    def close(self) -> None:
        """Ends the process, and with it all memory that its jobs have taken."""
        self._kill()
        self._file.close()
        for process in self._killed:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_LAST_REAP_S)

    def run(
        self, job: str, arguments: Mapping[str, Any], deadline: float = math.inf, listen: Listen | None = None
    ) -> Any:
        """The result of a job.

        No job goes on after `ends`. Raises `Stopped` for a job that had to be ended or has ended its process,
        `RefusedError` as the job does, and what `listen` raises.
        """
        asked, deadline = time.monotonic(), min(deadline, self.ends)
        if asked >= deadline:
            raise Stopped("no time was left for it")
        try:
            channel = self._ready(deadline)
            ended = deadline + max(GRACE_S, min(GRACE_SHARE * (deadline - asked), self.ends - deadline))
            channel.send((job, dict(arguments), deadline), ended)
            return self._result(channel, ended, listen)
        except TimeoutError:
            if self._is_ready:
                self._restart()
            raise Stopped(too_long(deadline - asked)) from None
        except ConnectionError:
            raise self._death() from None

    def _result(self, channel: Channel, deadline: float, listen: Listen | None) -> Any:
        while True:
            match channel.receive(deadline):
                case (Reply.STEP, told):
                    self._tell(channel, deadline, listen, told)
                case (Reply.DONE, result):
                    return result
                case (Reply.REFUSED, refusal):
                    raise refusal
                case (Reply.NO_MEMORY, message):
                    # What is left of the failed job would be missing to the next.
                    self._restart()
                    raise Stopped(message, StopCause.OUT_OF_MEMORY)
                case (_, trace):
                    raise WorkerFailed(trace)

    @staticmethod
    def _tell(channel: Channel, deadline: float, listen: Listen | None, told: tuple[Any, ...]) -> None:
        try:
            if listen:
                listen(*told)
        except BaseException:
            channel.send(False, deadline)
            channel.receive(deadline)
            raise
        channel.send(True, deadline)

    def _ready(self, deadline: float) -> Channel:
        """The channel of a process that has imported everything. One that has not in time goes on with it."""
        channel = self._channel or self._start()
        if not self._is_ready:
            channel.receive(deadline)
            self._is_ready = True
        return channel

    def _restart(self) -> None:
        """Ends the process; another one gets ready while this training does something else."""
        self._kill()
        if time.monotonic() < self.ends:
            self._start()

    def _start(self) -> Channel:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = _run_program(theirs, self._file)
        self._is_ready = False
        self._channel = Channel(ours)
        self._channel.send((self._order, self.directory))
        return self._channel

    def _kill(self) -> int | None:
        """Ends the process and returns its status; None where it is gone or does not end even so."""
        process, channel = self._process, self._channel
        self._process = self._channel = None
        if channel:
            channel.close()
        if process is None:
            return None
        process.kill()
        self._killed.append(process)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_REAP_S)
        return process.returncode

    def _death(self) -> Stopped:
        """Why the process has ended by itself."""
        if self._process:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_REAP_S)
        status = self._kill() or 0
        if status == -signal.SIGKILL:
            message = "its process was killed (signal 9), as a machine or container does that has no memory left"
            return Stopped(message, StopCause.OUT_OF_MEMORY)
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        return Stopped(f"its process crashed ({how})", StopCause.CRASHED)


def _run_program(end: socket.socket, data: IO[bytes]) -> subprocess.Popen[bytes]:
    """Starts the worker. It is no fork of this process, whose threads it would lack and whose locks it would keep."""
    paths = [os.path.abspath(path) for path in sys.path if path]
    numbers = (end.fileno(), data.fileno())
    return subprocess.Popen(
        [sys.executable, "-P", "-c", _PROGRAM.format(*numbers, os.getpid())],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        pass_fds=numbers,
        stdin=subprocess.DEVNULL,
        stdout=2,  # the answer of a command is on standard output
    )
