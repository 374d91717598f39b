"""Reading base, catalogue and deltas as one, and folding them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ParamSpec, TypeVar

import duckdb
import numpy as np
import pytest

from common.errors import CorruptError
from common.ids import sha256_of_file, split_user_key
from common.schemas.data import EVENT_TYPES, U64
from common.schemas.documents import FileRef, Segment, StoreDocument
from common.store.engine import STORAGE_VERSION
from common.store.segments.compaction import fold_events
from common.store.segments.reader import open_store
from common.usecases.ingest import compact as compaction
from common.usecases.ingest.compact import compact
from common.usecases.shared.context import Context
from tests.memory import memory_context
from tests.store.shop import csv_of, events_csv, everything_in, ingest, reading, refilled, rows_of, same, stored

P = ParamSpec("P")
T = TypeVar("T")
HEADER = "user_id,item_id,ts,qty,event_type,order_id,price,consent"
FOSSIL = Path(__file__).parent / "fossils" / "segment-1.duckdb"


def random_rows(seed: int, count: int, days: int = 60) -> list[str]:
    rng = random.Random(seed)
    return [
        f"u{rng.randrange(9)},i{rng.randrange(12)},{1_767_225_600 + rng.randrange(days * 86_400)},{rng.randint(1, 3)},"
        f"{rng.choice(EVENT_TYPES)},{rng.choice(['', 'o1', 'o2'])},{rng.choice(['', '1.5'])},{rng.choice(['1', '0'])}"
        for _ in range(count)
    ]


@pytest.fixture(scope="module")
def four_batches(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The objects of a shop after four uploads."""
    shop = memory_context(tmp_path_factory.mktemp("filled"))
    for seed in range(4):
        ingest(shop, f"events/{seed}.csv", csv_of(HEADER, *random_rows(seed, 40)))
    return everything_in(shop)


@pytest.fixture
def filled(shop: Context, four_batches: dict[str, bytes]) -> Context:
    return refilled(shop, four_batches)


def keys_of(shop: Context, *users: str) -> U64:
    keys = sorted(split_user_key(shop.shop.pseudonymizer.user_key(user)) for user in users)
    return np.array(keys, dtype=np.uint64).reshape(-1, 2)


def test_an_empty_store_reads_as_empty(shop: Context) -> None:
    empty = stored(shop)
    assert (len(empty.interactions), empty.interactions.n_users, empty.interactions.n_items) == (0, 0, 0)
    assert len(empty.catalogue) == 0
    assert (empty.counts.events, empty.counts.users, empty.counts.items, empty.counts.min_ts) == (0, 0, 0, None)
    assert compact(shop) is None
    with reading(shop) as (_, reader):
        assert reader.changed_since(0).events == 0
        assert len(reader.interactions(user_keys=keys_of(shop, "nobody"))) == 0


def test_interactions_have_the_shapes_types_and_order_that_they_promise(filled: Context) -> None:
    data = stored(filled).interactions
    assert data.user_keys.dtype == np.uint64
    assert data.user_keys.tolist() == sorted(data.user_keys.tolist())
    assert list(data.item_ids) == sorted(data.item_ids)
    types = {
        "users": "i4",
        "items": "i4",
        "ts": "i8",
        "qty": "f4",
        "event_types": "i1",
        "orders": "i8",
        "sessions": "i8",
    }
    for name, kind in {**types, "prices": "f4"}.items():
        assert getattr(data, name).dtype == np.dtype(kind)
        assert getattr(data, name).shape == (160,)
        assert not isinstance(getattr(data, name), np.ma.MaskedArray)
    assert (np.diff(data.ts) >= 0).all()
    assert set(np.unique(data.users)) == {-1, *range(data.n_users)}
    assert set(np.unique(data.items)) == set(range(data.n_items))


def test_counts(filled: Context) -> None:
    counts = stored(filled).counts
    data = stored(filled).interactions
    assert (counts.events, counts.users) == (160, data.n_users)
    assert counts.purchases == int((data.event_types == 0).sum())
    assert counts.min_ts == datetime.fromtimestamp(int(data.ts[0]), UTC)
    assert counts.max_ts == datetime.fromtimestamp(int(data.ts[-1]), UTC)


