"""How much memory this process may use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

# The files in which a container sees its own limit: control groups of version 2, and of version 1.
_LIMITS: Final = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def usable_memory() -> int:
    """The bytes of memory that this container may use; those of the machine where nothing limits it."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *filter(None, map(_limit, _LIMITS))])


def _limit(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
