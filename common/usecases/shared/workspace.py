"""Local directories for the length of one job."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from common.usecases.shared.context import Context

_LOCK: Final = "lock"


@contextmanager
def workspace(ctx: Context) -> Iterator[Path]:
    """A directory that is removed afterwards, and by the next job on this machine if the process is killed.

    What an upload says of people lies here while it is read, and nowhere else on a disk. The kernel releases the lock
    of a process however it ends, so a directory whose lock is free belongs to nobody.
    """
    root = ctx.settings.cache_dir / "work"
    root.mkdir(parents=True, exist_ok=True)
    with _locked(root / _LOCK):
        _remove_abandoned(root)
        path = Path(tempfile.mkdtemp(dir=root))
        own = (path / _LOCK).open("w")
        fcntl.flock(own, fcntl.LOCK_EX)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        own.close()


def _remove_abandoned(root: Path) -> None:
    """Call it with the lock of `root`: a directory is made and locked under it."""
    for path in root.iterdir():
        if path.is_dir() and not _is_held(path / _LOCK):
            shutil.rmtree(path, ignore_errors=True)


def _is_held(lock: Path) -> bool:
    if not lock.exists():
        return False
    with lock.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@contextmanager
def _locked(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