def test_folding_changes_nothing_that_is_read(filled: Context) -> None:
    ingest(filled, "items/a.csv", csv_of("item_id,category,brand,price,img_url,size", "i1,c,b,1,,", "i2,c,b,,,XL"))
    before = stored(filled)
    with reading(filled) as (_, reader):
        later = reader.interactions(since_seq=2)
        changed = reader.changed_since(2)
    document = compact(filled)
    after = stored(filled)
    assert document is not None
    assert document.base is not None
    assert document.catalogue is not None
    assert document.deltas == ()
    assert (document.base.events, document.base.items) == (160, 0)
    assert (document.catalogue.events, document.catalogue.items) == (0, 2)
    assert same(before.interactions, after.interactions)
    assert str(before.catalogue) == str(after.catalogue)
    assert before.counts == after.counts
    with reading(filled) as (_, reader):
        assert same(later, reader.interactions(since_seq=2))
        assert changed.events == reader.changed_since(2).events == 80
        assert np.array_equal(changed.user_keys, reader.changed_since(2).user_keys)
        assert changed.event_item_ids == reader.changed_since(2).event_item_ids


def test_folding_again_and_again_equals_folding_once(shop_with: Callable[..., Context], tmp_path: Path) -> None:
    shop = shop_with()
    other = shop_with(cache_dir=tmp_path / "other")
    for seed in range(3):
        data = csv_of(HEADER.replace(",consent", ""), *(row.rsplit(",", 1)[0] for row in random_rows(seed, 30)))
        ingest(shop, f"events/{seed}.csv", data)
        compact(shop)
        ingest(other, f"events/{seed}.csv", data)
    compact(other)
    assert same(stored(shop).interactions, stored(other).interactions)


def test_a_base_is_sorted_by_time_and_has_no_gaps_in_its_numbers(filled: Context) -> None:
    document = compact(filled)
    assert document is not None
    assert document.base is not None
    path = filled.cache.fetch(filled.bucket, document.base.file)
    with duckdb.connect(str(path), read_only=True) as base:
        times = base.execute("SELECT ts FROM events").fetchnumpy()["ts"]
        assert (times[1:] >= times[:-1]).all()
        assert base.execute("SELECT max(user_no) + 1, count(*) FROM users").fetchall() == [(9, 9)]
        tags = base.execute("SELECT tags['storage_version'] FROM duckdb_databases() WHERE NOT internal").fetchall()
    assert tags == [(f"{STORAGE_VERSION}+",)]
    assert document.base.storage_version == STORAGE_VERSION


def test_selected_people_and_batches(filled: Context) -> None:
    everything = stored(filled).interactions
    wanted = keys_of(filled, "u1", "u5", "unknown")
    codes = [code for code, key in enumerate(everything.user_keys.tolist()) if key in wanted.tolist()]
    with reading(filled) as (_, reader):
        chosen = reader.interactions(user_keys=wanted)
        assert chosen.n_users == len(codes) == 2
        assert len(chosen) == int(np.isin(everything.users, codes).sum())
        assert set(np.unique(chosen.items)) == set(range(chosen.n_items))
        assert len(reader.interactions(since_seq=2)) == 80
        assert len(reader.interactions(since_seq=4)) == 0
        both = reader.interactions(since_seq=2, user_keys=wanted)
        assert 0 < len(both) < len(chosen)


def test_what_a_batch_touches(shop: Context) -> None:
    ingest(shop, "events/a.csv", events_csv("u,a,2026-01-01,1", "v,b,2026-01-01,1"))
    ingest(shop, "events/b.csv", events_csv("v,b,2026-01-01,1", "v,c,2026-01-02,1", "w,d,2026-01-02,1"))
    with reading(shop) as (_, reader):
        found = reader.changed_since(1)
        assert found.events == 2
        assert found.user_keys.tolist() == keys_of(shop, "v", "w").tolist()
        assert found.event_item_ids == ("c", "d")
        assert found.item_ids == ()


