"""A cache of the bucket's files on the local disk, which all processes of one machine share."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from common.bucket.port import Bucket
from common.errors import CorruptError, UnavailableError
from common.ids import sha256_of_file
from common.schemas.documents import FileRef

# Seconds for which a returned file is not evicted. Its reader opens it in that time, and an open or mapped file stays
# readable after its name is deleted.
GRACE_S = 600.0
# Seconds after which an unused file is evicted even if there is room: it may hold people who have been erased since.
IDLE_S = 7 * 86_400.0
_PARTIAL = ".partial"


class FileCache:
    """Fetched files under `root`, named by their sha256.

    The cache evicts the least recently used files above `max_bytes`, unless they were used in the last `GRACE_S`, and
    every file that was not used for `IDLE_S`. A file gets its final name only after its length and sha256 were checked
    and it was synced to disk. So a file with its final name is not hashed again, and a cold start costs one `stat` a
    file. `clock` returns seconds since the epoch, as `time.time` does.
    """

    def __init__(self, root: Path, max_bytes: int, clock: Callable[[], float] = time.time) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._clock = clock

    def fetch(self, bucket: Bucket, ref: FileRef) -> Path:
        """Returns the local path of `ref`, fetched if needed. Open it within `GRACE_S` seconds.

        Raises `CorruptError`, which names the key, if the object is missing or differs from `ref`, and
        `UnavailableError` if the disk is full or cannot be written.
        """
        path = self._root / ref.sha256
        try:
            if not self._touch(path, ref.bytes):
                self._add(bucket, ref, path)
        except OSError as error:
            raise UnavailableError(f"cannot keep {ref.key} in {self._root}: {error}", key=ref.key) from error
        return path

    def keep(self, ref: FileRef, path: Path) -> None:
        """Adds a file that this process has written and `ref` describes, so that this machine need not fetch it.

        `path` must be on the cache's file system, and may be deleted afterwards. On a full disk nothing is added, and
        no error is raised.
        """
        target = self._root / ref.sha256
        with suppress(OSError):
            if not self._touch(target, ref.bytes):
                self._root.mkdir(parents=True, exist_ok=True)
                _sync(path)
                os.link(path, target)
                self._evict()

    def _add(self, bucket: Bucket, ref: FileRef, path: Path) -> None:
        self._root.mkdir(parents=True, exist_ok=True)
        with self._download_lock(ref.sha256):
            if not self._touch(path, ref.bytes):
                self._download(bucket, ref, path)
                self._touch(path, ref.bytes)
        self._evict()

    def _touch(self, path: Path, size: int) -> bool:
        """Marks the file as used now. Returns False if it is missing or has another length."""
        try:
            if path.stat().st_size != size:
                return False
            os.utime(path, (self._clock(), self._clock()))
        except FileNotFoundError:
            return False
        return True

    def _download(self, bucket: Bucket, ref: FileRef, path: Path) -> None:
        partial = path.with_suffix(_PARTIAL)
        try:
            if bucket.fetch(ref.key, partial) is None:
                raise CorruptError(f"{ref.key} is referenced and not in the bucket", key=ref.key)
            _check(partial, ref)
            _sync(partial)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def _evict(self) -> None:
        files = sorted(self._files(), key=lambda item: item[1].st_mtime)
        total = sum(stat.st_size for _, stat in files)
        now = self._clock()
        for path, stat in files:
            may_stay = total <= self._max_bytes and stat.st_mtime > now - IDLE_S
            if may_stay or stat.st_mtime > now - GRACE_S:
                return
            path.unlink(missing_ok=True)
            total -= stat.st_size

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        with os.scandir(self._root) as entries:
            for entry in entries:
                try:
                    if entry.is_file():
                        yield Path(entry.path), entry.stat()
                except FileNotFoundError:
                    continue

    @contextmanager
    def _download_lock(self, name: str) -> Iterator[None]:
        """Lets one process and thread at a time download a file; the kernel frees the lock of one that died."""
        locks = self._root / "locks"
        locks.mkdir(exist_ok=True)
        with (locks / name[:2]).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _check(path: Path, ref: FileRef) -> None:
    size = path.stat().st_size
    if size != ref.bytes:
        raise CorruptError(f"{ref.key} has {size} bytes instead of {ref.bytes}", key=ref.key)
    if sha256_of_file(path) != ref.sha256:
        raise CorruptError(f"{ref.key} is damaged: its sha256 is not {ref.sha256}", key=ref.key)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
