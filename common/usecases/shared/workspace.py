"""Temporary local directories for one job."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from common.errors import UnavailableError
from common.store.engine import is_of_the_disk
from common.usecases.shared.context import Context

_LOCK: Final = "lock"


@contextmanager
def workspace(ctx: Context) -> Iterator[Path]:
    """A temporary directory for the block. If the process is killed, the next job on this machine removes it.

    An upload's data of people is on disk here only, while it is read. Each directory holds a lock file; the kernel
    releases the lock when its process ends, so a directory whose lock is free is abandoned.

    Raises `UnavailableError` where the block, or the directory's making, finds the disk full or read-only.
    """
    try:
        with _directory(ctx.settings.cache_dir / "work") as path:
            yield path
    except Exception as error:
        if is_of_the_disk(error):
            raise UnavailableError(f"the disk of RECSYS_CACHE_DIR is full or read-only: {error}") from error
        raise


@contextmanager
def _directory(root: Path) -> Iterator[Path]:
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
    """Removes abandoned directories. The caller holds the lock of `root`, under which directories are made."""
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
