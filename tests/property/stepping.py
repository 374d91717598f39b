"""Runs work in a thread that stops before each operation on the bucket, so that a test decides what happens next.

Only one thread runs at any moment: the interleaving of several writers is the test's choice alone, and repeatable.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Generic, TypeVar

from common.bucket.port import Blob, Bucket, Conflict, ObjectInfo
from common.testing.faults import Fault, FaultyBucket, ProcessKilled, Rule

T = TypeVar("T")


class Stepper(Generic[T]):
    """One piece of work. `step` lets it carry out its next operation; `outcome` is what it returned or raised.

    `operation` is the one it stands before, `bodies` what it has sent by conditional PUT.
    """

    def __init__(self, store: FaultyBucket, work: Callable[[Bucket], T]) -> None:
        self.outcome: T | BaseException | None = None
        self.finished = False
        self.operation = ""
        self.bodies: list[bytes] = []
        self._store = store
        self._killed = self._free = False
        self._go, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()
        self._stopped.acquire()

    def step(self, fault: Fault | None = None) -> None:
        """Carries out the operation it stands before, with `fault`, and runs on to the next one or to the end."""
        self._store.script[:] = [Rule(self.operation, fault)] if fault else []
        self._go.release()
        self._stopped.acquire()
        self._store.script.clear()
        if self.finished:
            self._thread.join()

    def finish(self) -> None:
        """Runs to the end without a stop or a fault."""
        if not self.finished:
            self._free = True
            self.step()

    def kill(self) -> None:
        """The process dies where it stands."""
        if not self.finished:
            self._killed = True
            self.step()

    def before(self, operation: str) -> None:
        if not self._free:
            self.operation = operation
            self._stopped.release()
            self._go.acquire()
        if self._killed:
            raise ProcessKilled

    def _run(self, work: Callable[[Bucket], T]) -> None:
        try:
            self.outcome = work(_Gate(self._store, self))
        except BaseException as error:  # the outcome of a process is whatever ended it
            self.outcome = error
        self.finished = True
        self._stopped.release()


class _Gate:
    """Stops its stepper before each operation."""

    at_once = 1

    def __init__(self, bucket: Bucket, stepper: Stepper[T]) -> None:
        self._bucket = bucket
        self._stepper = stepper

    def server(self) -> str:
        return self._bucket.server()

    def now(self) -> datetime:
        return self._bucket.now()

    def get(self, key: str) -> Blob | None:
        self._stepper.before("get")
        return self._bucket.get(key)

    def fetch(self, key: str, path: Path) -> ObjectInfo | None:
        self._stepper.before("fetch")
        return self._bucket.fetch(key, path)

    def head(self, key: str) -> ObjectInfo | None:
        self._stepper.before("head")
        return self._bucket.head(key)

    def put(self, key: str, data: bytes | Path) -> str:
        self._stepper.before("put")
        return self._bucket.put(key, data)

    def put_if(self, key: str, data: bytes, expect: str | None) -> str | Conflict:
        self._stepper.before("put_if")
        self._stepper.bodies.append(data)
        return self._bucket.put_if(key, data, expect)

    def delete(self, key: str) -> None:
        # Not a place to stop: see `sweep`, whose last look and delete are one step here.
        self._bucket.delete(key)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        self._stepper.before("list")
        return self._bucket.list(prefix)

    def purge_versions(self, prefix: str) -> int:
        return self._bucket.purge_versions(prefix)
