"""A cache of the bucket's files on the local disk, which all processes of one machine share."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import stat
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from common import logs
from common.bucket.crash_marks import CrashMarks
from common.bucket.file_checks import SUMS_SUFFIX, is_whole, looks_whole, means_damage, reading, sums_path, write_sums
from common.bucket.port import Bucket
from common.errors import CorruptError, UnavailableError
from common.ids import sha256_of_file
from common.schemas.documents import FileRef

# Seconds for which a returned file is not evicted. Its reader opens it in that time, and an open or mapped file stays
# readable after its name is deleted.
GRACE_S = 600.0
# Seconds after which an unused file is evicted even if there is room: it may hold people who have been erased since.
IDLE_S = 7 * 86_400.0
# A commit adds ten small files at once, and looking at the whole directory takes as long as adding one. So it is looked
# at after this many seconds, or after this part of the limit has been added.
_EVERY_S = 1.0
_PART = 1 / 64
_PARTIAL = ".partial"
# Nobody writes to a file of the cache: it may be mapped, and one that is cut short ends whoever has mapped it.
_MODE = 0o444

log = logging.getLogger(__name__)


class FileCache:
    """Fetched files under `root`, named by their sha256.

    The cache evicts the least recently used files above `max_bytes`, unless they were used in the last `GRACE_S`, and
    every file that was not used for `IDLE_S`. A file gets its final name only after its length and sha256 were checked
    and it was synced to disk; nobody may write to it then. The first use in a process checks it again, a small file
    whole and a larger one by a sample, or whole too if a process has died of a fault (`crash_marks`). What is damaged,
    or is no file, is removed and fetched anew. `clock` returns seconds since the epoch, as `time.time` does.
    """

    def __init__(self, root: Path, max_bytes: int, clock: Callable[[], float] = time.time) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._clock = clock
        self._marks = CrashMarks(root)
        self._distrusted: bool | None = None  # not known before the first use
        self._checked: dict[str, int] = {}  # inodes by sha256
        self._evicted_at = float("-inf")
        self._added = 0  # bytes since then

    def fetch(self, bucket: Bucket, ref: FileRef) -> Path:
        """Returns the local path of `ref`, fetched if needed. Open it within `GRACE_S` seconds.

        Raises `CorruptError`, which names the key, if the object is missing or differs from `ref`, and
        `UnavailableError` if the disk is full or cannot be written.
        """
        path = self._root / ref.sha256
        try:
            if not self._is_usable(path, ref):
                self._add(bucket, ref, path)
        except OSError as error:
            raise UnavailableError(f"cannot keep {ref.key} in {self._root}: {error}", key=ref.key) from error
        return path

    def mark_faults(self) -> None:
        """From now on a fault that ends this process leaves a mark. For processes that map files."""
        self._marks.watch()

    def distrust(self, reason: str) -> None:
        """From now on every file is read whole at its first use, by this process and by the next that starts."""
        self._distrusted = True
        self._checked.clear()
        self._marks.leave(reason)

    def inspect(self, refs: Iterable[FileRef]) -> Iterator[FileRef | None]:
        """Reads files whole and removes those that are damaged, for the next `fetch` to bring them anew.

        Yields each file that it has removed, and None after each piece of a few megabytes. Files that are not here are
        passed over.
        """
        for ref in refs:
            path = self._root / ref.sha256
            try:
                whole = not path.exists() or (path.is_file() and (yield from _in_pieces(path, ref)))
            except FileNotFoundError:
                continue  # evicted meanwhile
            except OSError as error:
                if not means_damage(error):
                    raise
                whole = False
            if not whole:
                self._discard(path, ref)
                yield ref

    def discard_misfits(self, refs: Iterable[FileRef]) -> list[FileRef]:
        """The files that were removed because they have another length than they should, or are none: a `stat` each."""
        misfits = [ref for ref in refs if not _fits(self._root / ref.sha256, ref)]
        for ref in misfits:
            self._discard(self._root / ref.sha256, ref)
        return misfits

    def discard_damaged(self, refs: Iterable[FileRef]) -> list[FileRef]:
        """The files that `inspect` has removed."""
        return [ref for ref in self.inspect(refs) if ref is not None]

    def keep(self, ref: FileRef, path: Path) -> None:
        """Adds a file that this process has written and `ref` describes, so that this machine need not fetch it.

        `path` must be on the cache's file system, and may be deleted afterwards. On a full disk nothing is added, and
        no error is raised.
        """
        target = self._root / ref.sha256
        with suppress(OSError):
            if not self._is_usable(target, ref):
                self._make_root()
                _sync(path)
                path.chmod(_MODE)
                self._remove(target)
                os.link(path, target)
                write_sums(target, ref.bytes)
                self._checked[ref.sha256] = target.stat().st_ino
                self._evict_after(ref.bytes)

    def _add(self, bucket: Bucket, ref: FileRef, path: Path) -> None:
        self._make_root()
        with self._download_lock(ref.sha256):
            if not self._is_usable(path, ref):
                if path.exists():
                    self._discard(path, ref)
                self._download(bucket, ref, path)
                self._checked[ref.sha256] = path.stat().st_ino
                self._touch(path)
        self._evict_after(ref.bytes)

    def _make_root(self) -> None:
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _is_usable(self, path: Path, ref: FileRef) -> bool:
        """Marks the file as used now. Returns False if it is missing or damaged."""
        try:
            found = path.stat()
            if not stat.S_ISREG(found.st_mode) or found.st_size != ref.bytes:
                return False
            if self._checked.get(ref.sha256) != found.st_ino:
                if not self._is_trusted(path, ref):
                    return False
                self._checked[ref.sha256] = found.st_ino
            self._touch(path)
        except FileNotFoundError:
            return False
        return True

    def _is_trusted(self, path: Path, ref: FileRef) -> bool:
        check = is_whole if self._is_distrusted() else looks_whole
        try:
            return check(path, ref)
        except OSError as error:
            if not means_damage(error):
                raise
            return False

    def _is_distrusted(self) -> bool:
        if self._distrusted is None:
            found = self._marks.take()
            self._distrusted = bool(found)
            for reason in found:
                message = "a process died while it used the cache; each file is read whole before it is used"
                logs.event(log, logging.ERROR, message, reason=reason)
        return self._distrusted

    def _touch(self, path: Path) -> None:
        os.utime(path, (self._clock(), self._clock()))

    def _discard(self, path: Path, ref: FileRef) -> None:
        self._checked.pop(ref.sha256, None)
        self._remove(path)
        logs.event(log, logging.WARNING, "a cached file was damaged and is fetched anew", key=ref.key)

    def _remove(self, path: Path) -> None:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        sums_path(path).unlink(missing_ok=True)

    def _download(self, bucket: Bucket, ref: FileRef, path: Path) -> None:
        partial = path.with_suffix(_PARTIAL)
        try:
            if bucket.fetch(ref.key, partial) is None:
                raise CorruptError(f"{ref.key} is referenced and not in the bucket", key=ref.key)
            _check(partial, ref)
            _sync(partial)
            partial.chmod(_MODE)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def _evict_after(self, n_bytes: int) -> None:
        """Evicts what must go now that `n_bytes` were added, if it is time to look."""
        self._added += n_bytes
        now = self._clock()
        if self._added > self._max_bytes * _PART or not 0 <= now - self._evicted_at < _EVERY_S:
            self._evicted_at, self._added = now, 0
            self._evict()

    def _evict(self) -> None:
        files = sorted(self._files(), key=lambda item: item[1].st_mtime)
        names = {path.name for path, _ in files}
        # Other threads add files meanwhile; a list of the names is made in one step of the interpreter.
        for name in [name for name in list(self._checked) if name not in names]:
            self._checked.pop(name, None)
        total = sum(found.st_size for _, found in files)
        now = self._clock()
        for path, found in files:
            may_stay = total <= self._max_bytes and found.st_mtime > now - IDLE_S
            if may_stay or found.st_mtime > now - GRACE_S:
                return
            self._remove(path)
            total -= found.st_size

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        with os.scandir(self._root) as entries:
            for entry in entries:
                try:
                    if entry.is_file() and not entry.name.endswith(SUMS_SUFFIX):
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


def _fits(path: Path, ref: FileRef) -> bool:
    """Whether a file has its length; an evicted one counts as fitting."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return True
    return stat.S_ISREG(found.st_mode) and found.st_size == ref.bytes


def _in_pieces(path: Path, ref: FileRef) -> Generator[None, None, bool]:
    """Whether a file is whole, read in pieces."""
    if path.stat().st_size != ref.bytes:
        return False
    return (yield from reading(path, ref))


def _check(path: Path, ref: FileRef) -> None:
    size = path.stat().st_size
    if size != ref.bytes:
        raise CorruptError(f"{ref.key} has {size} bytes instead of {ref.bytes}", key=ref.key)
    if sha256_of_file(path) != ref.sha256:
        raise CorruptError(f"{ref.key} is damaged: its sha256 is not {ref.sha256}", key=ref.key)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
