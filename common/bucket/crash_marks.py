"""Marks of processes that a fault of the machine or of a mapped file has ended, such as SIGBUS.

A mapped file that is cut short, or whose disk cannot be read, ends the process that reads it. No exception says so. So
each process keeps a file of its own in which Python's fault handler writes where it was; the file of a process that
ends otherwise stays empty. Whoever starts next finds the mark, and trusts no file of the cache before it has read it
whole.
"""

from __future__ import annotations

import faulthandler
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

DIRECTORY: Final = "marks"


class CrashMarks:
    """The marks in a directory of the cache at `root`. Nothing here raises: a disk that cannot be written is told by
    whatever writes files to it."""

    def __init__(self, root: Path) -> None:
        self._directory = root / DIRECTORY
        self._own: IO[bytes] | None = None

    def take(self) -> list[str]:
        """What the ended processes have left, each once: the first line of the fault handler, or what `leave` says."""
        with suppress(OSError):
            return list(self._taken())
        return []

    def watch(self) -> None:
        """From now on a fault of this process leaves a mark, unless something else has the fault handler already."""
        if self._own is not None or faulthandler.is_enabled():
            return
        with suppress(OSError):
            self._own = self._new()
            faulthandler.enable(self._own)

    def leave(self, reason: str) -> None:
        """Leaves a mark for the next process: what it reads may be damaged."""
        with suppress(OSError), self._new() as mark:
            mark.write(reason.encode())

    def _taken(self) -> Iterator[str]:
        if not self._directory.is_dir():
            return
        for path in sorted(self._directory.iterdir()):
            text = _text_of_ended(path)
            if text:
                yield text.decode(errors="replace").splitlines()[0]

    def _new(self) -> IO[bytes]:
        """A file whose lock the kernel frees when the process ends."""
        self._directory.mkdir(parents=True, exist_ok=True)
        mark = (self._directory / f"{os.getpid()}-{secrets.token_hex(4)}").open("wb")
        fcntl.flock(mark, fcntl.LOCK_EX)
        return mark


def _text_of_ended(path: Path) -> bytes:
    """The text of a mark whose process has ended, which is deleted; nothing while the process lives."""
    with suppress(OSError), path.open("rb") as mark:
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        text = mark.read()
        path.unlink()
        return text
    return b""
