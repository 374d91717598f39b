"""Whether a process that a test started, or that one of those started, has ended."""

from __future__ import annotations

import time

import psutil


def gone(pid: int) -> bool:
    """Whether the process has ended: one that nobody has waited for yet (a zombie) has ended too.

    Where the first process of a machine or container does not wait for orphans, they stay zombies for ever.
    """
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def await_gone(pid: int, within_s: float) -> None:
    """Raises AssertionError: the process is still there after `within_s` seconds."""
    deadline = time.monotonic() + within_s
    while not gone(pid):
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.02)
