"""The object-store port.

What every implementation guarantees, and `tests/contract/test_bucket.py` proves:

* **Whole objects.** A reader sees one complete version of an object, old or new, never a mixture.
* **Read your write.** After `put` returned, `get`, `head` and `list` of any process see that version.
* **Conditional put.** `put_if` writes only if the object's current ETag equals `expect` (None: only if there is no
  object). Of any number of concurrent `put_if` with one expectation, at most one succeeds. A refusal is the value
  `CONFLICT`, not an exception.
* **ETags are opaque.** They are compared for equality and never parsed; quotes are kept as the store sends them.
* **Unknown outcome.** If the answer is lost, `put`, `put_if` and `delete` raise `BucketUnavailable`, and the write
  may have happened or may still happen: the caller reads back before it decides.
* **No retries of `put_if` inside.** A client library that repeats a conditional PUT whose answer was lost sees its own
  write as a conflict. So retries of it belong to the commit loop, which knows its commit id.
* **Deleting is idempotent.** Deleting what is not there succeeds.
* **Old versions end on request only.** Where the bucket keeps versions, an overwritten or deleted object lives on as a
  noncurrent version, which no other operation sees, until `purge_versions`.
* **Errors.** An absent object is None from `get`, `fetch` and `head`. `BucketUnavailable` is the only error for a store
  that does not answer; `SettingError` for credentials, bucket or permissions that are wrong.

Keys are full keys in the bucket; `keys.Keys` is the one place that makes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Final, Literal, Protocol


@dataclass(frozen=True)
class ObjectInfo:
    """`modified` is the store's clock, UTC; `size` is in bytes."""

    key: str
    etag: str
    size: int
    modified: datetime


@dataclass(frozen=True)
class Blob:
    data: bytes
    info: ObjectInfo


class _Conflict(Enum):
    CONFLICT = "conflict"


CONFLICT: Final = _Conflict.CONFLICT
Conflict = Literal[_Conflict.CONFLICT]


class Bucket(Protocol):
    """See the module's docstring for the guarantees."""

    @property
    def at_once(self) -> int:
        """How many calls from several threads are worth making at a time; 1 where calls have to come in order."""
        ...

    def server(self) -> str:
        """The name and version that the store gives itself; empty where it gives none."""
        ...

    def get(self, key: str) -> Blob | None: ...

    def fetch(self, key: str, path: Path) -> ObjectInfo | None:
        """Streams the object to `path`, which is complete or absent afterwards."""
        ...

    def head(self, key: str) -> ObjectInfo | None: ...

    def put(self, key: str, data: bytes | Path) -> str:
        """Returns the ETag. A `Path` is streamed."""
        ...

    def put_if(self, key: str, data: bytes, expect: str | None) -> str | Conflict: ...

    def delete(self, key: str) -> None: ...

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """In key order, all pages."""
        ...

    def purge_versions(self, prefix: str) -> int:
        """Deletes every version under `prefix` that is not the current one, and says how many; 0 where none are kept.
        Current objects are untouched."""
        ...
