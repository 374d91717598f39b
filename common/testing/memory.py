"""A bucket in memory, for tests and for trying a use case without an object store."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from common.bucket.port import CONFLICT, Blob, Conflict, ObjectInfo


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class MemoryBucket:
    """A bucket whose objects are in a dictionary. As in S3, the ETag is the MD5 of the content."""

    at_once: ClassVar[int] = 1
    now: Callable[[], datetime] = _utc_now
    _objects: dict[str, Blob] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def copy(self) -> MemoryBucket:
        """An independent bucket with the same objects."""
        with self._lock:
            return MemoryBucket(self.now, dict(self._objects))

    def server(self) -> str:
        return "memory"

    def get(self, key: str) -> Blob | None:
        with self._lock:
            return self._objects.get(key)

    def fetch(self, key: str, path: Path) -> ObjectInfo | None:
        blob = self.get(key)
        if blob is None:
            return None
        path.write_bytes(blob.data)
        return blob.info

    def head(self, key: str) -> ObjectInfo | None:
        blob = self.get(key)
        return blob.info if blob else None

    def put(self, key: str, data: bytes | Path) -> str:
        content = data.read_bytes() if isinstance(data, Path) else data
        etag = f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
        with self._lock:
            self._objects[key] = Blob(content, ObjectInfo(key, etag, len(content), self.now()))
        return etag

    def put_if(self, key: str, data: bytes, expect: str | None) -> str | Conflict:
        with self._lock:
            current = self.head(key)
            if (current.etag if current else None) != expect:
                return CONFLICT
            return self.put(key, data)

    def delete(self, key: str) -> None:
        with self._lock:
            self._objects.pop(key, None)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        with self._lock:
            found = [blob.info for key, blob in self._objects.items() if key.startswith(prefix)]
        return iter(sorted(found, key=lambda info: info.key))

    def purge_versions(self, prefix: str) -> int:  # noqa: ARG002
        """Returns 0: this bucket keeps no versions."""
        return 0
