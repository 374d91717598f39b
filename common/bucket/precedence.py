"""The precedence of an erasure among the writers of the current documents.

In the commit loop whoever is quick wins. An erasure rewrites files before each of its tries, so writers that commit
every second would win for as long as they write. Therefore an erasure leaves a mark in the bucket while it works, and
every other writer looks for it right before its conditional PUT and lets the erasure pass.

The mark is advice: correctness rests on the conditional PUT alone. It is a lease. An erasure renews its mark with each
try; a mark that has not changed for `LEASE_S` is that of a dead process, and is deleted by the writer that has watched
it. Only durations are compared, each measured by one process, so that no two clocks have to agree.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final

from common.bucket.port import Bucket
from common.errors import BucketUnavailable
from common.ids import new_id

LEASE_S: Final = 60.0
"""Longer than one try of an erasure takes in a shop of ten million events; the tries after it find most work done."""

LONGEST_YIELD_S: Final = 120.0
"""Seconds that one commit lets erasures pass in all; then it goes on. Calls of update end at 300 s."""

POLL_S: Final = 0.1


@dataclass
class Precedence:
    """The mark of one erasure at `key`, from the first `claim` to the end of the block.

    If the block is left by a kill or an interrupt, the mark stays, and the lease ends by itself.
    """

    bucket: Bucket
    key: str
    _owner: str = field(default_factory=new_id)
    _claims: int = 0

    def claim(self) -> None:
        """Leaves the mark, or renews it. Without an answer of the store the erasure goes on without it."""
        self._claims += 1
        with suppress(BucketUnavailable):
            self.bucket.put(self.key, f"{self._owner} {self._claims}".encode())

    def __enter__(self) -> Precedence:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or issubclass(kind, Exception):
            self._release()

    def _release(self) -> None:
        """Removes the mark, unless another erasure has replaced it."""
        with suppress(BucketUnavailable):
            mark = self.bucket.get(self.key)
            if mark is not None and mark.data.startswith(self._owner.encode()):
                self.bucket.delete(self.key)


def let_erasure_pass(
    bucket: Bucket, key: str, longest_s: float, clock: Callable[[], float], sleep: Callable[[float], None]
) -> float:
    """Waits while an erasure has its mark at `key`, at most `longest_s`, and returns the seconds that this took."""
    began = since = clock()
    seen: str | None = None
    with suppress(BucketUnavailable):  # the write that follows tells that
        while (mark := bucket.get(key)) is not None and clock() - began < longest_s:
            if mark.info.etag != seen:
                seen, since = mark.info.etag, clock()
            elif clock() - since >= LEASE_S:
                bucket.delete(key)
                break
            sleep(POLL_S)
    return clock() - began
