"""One sweep: what waits is taken in and served, and what nothing refers to is removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.errors import BucketUnavailable
from common.testing.faults import Fault, FaultyBucket, Rule
from common.testing.memory import MemoryBucket
from common.usecases.operate.sweep import sweep
from common.usecases.shared.context import Context
from common.usecases.shared.garbage import MIN_AGE
from common.usecases.shared.run_watch import recent_runs
from tests.later import later
from tests.memory import memory_context
from tests.store.shop import events_csv, keys_under

PURCHASE = events_csv("u,a,2026-01-01,1")


@pytest.fixture
def bucket() -> FaultyBucket:
    return FaultyBucket(MemoryBucket())


@pytest.fixture
def ctx(tmp_path: Path, bucket: FaultyBucket) -> Context:
    """At a time when what is put now is old enough to be removed."""
    return later(memory_context(tmp_path, bucket), 2 * MIN_AGE)


def left_over(ctx: Context) -> str:
    key = ctx.keys.store_delta("0" * 64)
    ctx.bucket.put(key, b"left by a writer that was killed")
    return key


def test_takes_in_updates_and_removes(ctx: Context) -> None:
    unused = left_over(ctx)
    ctx.bucket.put(f"{ctx.keys.incoming_events}a.csv", PURCHASE)
    report = sweep(ctx)
    assert [run.function for run in report.runs] == ["ingest", "update"]
    assert report.deleted == (unused,)
    assert report.notices == ()


def test_an_upload_that_fails_holds_nothing_back(ctx: Context, bucket: FaultyBucket) -> None:
    unused = left_over(ctx)
    bad, good = f"{ctx.keys.incoming_events}bad.csv", f"{ctx.keys.incoming_events}good.csv"
    for key in (bad, good):
        ctx.bucket.put(key, PURCHASE)
    bucket.script.append(Rule("fetch", Fault.FAIL_BEFORE, bad, times=9))
    with pytest.raises(BucketUnavailable):
        sweep(ctx)
    assert keys_under(ctx, ctx.keys.incoming) == [bad]
    assert {(run.function, run.state) for run in recent_runs(ctx, 9)} == {
        ("ingest", "failed"),
        ("ingest", "done"),
        ("update", "done"),
    }
    assert unused not in keys_under(ctx, ctx.keys.store)


def test_an_update_that_fails_leaves_the_garbage_collection(ctx: Context, bucket: FaultyBucket) -> None:
    unused = left_over(ctx)
    ctx.bucket.put(f"{ctx.keys.incoming_events}a.csv", PURCHASE)
    bucket.script.append(Rule("get", Fault.FAIL_BEFORE, ctx.keys.serving_current))
    with pytest.raises(BucketUnavailable):
        sweep(ctx)
    assert unused not in keys_under(ctx, ctx.keys.store)
