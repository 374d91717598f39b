"""Several calls of a bucket at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from common.bucket.port import Bucket

T = TypeVar("T")
R = TypeVar("R")


def each_at_once(bucket: Bucket, work: Callable[[T], R], things: Iterable[T]) -> list[R]:
    """Returns the results of `work` on each of `things`, in their order; `work` is mostly one call of `bucket`.

    Raises the first error, after all work that had begun."""
    if bucket.at_once == 1:
        return [work(thing) for thing in things]
    with ThreadPoolExecutor(bucket.at_once) as pool:
        return list(pool.map(work, things))
