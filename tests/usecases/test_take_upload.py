"""An upload whose key another one takes while it is read: the other stays, and is taken in after it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from common.bucket.keys import MAX_KEY_BYTES
from common.schemas.documents import RunState
from common.testing.memory import MemoryBucket
from common.usecases.ingest.ingest import drain, ingest_object
from common.usecases.ingest.quarantine import report_key
from common.usecases.ingest.take_upload import upload_of
from common.usecases.shared.context import Context
from tests.interrupted import Interrupted
from tests.memory import memory_context
from tests.store.shop import csv_of, events_csv, ingest, keys_under, rows_of

EVENTS, ERASURES = "incoming/events/same.csv", "incoming/erasures/same.csv"
OTHER = events_csv("v,b,2026-01-02,1")


@pytest.fixture
def shop(tmp_path: Path) -> Context:
    ctx = memory_context(tmp_path, MemoryBucket())
    ingest(ctx, "events/before.csv", events_csv("u,z,2026-01-01,1"))
    return ctx


def take_while_replaced(ctx: Context, key: str, operation: str, at: str, other: bytes) -> RunState:
    """Takes in what is at `key`; right before the operation `other` is uploaded there."""
    interrupted = Interrupted(ctx.bucket, operation, at, lambda: ctx.bucket.put(key, other))
    run = ingest_object(replace(ctx, bucket=interrupted), key)
    assert interrupted.happened
    blob = ctx.bucket.get(key)
    assert blob is not None
    assert blob.data == other
    return run.state


def items_after_the_sweep(ctx: Context) -> list[str]:
    assert [run.state for run in drain(ctx)] == [RunState.DONE]
    assert keys_under(ctx, "incoming/") == []
    return sorted(row[1] for row in rows_of(ctx))


def test_while_it_is_committed(shop: Context) -> None:
    shop.bucket.put(EVENTS, events_csv("u,a,2026-01-01,1"))
    assert take_while_replaced(shop, EVENTS, "put_if", shop.keys.store_current, OTHER) is RunState.DONE
    assert items_after_the_sweep(shop) == ["a", "b", "z"]


def test_while_it_is_refused(shop: Context) -> None:
    shop.bucket.put(EVENTS, csv_of("nothing,known", "1,2"))
    info = shop.bucket.head(EVENTS)
    assert info is not None
    report = report_key(shop, upload_of(info))
    assert take_while_replaced(shop, EVENTS, "put", report, OTHER) is RunState.REFUSED
    assert items_after_the_sweep(shop) == ["b", "z"]


def test_while_people_are_erased(shop: Context) -> None:
    ingest(shop, "events/of-v.csv", OTHER)
    shop.bucket.put(ERASURES, csv_of("user_id", "u"))
    other = csv_of("user_id", "v")
    assert take_while_replaced(shop, ERASURES, "purge_versions", shop.keys.store, other) is RunState.DONE
    assert sorted(row[1] for row in rows_of(shop)) == ["b"]
    assert items_after_the_sweep(shop) == []


@pytest.mark.parametrize("name", ["a" * 1_000 + ".csv", "a/" * 500 + "b.csv", "a." + "b" * 1_000])
def test_an_upload_with_the_longest_name_finds_its_place_in_the_quarantine(shop: Context, name: str) -> None:
    """The quarantine's keys are longer than the upload's."""
    key = f"incoming/events/{name}"
    shop.bucket.put(key, csv_of("nothing,known", "1,2"))
    assert ingest_object(shop, key).state is RunState.REFUSED
    report, file = sorted(keys_under(shop, "quarantine/events/"), key=lambda key: not key.endswith(".json"))
    assert report.endswith(".json")
    assert max(len(report), len(file)) <= MAX_KEY_BYTES
