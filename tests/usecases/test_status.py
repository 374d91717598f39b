"""What `recsys status` says of a shop."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from common.usecases.operate.doctor import CHECKS, CheckState
from common.usecases.operate.status import QuarantineStatus, status
from common.usecases.recommend.activity import read_activity
from common.usecases.shared.context import utc_now
from common.usecases.update.update import update
from tests.memory import memory_context
from tests.shops import Event
from tests.store.shop import csv_of, events_csv, ingest, keys_under
from tests.stored import Item, add_batch, fit, publish, rollback, served_document

ITEMS = [Item(f"tea{number}", "tea", "assam", 5.0) for number in range(4)]
EVENTS = [Event(f"u{person}", f"tea{person % 3}", day=person) for person in range(12)]


def test_items_that_are_described_again_count_once(tmp_path: Path) -> None:
    ctx = memory_context(tmp_path)
    add_batch(ctx, EVENTS, ITEMS)
    publish(ctx, *fit(ctx))
    add_batch(ctx, [], [Item("tea0", "tea", "assam", 6.0), Item("tea9", "tea", "assam", 7.0)])
    update(ctx)
    found = status(ctx)
    assert found.store is not None
    assert found.store.items == len(ITEMS) + 1
    assert found.serving is not None
    assert found.serving.layers == 2
    assert found.serving.items == len(ITEMS) + 1


def test_versions_are_what_rollback_can_go_to(tmp_path: Path) -> None:
    ctx = memory_context(tmp_path)
    add_batch(ctx, EVENTS, ITEMS)
    artifact = fit(ctx)
    first, second, _ = [publish(ctx, *artifact) for _ in range(3)]
    found = status(ctx).versions
    assert [(version.bundle_id, version.trained_at, version.family, version.created_by) for version in found] == [
        (bundle.bundle_id, bundle.model.trained_at, "als", "train") for bundle in (second, first)
    ]
    rollback(ctx, to=found[-1].bundle_id)
    assert served_document(ctx).bundle.model == first.model
    gone = ctx.keys.serving_bundle(second.bundle_id)
    ctx.bucket.delete(gone)
    seen = status(ctx)
    assert second.bundle_id not in [version.bundle_id for version in seen.versions]
    [damaged] = seen.damaged_versions
    assert (damaged.bundle_id, damaged.family) == (second.bundle_id, "als")
    assert gone in damaged.problem


def test_the_newest_refusal_is_told_with_its_main_reason(tmp_path: Path) -> None:
    ctx = memory_context(tmp_path)
    assert status(ctx).refused is None
    ingest(ctx, "events/whole.csv", csv_of("nothing,known", "1,2"))
    whole = status(ctx).refused
    assert whole is not None
    assert "user_id" in whole.reason
    rows = ["u,a,2026-01-01,1", "u,b,2026-01-02,1", "u,c,2026-01-03,1", "u,d,yesterday,1", "u,e,2026-01-03,0"]
    ingest(ctx, "events/rows.csv", events_csv(*rows, "u,f,2026-01-03,-1"))
    found = status(ctx).refused
    assert isinstance(found, QuarantineStatus)
    assert found.newest in keys_under(ctx, "quarantine/events/rows")
    assert (found.reports, found.reason.partition(":")[0]) == (2, "qty_below_one (2 of 6 rows)")
    ctx.bucket.put(found.newest, b"damaged")
    assert "cannot be read" in (status(ctx).refused or found).reason


def test_only_what_somebody_will_take_in_waits(tmp_path: Path) -> None:
    """For status and the doctor as for the alert: no folder, no upload that is kept, none over the limit."""
    ctx = memory_context(tmp_path, keep_uploads_days=1, max_upload_bytes=200)
    ingest(ctx, "events/kept.csv", events_csv("u,a,2026-01-01,1"))
    ingest(ctx, "events/too-large.csv", events_csv(*["u,a,2026-01-01,1"] * 20))
    for folder in (ctx.keys.incoming, ctx.keys.incoming_events, ctx.keys.erasure_requests, ctx.keys.last_runs):
        ctx.bucket.put(folder, b"")
    later = replace(ctx, now=lambda: utc_now() + timedelta(hours=2))
    assert len(keys_under(ctx, "incoming/")) == 4
    assert status(later).waiting == ()
    assert [CHECKS[check](later).outcome for check in ("uploads", "erasures")] == [CheckState.OK, CheckState.OK]
    assert read_activity(later).oldest_upload_s == 0
    assert read_activity(later).last_runs.keys() == {("ingest", "done"), ("ingest", "refused")}
    waiting = f"{ctx.keys.incoming_events}waiting.csv"
    ctx.bucket.put(waiting, b"x")
    assert [upload.key for upload in status(later).waiting] == [waiting]
    assert CHECKS["uploads"](later).outcome is CheckState.WARNING


def test_sizes_are_of_what_is_there(tmp_path: Path) -> None:
    ctx = memory_context(tmp_path)
    ctx.bucket.put("incoming/events/a.csv", b"12345")
    ctx.bucket.put("incoming/items/a.csv", b"123")
    ctx.bucket.put("another-shop/store/base.duckdb", b"1234567")
    assert {name: count for name, count in status(ctx).bytes.items() if count} == {"incoming": 8}
