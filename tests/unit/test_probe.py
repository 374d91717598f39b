from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from common.bucket import probe
from common.bucket.keys import Keys
from common.bucket.port import CONFLICT, Bucket, Conflict
from common.bucket.probe import (
    ROUNDS,
    VALID_FOR,
    WRITERS,
    ProvenBucket,
    prove_conditional_put,
    race_conditional_put,
    read_proof,
)
from common.bucket.s3 import S3Bucket
from common.errors import BucketUnavailable, SettingError
from common.schemas.documents import ConditionalPutProof
from common.testing.faults import Fault, FaultyBucket, Rule
from common.testing.memory import MemoryBucket
from common.usecases.operate.sweep import renew_proof
from common.usecases.shared.context import utc_now
from tests.memory import memory_context


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


@dataclass
class ChecksThenWrites(MemoryBucket):
    """A store that answers one request at a time rightly: each writer reads the ETag before any of them writes."""

    together: threading.Barrier = field(default_factory=lambda: threading.Barrier(WRITERS))

    def put_if(self, key: str, data: bytes, expect: str | None) -> str | Conflict:
        current = self.head(key)
        if data.startswith(b"round"):
            self.together.wait()
        if (current.etag if current else None) != expect:
            return CONFLICT
        return self.put(key, data)


class LosesAWrite(MemoryBucket):
    """A store that acknowledges the first writer and keeps the last."""

    def put_if(self, key: str, data: bytes, expect: str | None) -> str | Conflict:
        answer = super().put_if(key, data, expect)
        if answer is CONFLICT and data.startswith(b"round"):
            self.put(key, data)
        return answer


KEYS = Keys("shop/")
ENDPOINT = "http://127.0.0.1:9"


def prove(bucket: Bucket) -> ConditionalPutProof:
    return prove_conditional_put(bucket, KEYS, ENDPOINT)


@pytest.mark.parametrize(
    ("bucket", "problem"),
    [
        (IgnoresBoth(), "ignores If-None-Match"),
        (IgnoresIfMatch(), "ignores If-Match"),
        (ComparesNothingButExistence(), "ignores If-Match"),
        (RefusesAll(), "refuses If-None-Match"),
        (RefusesIfMatch(), "refuses If-Match"),
        (ChecksThenWrites(), "lets [2-8] of 8 concurrent writers win"),
        (LosesAWrite(), "loses a write that it has acknowledged"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, MemoryBucket) else "",
)
def test_a_store_that_would_lose_commits_is_refused_by_name(bucket: Bucket, problem: str) -> None:
    with pytest.raises(SettingError, match=rf"RECSYS_S3_ENDPOINT: the object store \(memory\) {problem}"):
        prove(bucket)
    assert [info.key for info in bucket.list("")] == [KEYS.conditional_put_proof]
    kept = read_proof(bucket, KEYS, ENDPOINT)
    assert kept is not None
    assert "the object store (memory)" in kept.problem


def test_a_store_that_honours_it_passes_and_keeps_the_proof_alone(
    bucket: S3Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "ROUNDS", ROUNDS)
    proof = prove(bucket)
    assert proof.problem == ""
    assert "SeaweedFS" in proof.server
    assert read_proof(bucket, KEYS, ENDPOINT) == proof
    assert [info.key for info in bucket.list("")] == [KEYS.conditional_put_proof]


def test_a_round_that_is_partly_unanswered_is_decided_by_what_is_kept() -> None:
    lost = FaultyBucket(MemoryBucket(), [Rule("put_if", Fault.LOST_ANSWER, key="shop/probes/*", times=3)])
    race_conditional_put(lost, KEYS)
    assert list(lost.list("")) == []


def test_a_race_that_nobody_answers_proves_nothing() -> None:
    away = FaultyBucket(MemoryBucket(), [Rule("put_if", Fault.FAIL_BEFORE, times=WRITERS * ROUNDS)])
    with pytest.raises(BucketUnavailable):
        race_conditional_put(away, KEYS)


class TestProvenBucket:
    def test_nothing_is_written_to_a_store_without_conditional_put(self) -> None:
        inner = IgnoresBoth()
        with pytest.raises(SettingError):
            ProvenBucket(inner, KEYS, ENDPOINT).put_if("shop/store/current.json", b"", None)
        assert inner.get("shop/store/current.json") is None

    def test_a_kept_proof_is_enough(self) -> None:
        inner = FaultyBucket(MemoryBucket(), [])
        prove(inner)
        inner.script.append(Rule("put_if", Fault.FAIL_BEFORE, key="shop/probes/*"))
        assert ProvenBucket(inner, KEYS, ENDPOINT).put_if("key", b"", None) is not CONFLICT

    @pytest.mark.parametrize("endpoint", [ENDPOINT, "http://127.0.0.1:10"])
    def test_a_proof_that_failed_refuses_later_writers_of_the_same_endpoint(self, endpoint: str) -> None:
        racy = ChecksThenWrites()
        with pytest.raises(SettingError):
            prove(racy)
        repaired = ProvenBucket(MemoryBucket(_objects=dict(racy._objects)), KEYS, endpoint)
        if endpoint != ENDPOINT:
            assert repaired.put_if("key", b"", None) is not CONFLICT
            return
        with pytest.raises(SettingError, match="recsys doctor"):
            repaired.put_if("key", b"", None)
        prove_conditional_put(repaired, KEYS, endpoint)
        assert repaired.put_if("key", b"", None) is not CONFLICT

    @pytest.mark.parametrize("damage", [b"", b"{}", b"\xff"])
    def test_a_damaged_proof_is_made_again(self, damage: bytes) -> None:
        inner = MemoryBucket()
        inner.put(KEYS.conditional_put_proof, damage)
        assert ProvenBucket(inner, KEYS, ENDPOINT).put_if("key", b"", None) is not CONFLICT
        assert read_proof(inner, KEYS, ENDPOINT) is not None

    def test_whoever_only_reads_is_not_held_up(self) -> None:
        inner = RefusesAll()
        inner.put("key", b"content")
        bucket = ProvenBucket(inner, Keys(""), ENDPOINT)
        assert bucket.get("key") == inner.get("key")
        assert list(bucket.list("")) == list(inner.list(""))

    def test_a_proof_that_was_not_answered_is_repeated_and_one_that_was_is_not(self) -> None:
        faulty = FaultyBucket(MemoryBucket(), [Rule("put_if", Fault.FAIL_BEFORE, key="shop/probes/*")])
        bucket = ProvenBucket(faulty, KEYS, ENDPOINT)
        with pytest.raises(BucketUnavailable):
            bucket.put_if("key", b"", None)
        assert bucket.put_if("key", b"", None) is not CONFLICT
        faulty.script.append(Rule("put_if", Fault.FAIL_BEFORE, key="shop/probes/*"))
        assert bucket.put_if("key", b"", None) is CONFLICT


def test_a_store_that_does_not_answer_is_unavailable() -> None:
    with pytest.raises(BucketUnavailable):
        prove(FaultyBucket(MemoryBucket(), [Rule("put_if", Fault.FAIL_BEFORE)]))


def test_the_sweep_proves_once_a_day(tmp_path: Path) -> None:
    ctx = memory_context(tmp_path)
    first = renew_proof(ctx)
    assert renew_proof(ctx) == first
    tomorrow = replace(ctx, now=lambda: utc_now() + VALID_FOR + timedelta(minutes=1))
    assert renew_proof(tomorrow) != first