def test_retention_drops_old_events_and_those_who_have_no_others(shop_with: Callable[..., Context]) -> None:
    shop = shop_with(retention_days=30)
    now = datetime.now(UTC)
    days = {"old": 40, "both": 35, "young": 3}
    rows = [f"{user},{user}-item,{(now - timedelta(days=age)).isoformat()},1" for user, age in days.items()]
    ingest(shop, "events/a.csv", events_csv(*rows, f"both,x,{(now - timedelta(days=1)).isoformat()},1"))
    compact(shop)
    assert [row[:2] for row in rows_of(shop, days)] == [("both", "x"), ("young", "young-item")]
    assert stored(shop).counts.users == 2
    # Nothing is left to fold, but what was young grows old.
    later = replace(shop, now=lambda: now + timedelta(days=28))
    compact(later)
    assert [row[:2] for row in rows_of(shop, days)] == [("both", "x")]
    document = compact(later)
    assert document == shop.store_file.read().document


def followed_by(then: Callable[[], object], work: Callable[P, T]) -> Callable[P, T]:
    """`work`, and `then` before its result is used."""

    def both(*args: P.args, **named: P.kwargs) -> T:
        made = work(*args, **named)
        then()
        return made

    return both


def test_an_upload_that_lands_during_compaction_stays_a_delta(filled: Context, monkeypatch: pytest.MonkeyPatch) -> None:

    def upload() -> None:
        ingest(filled, "events/meanwhile.csv", events_csv("new,i,2026-05-01,1"))

    monkeypatch.setattr(compaction, "fold_events", followed_by(upload, fold_events))
    document = compact(filled)
    assert document is not None
    assert [delta.events for delta in document.deltas] == [1]
    assert len(stored(filled).interactions) == 161


def test_of_two_compactions_one_lands(filled: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    before = stored(filled).interactions

    def overtake() -> None:
        monkeypatch.setattr(compaction, "fold_events", fold_events)
        compact(filled)

    monkeypatch.setattr(compaction, "fold_events", followed_by(overtake, fold_events))
    compact(filled)
    document = filled.store_file.read().document
    assert document is not None
    assert len(document.commits) == 5
    assert same(before, stored(filled).interactions)


def test_old_uploads_are_forgotten_by_name_and_recognised_by_their_rows(
    shop: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "MAX_UPLOADS", 2)
    for number in range(4):
        ingest(shop, f"events/{number}.csv", events_csv(f"u,i{number},2026-01-01,1"))
    document = compact(shop)
    assert document is not None
    assert document.base is not None
    assert [upload.key[-5:] for upload in document.base.uploads] == ["2.csv", "3.csv"]
    assert ingest(shop, "events/0.csv", events_csv("u,i0,2026-01-01,1")).counts["rows_repeated"] == 1


def test_a_segment_written_by_the_first_release_stays_readable(tmp_path: Path) -> None:
    """The fossil holds two people, three events and one item; see its table `about` for the format."""
    key = f"store/delta-{sha256_of_file(FOSSIL)}.duckdb"
    ref = FileRef(key=key, sha256=sha256_of_file(FOSSIL), bytes=FOSSIL.stat().st_size)
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    events = Segment(file=ref, seq=1, storage_version="v1.5.0", events=3, items=1, min_ts=noon, max_ts=noon)
    document = StoreDocument(commit_id="c", committed_at=noon, next_seq=2, deltas=(events,))
    with open_store(document, lambda _: FOSSIL, tmp_path) as reader:
        data, catalogue = reader.interactions(), reader.catalogue()
    assert data.user_keys.tolist() == [[1, 2], [3, 4]]
    assert data.item_ids == ("a", "b")
    assert data.users.tolist() == [0, 1, -1]
    assert data.items.tolist() == [0, 1, 0]
    assert data.orders.tolist() == [5, -1, 6]
    assert (catalogue.item_ids, catalogue.prices.tolist(), catalogue.extra) == (("a",), [9.5], ({"size": "XL"},))


def test_a_segment_of_an_unknown_format_is_refused(tmp_path: Path) -> None:
    newer = tmp_path / "newer.duckdb"
    newer.write_bytes(FOSSIL.read_bytes())
    with duckdb.connect(str(newer)) as connection:
        connection.execute("UPDATE about SET format_version = 99")
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    ref = FileRef(key="store/delta-x.duckdb", sha256="0" * 64, bytes=1)
    segment = Segment(file=ref, seq=1, storage_version="v1.5.0", events=3, items=0)
    document = StoreDocument(commit_id="c", committed_at=noon, next_seq=2, deltas=(segment,))
    with (
        pytest.raises(CorruptError, match="has segment format 99"),
        open_store(document, lambda _: newer, tmp_path),
    ):
        pass
