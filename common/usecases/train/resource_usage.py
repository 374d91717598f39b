"""The time and memory of a piece of work in this process."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROCESS: Final = Path("/proc/self")
_RESET_PEAK: Final = "5"
"""Resets the peak; see proc_pid_clear_refs(5)."""


@dataclass
class Usage:
    """`peak_bytes` is the most memory of the whole process during the work, the data from before included."""

    seconds: float = 0.0
    peak_bytes: int = 0


@contextmanager
def measured() -> Iterator[Usage]:
    """Fills in the usage at the end of the block. Not for nested use, because each block resets the peak."""
    usage = Usage()
    # A sandbox may forbid the reset; the peak is then that since the start of the process.
    with suppress(OSError):
        (_PROCESS / "clear_refs").write_text(_RESET_PEAK)
    start = time.monotonic()
    try:
        yield usage
    finally:
        usage.seconds = time.monotonic() - start
        usage.peak_bytes = _peak_bytes()


def _peak_bytes() -> int:
    with suppress(OSError):
        for line in (_PROCESS / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
