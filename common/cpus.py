"""How many CPUs this process may use."""

from __future__ import annotations

import os


def usable_cpus() -> int:
    """Those that the process is bound to, by `taskset` or a container's `--cpuset-cpus`; all of the machine's on a system
    that binds no process, such as macOS. At least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
