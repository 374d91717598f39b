from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from common.bucket.port import ObjectInfo
from common.bucket.sweep import sweep_unreferenced
from common.testing.memory import MemoryBucket

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)


class Clock:
    time = NOW

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bucket(clock: Clock) -> MemoryBucket:
    """Three files and a document of two days ago, one file of two hours ago."""
    bucket = MemoryBucket(clock)
    clock.time = NOW - 2 * DAY
    for key in ("store/used", "store/unused", "store/current.json", "serving/unused"):
        bucket.put(key, b"")
    clock.time = NOW - timedelta(hours=2)
    bucket.put("store/young", b"")
    clock.time = NOW
    return bucket


def keys(bucket: MemoryBucket) -> set[str]:
    return {info.key for info in bucket.list("")}


def test_deletes_what_is_old_unreferenced_and_under_the_prefix(bucket: MemoryBucket) -> None:
    assert sweep_unreferenced(bucket, "store/", {"store/used"}, DAY, NOW) == ["store/unused"]
    assert keys(bucket) == {"store/used", "store/current.json", "store/young", "serving/unused"}


def test_a_current_document_survives_whatever_the_caller_forgot(bucket: MemoryBucket) -> None:
    sweep_unreferenced(bucket, "", set(), timedelta(hours=1), NOW)
    assert keys(bucket) == {"store/current.json"}


def test_a_file_put_again_after_the_listing_is_spared(bucket: MemoryBucket) -> None:
    class Late(MemoryBucket):
        def list(self, prefix: str) -> Iterator[ObjectInfo]:
            listed = [*super().list(prefix)]
            self.put("store/unused", b"")
            return iter(listed)

    late = Late(bucket.now, bucket._objects)
    assert sweep_unreferenced(late, "store/", {"store/used"}, DAY, NOW) == []


def test_a_file_that_is_gone_by_then_is_not_counted(bucket: MemoryBucket) -> None:
    class Late(MemoryBucket):
        def list(self, prefix: str) -> Iterator[ObjectInfo]:
            listed = [*super().list(prefix)]
            self.delete("store/unused")
            return iter(listed)

    late = Late(bucket.now, bucket._objects)
    assert sweep_unreferenced(late, "store/", {"store/used"}, DAY, NOW) == []


def test_an_age_that_a_commit_may_reach_is_refused(bucket: MemoryBucket) -> None:
    with pytest.raises(ValueError, match="at least"):
        sweep_unreferenced(bucket, "store/", set(), timedelta(minutes=59), NOW)
    assert len(keys(bucket)) == 5
