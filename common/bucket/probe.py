"""Whether the object store honours conditional PUT. Some answer 200 and ignore the condition."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

from common.bucket.port import CONFLICT, Blob, Bucket, Conflict, ObjectInfo
from common.errors import SettingError
from common.ids import new_id

_NO_SUCH_ETAG = '"00000000000000000000000000000000"'


def probe_conditional_put(bucket: Bucket, prefix: str) -> None:
    """Tries it on a key of its own under `prefix`, which is gone afterwards.

    Raises `SettingError` where the store ignores If-None-Match or If-Match: two writers would lose each other's work.
    """
    key = f"{prefix}probes/{new_id()}"
    try:
        created = bucket.put_if(key, b"created", None)
        if created is CONFLICT:
            raise _unfit("refuses If-None-Match: * for a key that is free")
        if bucket.put_if(key, b"created again", None) is not CONFLICT:
            raise _unfit("ignores If-None-Match: *")
        if bucket.put_if(key, b"stale", _NO_SUCH_ETAG) is not CONFLICT:
            raise _unfit("ignores If-Match")
        if bucket.put_if(key, b"replaced", created) is CONFLICT:
            raise _unfit("refuses If-Match with the current ETag")
    finally:
        bucket.delete(key)


def _unfit(problem: str) -> SettingError:
    return SettingError(
        f"RECSYS_S3_ENDPOINT: the object store {problem}, so concurrent writers would overwrite each other. "
        "Use a store with conditional PUT; docs/stores.md lists some."
    )


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
