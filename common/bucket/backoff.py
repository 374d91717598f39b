"""Jittered exponential back-off under one deadline."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TypeVar

from common.errors import BucketUnavailable

T = TypeVar("T")

FIRST_S = 0.02
LONGEST_S = 2.0


class Backoff:
    """Waits between tries, uniformly up to a bound that doubles ("full jitter"), until `deadline_s` has passed."""

    def __init__(
        self, deadline_s: float, rng: Random, clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        self._end = clock() + deadline_s
        self._rng = rng
        self._clock = clock
        self._sleep = sleep
        self._bound = FIRST_S

    def pause(self) -> bool:
        """Waits; False, at once, if the deadline would pass."""
        delay = self._rng.uniform(0, self._bound)
        self._bound = min(2 * self._bound, LONGEST_S)
        if self._clock() + delay >= self._end:
            return False
        self._sleep(delay)
        return True

    def patiently(self, work: Callable[[], T]) -> T:
        """The result of `work`, tried again while the store does not answer. Raises the last `BucketUnavailable`."""
        while True:
            try:
                return work()
            except BucketUnavailable:
                if not self.pause():
                    raise
