"""What recommend's figures tell of functions and jobs that have ended: read from the bucket's listings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from common.bucket.port import ObjectInfo
from common.edges.http_metrics import Metrics
from common.testing.faults import Fault, FaultyBucket, Rule
from common.testing.memory import MemoryBucket
from common.usecases.operate.sweep import sweep
from common.usecases.recommend.activity import Activity, read_activity
from common.usecases.recommend.bundle_watch import ACTIVITY_EVERY_S
from common.usecases.recommend.service import RecommendService
from common.usecases.shared.context import Context, utc_now
from tests.bundles import NOW, publish
from tests.memory import memory_context
from tests.store.shop import csv_of, events_csv
from tests.storefront_shop import shop_layer
from tests.usecases.test_bundle_watch import eventually

PURCHASE = events_csv("u,a,2026-01-01,1")
BAD = csv_of("who,what", "u,a")


@pytest.fixture
def bucket() -> FaultyBucket:
    return FaultyBucket(MemoryBucket())


@pytest.fixture
def ctx(tmp_path: Path, bucket: FaultyBucket) -> Context:
    return memory_context(tmp_path, bucket, refresh_s=0.001)


def an_hour_later(ctx: Context) -> Context:
    return replace(ctx, now=lambda: utc_now() + timedelta(hours=1))


def upload(ctx: Context, name: str, data: bytes = PURCHASE) -> str:
    key = f"{ctx.keys.incoming_events}{name}"
    ctx.bucket.put(key, data)
    return key


def test_an_empty_bucket_tells_nothing(ctx: Context) -> None:
    assert read_activity(ctx) == Activity({}, 0.0, 0)


def test_the_last_end_of_each_kind_of_run_is_known(ctx: Context) -> None:
    before = utc_now()
    upload(ctx, "good.csv")
    upload(ctx, "bad.csv", BAD)
    sweep(ctx)
    first = read_activity(ctx)
    assert first.last_runs.keys() == {("ingest", "done"), ("ingest", "refused"), ("update", "done")}
    assert all(before <= ended <= utc_now() for ended in first.last_runs.values())
    assert first.quarantine_reports == 1
    sweep(ctx)
    second = read_activity(ctx)
    assert second.last_runs["update", "done"] > first.last_runs["update", "done"]
    assert second.last_runs["ingest", "refused"] == first.last_runs["ingest", "refused"]


def test_a_run_goes_on_where_its_end_cannot_be_left(ctx: Context, bucket: FaultyBucket) -> None:
    bucket.script.append(Rule("put", Fault.FAIL_BEFORE, f"{ctx.keys.last_runs}*"))
    assert [run.state for run in sweep(ctx).runs] == ["done"]


def test_the_oldest_upload_tells_how_long_it_waits(ctx: Context) -> None:
    upload(ctx, "first.csv")
    ctx.bucket.put(f"{ctx.keys.incoming_events}", b"")  # a folder's marker
    assert read_activity(an_hour_later(ctx)).oldest_upload_s == pytest.approx(3600, abs=10)
    sweep(ctx)
    assert read_activity(an_hour_later(ctx)).oldest_upload_s == 0


def test_what_stays_where_it_is_does_not_wait(tmp_path: Path) -> None:
    ctx = memory_context(tmp_path, keep_uploads_days=1, max_upload_bytes=len(PURCHASE))
    kept = upload(ctx, "kept.csv")
    upload(ctx, "too-large.csv", PURCHASE * 2)
    sweep(ctx)
    assert ctx.bucket.head(kept) is not None
    assert read_activity(an_hour_later(ctx)).oldest_upload_s == 0


class CountingBucket(MemoryBucket):
    """Counts what is asked of it, by operation and key."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[tuple[str, str]] = Counter()

    def head(self, key: str) -> ObjectInfo | None:
        self.asked["head", key] += 1
        return super().head(key)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        self.asked["list", prefix] += 1
        return super().list(prefix)


def test_it_is_read_by_the_thread_that_follows_the_bucket_and_once_a_minute(tmp_path: Path) -> None:
    bucket = CountingBucket()
    ctx = memory_context(tmp_path, bucket, refresh_s=0.001)
    metrics, service = Metrics(), RecommendService(ctx)
    service.start()
    eventually(lambda: bucket.asked["head", ctx.keys.serving_current] > 20)
    service.stop()
    metrics.exposition(service)
    listed = {key: times for (operation, key), times in bucket.asked.items() if operation == "list"}
    assert listed == dict.fromkeys((ctx.keys.last_runs, ctx.keys.incoming, ctx.keys.quarantine), 1)
    assert ACTIVITY_EVERY_S >= 60


def test_a_bucket_that_cannot_be_listed_is_no_reason_to_stop(ctx: Context, bucket: FaultyBucket) -> None:
    bucket.script.append(Rule("list", Fault.FAIL_BEFORE))
    service = RecommendService(ctx)
    service.start()
    eventually(lambda: bucket.script[0].times == 0)
    assert service.watch.activity is None
    assert "recsys_quarantine_reports 0" not in Metrics().exposition(service).decode()
    publish(ctx.bucket, ctx.keys, [shop_layer(ctx.shop.pseudonymizer)], ctx.settings.cache_dir.parent)
    eventually(lambda: service.watch.current is not None)
    service.stop()


def test_the_age_of_the_model_is_not_that_of_the_bundle(ctx: Context, tmp_path: Path) -> None:
    layers, trained_at = [shop_layer(ctx.shop.pseudonymizer)], NOW - timedelta(days=2)
    bundle = publish(ctx.bucket, ctx.keys, layers, tmp_path, trained_at=trained_at)
    service = RecommendService(replace(ctx, now=lambda: bundle.created_at))
    service.watch.refresh()
    text = Metrics().exposition(service).decode()
    assert "recsys_bundle_age_seconds 0.0" in text
    assert "recsys_model_age_seconds 172800.0" in text


def test_the_figures_tell_what_was_seen(ctx: Context) -> None:
    upload(ctx, "bad.csv", BAD)
    sweep(ctx)
    metrics, service = Metrics(), RecommendService(ctx)
    service.start()
    eventually(lambda: service.watch.activity is not None)
    service.stop()
    text = metrics.exposition(service).decode()
    found = re.search(r'recsys_last_run_timestamp_seconds\{function="ingest",outcome="refused"\} (\S+)', text)
    assert found is not None
    assert float(found[1]) == pytest.approx(utc_now().timestamp(), abs=10)
    assert "recsys_quarantine_reports 1.0" in text
    assert "recsys_oldest_upload_seconds 0.0" in text
