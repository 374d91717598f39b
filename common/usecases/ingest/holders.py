"""The processes that take in uploads, by an id each: whether one of this machine still lives.

Each holds a lock on a file `holders/<id>` in the cache directory. The kernel releases the lock when the process ends.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from enum import Enum
from pathlib import Path
from typing import IO, Final
from uuid import uuid4

from common.errors import UnavailableError

# Far above any deadline of an upload: what is known of a process is needed only as long as a try of it may go on.
_KEPT_S: Final = 86_400.0

_lock = threading.Lock()
_own: dict[tuple[int, Path], tuple[str, IO[str]]] = {}


class Holder(Enum):
    ALIVE = "alive"
    DEAD = "dead"
    ELSEWHERE = "on another machine, or long gone"


def own_id(cache_dir: Path) -> str:
    """The id of this process. At the first call its file is made, and those of processes long gone are removed.

    Raises `UnavailableError` if the disk is full or cannot be written."""
    place = (os.getpid(), cache_dir)
    with _lock:
        if place not in _own:
            try:
                _own[place] = _new_holder(cache_dir / "holders")
            except OSError as error:
                raise UnavailableError(f"RECSYS_CACHE_DIR cannot be written: {error.strerror}") from error
        return _own[place][0]


def _new_holder(folder: Path) -> tuple[str, IO[str]]:
    folder.mkdir(parents=True, exist_ok=True)
    _remove_old(folder)
    name = uuid4().hex
    file = (folder / name).open("w")
    fcntl.flock(file, fcntl.LOCK_EX)
    return name, file


def state_of(holder: str, cache_dir: Path) -> Holder:
    """Whether the process with this id lives, as far as this machine can tell."""
    try:
        with (cache_dir / "holders" / Path(holder).name).open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return Holder.ELSEWHERE
    except BlockingIOError:
        return Holder.ALIVE
    return Holder.DEAD


def _remove_old(folder: Path) -> None:
    oldest = time.time() - _KEPT_S
    for path in folder.iterdir():
        if path.stat().st_mtime < oldest and state_of(path.name, folder.parent) is Holder.DEAD:
            path.unlink(missing_ok=True)
