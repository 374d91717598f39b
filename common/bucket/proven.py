"""A bucket that is not written to before its store has shown that it honours conditional PUT."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

from common.bucket.port import Blob, Bucket, Conflict, ObjectInfo
from common.bucket.probe import probe_conditional_put


class ProvenBucket:
    """Passes everything to `inner`, and probes it before the first conditional PUT of this process.

    So whoever only reads, as recommend does, needs no right to write; and no writer can forget the probe.
    `put_if` raises `SettingError` where the store ignores the condition.
    """

    def __init__(self, inner: Bucket, prefix: str) -> None:
        self._inner = inner
        self._prefix = prefix
        self._lock = threading.Lock()
        self._proven = False

    @property
    def at_once(self) -> int:
        return self._inner.at_once

    def get(self, key: str) -> Blob | None:
        return self._inner.get(key)

    def fetch(self, key: str, path: Path) -> ObjectInfo | None:
        return self._inner.fetch(key, path)

    def head(self, key: str) -> ObjectInfo | None:
        return self._inner.head(key)

    def put(self, key: str, data: bytes | Path) -> str:
        return self._inner.put(key, data)

    def put_if(self, key: str, data: bytes, expect: str | None) -> str | Conflict:
        with self._lock:
            if not self._proven:
                probe_conditional_put(self._inner, self._prefix)
                self._proven = True
        return self._inner.put_if(key, data, expect)

    def delete(self, key: str) -> None:
        self._inner.delete(key)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return self._inner.list(prefix)

    def purge_versions(self, prefix: str) -> int:
        return self._inner.purge_versions(prefix)
