"""The time that each stage of an answer takes, as histograms.

An entry takes a third of a microsecond; each answer makes six.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from enum import StrEnum
from typing import Final, NamedTuple

BOUNDS_S: Final = (0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25)
"""Upper bounds of the buckets in seconds; one more bucket has all longer times."""


class Stage(StrEnum):
    """A part of the work on an answer."""

    __hash__ = str.__hash__  # an Enum's own is a Python function

    PARSE = "parse"  # from the request's bytes to a query, its token included
    FILTER = "filter"  # the items that are allowed
    ENCODE = "encode"  # the person, and the query vector
    SEARCH = "search"  # the best items for the query vector
    RANK = "rank"  # reasons, and the rungs below the model's
    WRITE = "write"  # the answer's JSON


class StageTimer:
    """A stopwatch for the stages of one answer, one after the other."""

    def __init__(self) -> None:
        self.seconds: dict[Stage, float] = {}
        self._last = time.perf_counter()

    def end(self, stage: Stage) -> None:
        """Counts the time since the last call, or since the beginning, for `stage`."""
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._last
        self._last = now


class Histogram(NamedTuple):
    """counts: entries in each bucket, one bucket more than there are bounds; sum_s: their sum in seconds."""

    counts: list[int]
    sum_s: float


class Stages:
    """The histograms of all stages. Safe to call from several threads."""

    def __init__(self) -> None:
        self._counts = {stage: [0] * (len(BOUNDS_S) + 1) for stage in Stage}
        self._sums = dict.fromkeys(Stage, 0.0)
        self._lock = threading.Lock()

    def add(self, timer: StageTimer) -> None:
        with self._lock:
            for stage, seconds in timer.seconds.items():
                self._counts[stage][bisect_left(BOUNDS_S, seconds)] += 1
                self._sums[stage] += seconds

    def __iter__(self) -> Iterator[tuple[Stage, Histogram]]:
        with self._lock:
            histograms = [(stage, Histogram(list(self._counts[stage]), self._sums[stage])) for stage in Stage]
        return iter(histograms)
