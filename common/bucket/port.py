"""The object-store port: the operations on a bucket, and what every implementation of them guarantees.

`tests/contract/test_bucket.py` tests these guarantees with every implementation:

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
* **Old versions stay until they are purged.** If the bucket keeps versions, an overwritten or deleted object stays as a
  noncurrent version, which no other operation sees, until `purge_versions`.
* **Errors.** An absent object is None from `get`, `fetch` and `head`. `BucketUnavailable` is the only error for a store
  that does not answer; `SettingError` for credentials, bucket or permissions that are wrong.

Keys are full keys in the bucket; `keys.Keys` makes them.
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
    """The metadata of an object. `size` is in bytes; `modified` is the time in UTC by the object store's clock."""

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
    """A bucket of the object store. The module's docstring lists the guarantees."""

    @property
    def at_once(self) -> int:
        """The number of calls that are worth making at a time, from several threads; 1 if calls must come in order."""
        ...

    def server(self) -> str:
        """Returns the name and version that the store gives itself; empty if it gives none."""
        ...

    def now(self) -> datetime:
        """Returns the time by the clock by which objects have their `modified`."""
        ...

    def get(self, key: str) -> Blob | None:
        """Returns the whole object, None if there is none."""
        ...

    def fetch(self, key: str, path: Path) -> ObjectInfo | None:
        """Streams the object to `path`, which is complete or absent afterwards. Returns None if there is no object."""
        ...

    def head(self, key: str) -> ObjectInfo | None:
        """Returns the object's metadata, None if there is no object."""
        ...

    def put(self, key: str, data: bytes | Path) -> str:
        """Writes the object and returns its ETag. A `Path` is streamed."""
        ...

    def put_if(self, key: str, data: bytes, expect: str | None) -> str | Conflict:
        """Writes the object if its current ETag is `expect`, or if there is none and `expect` is None.

        Returns the new ETag, or `CONFLICT`.
        """
        ...

    def delete(self, key: str) -> None: ...

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """The metadata of all objects under `prefix`, in the order of their keys."""
        ...

    def purge_versions(self, prefix: str) -> int:
        """Deletes every noncurrent version under `prefix` and returns their number; 0 if the bucket keeps no versions.

        Current objects stay."""
        ...
