"""What a piece of work costs this process."""

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
"""See proc_pid_clear_refs(5)."""


@dataclass
class Usage:
    """`peak_bytes` is the most memory that the whole process held meanwhile, the data that it had before included."""

    seconds: float = 0.0
    peak_bytes: int = 0


@contextmanager
def measured() -> Iterator[Usage]:
    """Fills the usage in at the end. Not for nested use: the peak begins anew with each."""
    usage = Usage()
    # A sandbox may forbid it; the peak is then that since the process began.
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
