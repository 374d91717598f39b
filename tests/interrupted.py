"""A bucket in which something happens between two operations of the work that is tested."""

from __future__ import annotations

from collections.abc import Callable

from common.bucket.port import Bucket
from common.testing.faults import Fault, FaultyBucket


class Interrupted(FaultyBucket):
    """Right before the first `operation` on `key`, `other` is called; `happened` says whether it was."""

    def __init__(self, inner: Bucket, operation: str, key: str, other: Callable[[], object]) -> None:
        super().__init__(inner)
        self.happened = False
        self._place = operation, key
        self._other = other

    def _fault(self, operation: str, key: str) -> Fault | None:
        if (operation, key) == self._place and not self.happened:
            self.happened = True
            self._other()
        return super()._fault(operation, key)
