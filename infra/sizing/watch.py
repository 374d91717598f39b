"""The time and memory of a process and its children, read from the kernel while they run."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

_PROC = Path("/proc")
_EVERY_S = 0.05
_TICKS = os.sysconf("SC_CLK_TCK")
_GROUP, _CPU = 2, slice(11, 15)
"""Fields of /proc/<pid>/stat after the name: the process group, and the times of the process and its ended children."""


@dataclass(frozen=True)
class Cost:
    """The cost of a process group. `peak_bytes` is the largest resident set of one process, mapped files included (as
    ru_maxrss). `own_bytes` is the largest memory without mapped files, for which a container's limit must suffice."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    own_bytes: int


class Watch:
    """The measurement of the process group `group` inside `with`; `cost` is complete afterwards."""

    def __init__(self, group: int) -> None:
        self._group = group
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch-{group}", daemon=True)
        self._cpu = self._peak = self._own = 0

    def __enter__(self) -> Watch:
        self._started, self._cpu_before = time.monotonic(), self._look()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._seconds = time.monotonic() - self._started
        self._look()
        self._done.set()
        self._thread.join()

    @property
    def cost(self) -> Cost:
        cpu_seconds = (self._cpu - self._cpu_before) / _TICKS
        return Cost(round(self._seconds, 2), round(cpu_seconds, 2), self._peak, self._own)

    def _run(self) -> None:
        while not self._done.wait(_EVERY_S):
            self._look()

    def _look(self) -> int:
        """Reads the group's memory, and returns the ticks of processor time so far, which never decrease."""
        ticks = 0
        for process in members(self._group):
            with suppress(OSError, IndexError):
                ticks += sum(int(field) for field in _stat(process)[_CPU])
                sizes = _sizes(process / "status")
                self._peak = max(self._peak, sizes.get("VmHWM", 0))
                self._own = max(self._own, sizes.get("RssAnon", 0))
        self._cpu = max(self._cpu, ticks)
        return self._cpu


@dataclass(frozen=True)
class Held:
    """The current memory of a process group: `own_bytes` without files, and `mapped_bytes` of files' pages, which the
    kernel can drop and read again."""

    own_bytes: int
    mapped_bytes: int


def held(group: int) -> Held:
    """Reads the memory of a process group. Pages that several of its processes share count once."""
    rollups = [_sizes(process / "smaps_rollup") for process in members(group)]
    return Held(sum(sizes["Pss_Anon"] for sizes in rollups), sum(sizes["Pss_File"] for sizes in rollups))


def members(group: int) -> Iterator[Path]:
    """The directories of the group's processes in /proc."""
    for process in _PROC.iterdir():
        with suppress(OSError, IndexError):
            if process.name.isdecimal() and int(_stat(process)[_GROUP]) == group:
                yield process


def _stat(process: Path) -> list[str]:
    return (process / "stat").read_text().rpartition(")")[2].split()


def _sizes(path: Path) -> dict[str, int]:
    """The sizes in bytes, by name, from the lines in kB."""
    lines = (line.split() for line in path.read_text().splitlines() if line.endswith(" kB"))
    return {name.rstrip(":"): int(size) << 10 for name, size, _ in lines}
