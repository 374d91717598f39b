from __future__ import annotations

import pytest

from common.bucket.port import CONFLICT, Bucket, Conflict
from common.bucket.probe import ProvenBucket, probe_conditional_put
from common.bucket.s3 import S3Bucket
from common.errors import BucketUnavailable, SettingError
from common.testing.faults import Fault, FaultyBucket, Rule
from common.testing.memory import MemoryBucket


class IgnoresBoth(MemoryBucket):
    """A store that answers 200 to every conditional PUT and writes."""

    def put_if(self, key: str, data: bytes, expect: str | None) -> str | Conflict:
        return self.put(key, data)


class IgnoresIfMatch(MemoryBucket):
    def put_if(self, key: str, data: bytes, expect: str | None) -> str | Conflict:
        return super().put_if(key, data, expect) if expect is None else self.put(key, data)


class ComparesNothingButExistence(MemoryBucket):
    """Takes any If-Match for a key that is there."""

    def put_if(self, key: str, data: bytes, expect: str | None) -> str | Conflict:
        if expect is not None and self.head(key) is not None:
            return self.put(key, data)
        return super().put_if(key, data, expect)


class RefusesAll(MemoryBucket):
    def put_if(self, key: str, data: bytes, expect: str | None) -> str | Conflict:
        return CONFLICT


class RefusesIfMatch(MemoryBucket):
    def put_if(self, key: str, data: bytes, expect: str | None) -> str | Conflict:
        return CONFLICT if expect is not None else super().put_if(key, data, expect)


@pytest.mark.parametrize(
    ("bucket", "problem"),
    [
        (IgnoresBoth(), "ignores If-None-Match"),
        (IgnoresIfMatch(), "ignores If-Match"),
        (ComparesNothingButExistence(), "ignores If-Match"),
        (RefusesAll(), "refuses If-None-Match"),
        (RefusesIfMatch(), "refuses If-Match"),
    ],
)
def test_a_store_without_conditional_put_is_refused(bucket: Bucket, problem: str) -> None:
    with pytest.raises(SettingError, match=f"RECSYS_S3_ENDPOINT.*{problem}"):
        probe_conditional_put(bucket, "shop/")
    assert list(bucket.list("")) == []


def test_a_store_that_honours_it_passes_and_keeps_nothing(bucket: S3Bucket) -> None:
    probe_conditional_put(bucket, "shop/")
    assert list(bucket.list("")) == []


class TestProvenBucket:
    def test_nothing_is_written_to_a_store_without_conditional_put(self) -> None:
        inner = IgnoresBoth()
        with pytest.raises(SettingError):
            ProvenBucket(inner, "shop/").put_if("shop/store/current.json", b"", None)
        assert list(inner.list("")) == []

    def test_whoever_only_reads_is_not_held_up(self) -> None:
        inner = RefusesAll()
        inner.put("key", b"content")
        bucket = ProvenBucket(inner, "")
        assert bucket.get("key") == inner.get("key")
        assert list(bucket.list("")) == list(inner.list(""))

    def test_a_probe_that_was_not_answered_is_repeated_and_one_that_was_is_not(self) -> None:
        faulty = FaultyBucket(MemoryBucket(), [Rule("put_if", Fault.FAIL_BEFORE, key="shop/probes/*")])
        bucket = ProvenBucket(faulty, "shop/")
        with pytest.raises(BucketUnavailable):
            bucket.put_if("key", b"", None)
        assert bucket.put_if("key", b"", None) is not CONFLICT
        faulty.script.append(Rule("put_if", Fault.FAIL_BEFORE, key="shop/probes/*"))
        assert bucket.put_if("key", b"", None) is CONFLICT


def test_a_store_that_does_not_answer_is_unavailable() -> None:
    with pytest.raises(BucketUnavailable):
        probe_conditional_put(FaultyBucket(MemoryBucket(), [Rule("put_if", Fault.FAIL_BEFORE)]), "")
