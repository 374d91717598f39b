"""The server of recommend as its image runs it, on a shop of any size, with what it takes of the machine."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from infra.local.calls import wait_until_healthy
from infra.local.children import Children
from infra.local.launch import launch_here
from infra.local.manifest import read_manifest
from infra.local.ports import HOST, free_ports

START_S = 60.0


@dataclass(frozen=True)
class Running:
    """`pid` is the process that was started; those that serve may be its children."""

    port: int
    pid: int
    log: Path

    @property
    def worker(self) -> psutil.Process:
        """The process that serves: the one without a child."""
        process = psutil.Process(self.pid)
        return next((child for child in process.children(recursive=True) if not child.children()), process)

    def rss(self) -> int:
        """Resident bytes of all its processes."""
        process = psutil.Process(self.pid)
        return sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))


class Peaks(threading.Thread):
    """The most memory and the most open files of a server while it runs; `stop` ends it."""

    def __init__(self, server: Running) -> None:
        super().__init__(daemon=True)
        self._server = server
        self._over = threading.Event()
        self.rss = self.files = 0

    def run(self) -> None:
        while not self._over.wait(0.1):
            self.rss = max(self.rss, self._server.rss())
            self.files = max(self.files, self._server.worker.num_fds())

    def stop(self) -> None:
        self._over.set()
        self.join()


@contextmanager
def running(
    environment: Mapping[str, str], directory: Path, path: str = "/v1/popular", command: Sequence[str] | None = None
) -> Iterator[Running]:
    """Started, and answering `path`. A `command` stands in place of the image's."""
    port = free_ports()["recommend"]
    container = read_manifest().function("recommend").container
    if command is not None:
        container = replace(container, command=tuple(command))
    own = {"PATH": os.environ["PATH"], "HOME": str(directory), "HOST": HOST, "PORT": str(port), "WORKERS": "1"}
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    program = launch_here(container, own | one_thread | dict(environment))
    children = Children(directory / "logs")
    child = children.start("recommend", program.command, program.env, program.cwd)
    log = children.log("recommend")
    try:
        wait_until_healthy("recommend", f"http://{HOST}:{port}{path}", child, log, START_S)
        yield Running(port, child.pid, log)
    finally:
        children.stop()


def eventually(holds: Callable[[], bool], within_s: float = START_S) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "did not come about in time"
        time.sleep(0.02)
