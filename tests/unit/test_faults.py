"""The faults that `FaultyBucket` scripts. That it is a true bucket without them is in the contract."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from common.bucket.port import CONFLICT
from common.errors import BucketUnavailable
from common.testing.faults import Fault, FaultyBucket, ProcessKilled, Rule
from common.testing.memory import MemoryBucket

WRITES: dict[str, Callable[[FaultyBucket], object]] = {
    "put": lambda bucket: bucket.put("key", b"new"),
    "put_if": lambda bucket: bucket.put_if("key", b"new", None),
}


@pytest.mark.parametrize("operation", WRITES)
@pytest.mark.parametrize(
    ("fault", "raised", "happened"),
    [
        (Fault.FAIL_BEFORE, BucketUnavailable, False),
        (Fault.LOST_ANSWER, BucketUnavailable, True),
        (Fault.LATE, BucketUnavailable, False),
        (Fault.CRASH_BEFORE, ProcessKilled, False),
        (Fault.CRASH_AFTER, ProcessKilled, True),
    ],
)
def test_a_write_fails_as_told_and_only_then(
    operation: str, fault: Fault, raised: type[BaseException], happened: bool
) -> None:
    inner = MemoryBucket()
    bucket = FaultyBucket(inner, [Rule(operation, fault)])
    with pytest.raises(raised):
        WRITES[operation](bucket)
    assert (inner.get("key") is not None) == happened
    bucket.put("key", b"next")
    assert inner.get("key") == bucket.get("key")


def test_a_late_write_arrives_when_it_is_let() -> None:
    inner = MemoryBucket()
    bucket = FaultyBucket(inner, [Rule("put_if", Fault.LATE, times=2)])
    for data in (b"first", b"second"):
        with pytest.raises(BucketUnavailable):
            bucket.put_if("key", data, None)
    assert bucket.late_writes == 2
    bucket.deliver(1)
    bucket.deliver()
    blob = inner.get("key")
    assert blob is not None
    assert blob.data == b"second"
    assert bucket.put_if("key", b"third", None) is CONFLICT


def test_a_rule_takes_its_operation_its_keys_and_no_more_than_its_times() -> None:
    bucket = FaultyBucket(MemoryBucket(), [Rule("put", Fault.FAIL_BEFORE, key="store/*", times=2)])
    bucket.put("serving/file", b"")
    bucket.delete("store/file")
    for _ in range(2):
        with pytest.raises(BucketUnavailable):
            bucket.put("store/file", b"")
    bucket.put("store/file", b"")


def test_a_fetched_file_is_cut_in_half(tmp_path: Path) -> None:
    bucket = FaultyBucket(MemoryBucket(), [Rule("fetch", Fault.TRUNCATE)])
    bucket.put("key", b"12345678")
    info = bucket.fetch("key", tmp_path / "file")
    assert info is not None
    assert info.size == 8
    assert (tmp_path / "file").read_bytes() == b"1234"


def test_no_handler_of_exceptions_survives_a_crash() -> None:
    assert not issubclass(ProcessKilled, Exception)
