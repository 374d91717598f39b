"""How many CPUs this process may use."""

from __future__ import annotations

import os


def usable_cpus() -> int:
    """The number of CPUs that this process may use, at least 1.

    These are the CPUs that `taskset` or a container binds it to; all of the machine's where no process is bound to any,
    as on macOS.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
