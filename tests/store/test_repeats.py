"""The same upload counts once, and so does the same row: within a file, across files and after compaction."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.store.segments.duplicates import ranges_of
from common.store.uploads import settle
from common.store.uploads.reading import read_upload
from common.store.uploads.settle import repeated_values
from common.usecases.ingest import take_upload
from common.usecases.ingest.compact import compact
from common.usecases.ingest.ingest import ingest_object
from common.usecases.shared.context import Context
from tests.memory import memory_context
from tests.store.shop import csv_of, events_csv, ingest, parquet_of, rows_of, stored

FULL = "user_id,item_id,ts,qty,event_type,order_id,session_id,price"


def test_the_same_upload_counts_once(shop_with: Callable[..., Context]) -> None:
    shop = shop_with(keep_uploads_days=1)
    data = events_csv("u,a,2026-01-01,1", "u,b,2026-01-01,1")
    ingest(shop, "events/a.csv", data)
    again = ingest_object(shop, "incoming/events/a.csv")
    assert again.counts == {}
    assert again.notices == ("incoming/events/a.csv was ingested already",)
    assert len(rows_of(shop)) == 2


@pytest.mark.parametrize("compacted", [False, True])
def test_the_same_content_under_another_name_counts_once(shop: Context, compacted: bool) -> None:
    data = events_csv("u,a,2026-01-01,1", "u,b,2026-01-01,1")
    ingest(shop, "events/a.csv", data)
    if compacted:
        compact(shop)
    run = ingest(shop, "events/b.csv", data)
    assert run.counts == {"rows_read": 2, "rows_refused": 0, "rows_kept": 0, "rows_repeated": 2}
    document = stored(shop).document
    assert document is not None
    assert document.seq == 1
    # It is noted all the same, so a third delivery is not read again.
    assert [upload.key for segment in document.segments for upload in segment.uploads][-1] == "incoming/events/b.csv"


def test_the_same_rows_in_another_format_count_once(shop: Context) -> None:
    ingest(shop, "events/a.csv", events_csv("7,a,2026-01-01T12:00:00+01:00,1"))
    columns = {"QTY": [1.0], "user_id": [7], "ts": [1_767_265_200_000], "item_id": ["a"]}
    assert ingest(shop, "events/b.parquet", parquet_of(columns)).counts["rows_repeated"] == 1


def test_rows_that_differ_in_any_column_are_different(shop: Context) -> None:
    rows = [
        "u,a,2026-01-01,1,purchase,o,s,1",
        "v,a,2026-01-01,1,purchase,o,s,1",
        "u,b,2026-01-01,1,purchase,o,s,1",
        "u,a,2026-01-01T00:00:00.000001,1,purchase,o,s,1",
        "u,a,2026-01-01,2,purchase,o,s,1",
        "u,a,2026-01-01,1,view,o,s,1",
        "u,a,2026-01-01,1,purchase,p,s,1",
        "u,a,2026-01-01,1,purchase,,s,1",
        "u,a,2026-01-01,1,purchase,o,t,1",
        "u,a,2026-01-01,1,purchase,o,,1",
        "u,a,2026-01-01,1,purchase,o,s,2",
        "u,a,2026-01-01,1,purchase,o,s,",
    ]
    run = ingest(shop, "events/a.csv", csv_of(FULL, *rows, *rows))
    assert run.counts == {"rows_read": 24, "rows_refused": 0, "rows_kept": 12, "rows_repeated": 12}
    again = ingest(shop, "events/b.csv", csv_of(FULL, *rows))
    assert again.counts["rows_repeated"] == 12
    new = ingest(shop, "events/c.csv", csv_of(FULL, *(row.replace("2026-01-01", "2026-01-02", 1) for row in rows)))
    assert new.counts["rows_kept"] == 12


def test_an_overlapping_export_adds_only_what_is_new(shop: Context) -> None:
    days = [f"u{day % 7},i{day % 5},2026-01-{day:02},1" for day in range(1, 29)]
    ingest(shop, "events/a.csv", events_csv(*days[:20]))
    run = ingest(shop, "events/b.csv", events_csv(*days[10:]))
    assert (run.counts["rows_kept"], run.counts["rows_repeated"]) == (8, 10)
    assert len(rows_of(shop)) == 28


def test_repeats_are_found_in_slices_of_all_hashes(shop: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settle, "_SLICE_ROWS", 7)
    monkeypatch.setattr(take_upload, "read_apart", lambda job, _: (read_upload(job), 0))
    rows = [f"u{n % 5},i{n % 20},2026-01-01,1" for n in range(50)]
    run = ingest(shop, "events/a.csv", events_csv(*rows))
    assert (run.counts["rows_kept"], run.counts["rows_repeated"]) == (20, 30)
    assert len(rows_of(shop)) == 20


def test_two_rows_of_one_hash_are_compared(shop: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collision of hashes must cost a comparison, never an event."""
    monkeypatch.setattr(settle, "_HASH", "7::UBIGINT")
    monkeypatch.setattr(take_upload, "read_apart", lambda job, _: (read_upload(job), 0))
    ingest(shop, "events/a.csv", events_csv("u,a,2026-01-01,1", "v,a,2026-01-01,1", "v,a,2026-01-01,1"))
    ingest(shop, "events/b.csv", events_csv("u,b,2026-01-01,1", "u,a,2026-01-01,1"))
    assert [row[:2] for row in rows_of(shop, "uv")] == [("u", "a"), ("u", "b"), ("v", "a")]


UPLOADS = st.lists(
    st.lists(st.tuples(st.sampled_from("uvw"), st.sampled_from("ab"), st.integers(1, 3)), max_size=8), max_size=4
)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(uploads=UPLOADS, compactions=st.sets(st.integers(0, 3)))
def test_any_uploads_in_any_order_are_the_set_of_their_rows(
    uploads: list[list[tuple[str, str, int]]], compactions: set[int]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        shop = memory_context(Path(directory))
        for number, rows in enumerate(uploads):
            run = ingest(shop, f"events/{number}.csv", events_csv(*(f"{u},{i},2026-01-0{d},1" for u, i, d in rows)))
            assert run.counts["rows_kept"] + run.counts["rows_repeated"] == len(rows)
            if number in compactions:
                compact(shop)
        found = [(row[0], row[1], 1 + (row[2] - 1_767_225_600) // 86_400) for row in rows_of(shop, "uvw")]
        assert sorted(found) == sorted({row for rows in uploads for row in rows})


def test_ranges_hold_every_moment_and_cut_at_the_widest_gaps() -> None:
    moments = np.array([0, 1, 2, 1000, 1001, 5000], dtype=np.int64)
    assert ranges_of(moments[:3]) == [(0, 0), (1, 1), (2, 2)]
    assert ranges_of(moments[:0]) == []
    many = np.concatenate([np.arange(100), np.arange(100) + 10_000, np.array([99_999])]).astype(np.int64)
    ranges = ranges_of(many)
    assert len(ranges) == 16
    assert all(any(first <= moment <= last for first, last in ranges) for moment in many)
    assert not any(first <= moment <= last for first, last in ranges for moment in (500, 9_999, 20_000))


def test_repeated_values_are_found_in_both_halves() -> None:
    values = np.array([7, 2**63, 2**64 - 1, 7, 3, 2**63, 7, 0], dtype=np.uint64)
    assert repeated_values(values).tolist() == [7, 2**63]
    assert repeated_values(values[:3]).tolist() == []
