"""A bucket with scripted faults, for tests of code that must survive them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import ClassVar, TypeVar

from common.bucket.port import Blob, Bucket, Conflict, ObjectInfo
from common.errors import BucketUnavailable

T = TypeVar("T")


class Fault(Enum):
    FAIL_BEFORE = "the request never arrives: nothing happens, BucketUnavailable"
    LOST_ANSWER = "the request is carried out and its answer is lost: BucketUnavailable"
    LATE = "BucketUnavailable now; the write is carried out when `deliver` is called"
    CRASH_BEFORE = "the process dies before the request"
    CRASH_AFTER = "the process dies after the request was carried out"
    TRUNCATE = "a fetched file ends after half of its bytes"


class ProcessKilled(BaseException):
    """The simulated death of the process. It is no `Exception`, so that no handler of those catches it."""


@dataclass
class Rule:
    """A rule that applies `fault` to the next `times` operations of this name whose key matches the pattern `key`."""

    operation: str
    fault: Fault
    key: str = "*"
    times: int = 1

    def takes(self, operation: str, key: str) -> bool:
        if self.times == 0 or operation != self.operation or not fnmatchcase(key, self.key):
            return False
        self.times -= 1
        return True


@dataclass
class FaultyBucket:
    """A bucket that passes calls to `inner`, except those to which a rule of `script` applies a fault.

    Rules may be added at any time."""

    at_once: ClassVar[int] = 1
    inner: Bucket
    script: list[Rule] = field(default_factory=list)
    _late: list[Callable[[], object]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def server(self) -> str:
        return self.inner.server()

    def now(self) -> datetime:
        return self.inner.now()

    def get(self, key: str) -> Blob | None:
        return self._under(self._fault("get", key), lambda: self.inner.get(key))

    def fetch(self, key: str, path: Path) -> ObjectInfo | None:
        fault = self._fault("fetch", key)
        info = self._under(fault, lambda: self.inner.fetch(key, path))
        if info is not None and fault is Fault.TRUNCATE:
            path.write_bytes(path.read_bytes()[: info.size // 2])
        return info

    def head(self, key: str) -> ObjectInfo | None:
        return self._under(self._fault("head", key), lambda: self.inner.head(key))

    def put(self, key: str, data: bytes | Path) -> str:
        content = data.read_bytes() if isinstance(data, Path) else data
        return self._under(self._fault("put", key), lambda: self.inner.put(key, content))

    def put_if(self, key: str, data: bytes, expect: str | None) -> str | Conflict:
        return self._under(self._fault("put_if", key), lambda: self.inner.put_if(key, data, expect))

    def delete(self, key: str) -> None:
        self._under(self._fault("delete", key), lambda: self.inner.delete(key))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return self._under(self._fault("list", prefix), lambda: self.inner.list(prefix))

    def purge_versions(self, prefix: str) -> int:
        return self._under(self._fault("purge_versions", prefix), lambda: self.inner.purge_versions(prefix))

    @property
    def late_writes(self) -> int:
        return len(self._late)

    def deliver(self, index: int = 0) -> None:
        """Carries out a late write, by default the oldest, as the store does when the request arrives."""
        self._late.pop(index)()

    def lose_late_writes(self) -> None:
        self._late.clear()

    def _fault(self, operation: str, key: str) -> Fault | None:
        with self._lock:
            return next((rule.fault for rule in self.script if rule.takes(operation, key)), None)

    def _under(self, fault: Fault | None, work: Callable[[], T]) -> T:
        if fault is Fault.CRASH_BEFORE:
            raise ProcessKilled
        if fault is Fault.FAIL_BEFORE:
            raise BucketUnavailable("the request failed")
        if fault is Fault.LATE:
            self._late.append(work)
            raise BucketUnavailable("the request timed out")
        result = work()
        if fault is Fault.CRASH_AFTER:
            raise ProcessKilled
        if fault is Fault.LOST_ANSWER:
            raise BucketUnavailable("the answer was lost")
        return result
