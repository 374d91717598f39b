"""How much memory something takes, as Python counts it."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable


def held_bytes(work: Callable[[], object]) -> int:
    """The bytes that are held after `work` and were not before it; what it returns is let go."""
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        work()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
