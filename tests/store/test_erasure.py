"""People out of the store: what is rewritten, what stays as it was, and what may come back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from common.ids import split_user_key
from common.schemas.documents import RunState
from common.testing.memory import MemoryBucket
from common.usecases.erase.stored import StoreErasure
from common.usecases.ingest.compact import compact
from common.usecases.shared.context import Context
from tests.memory import memory_context
from tests.store.shop import events_csv, ingest, rows_of, stored

PEOPLE = "abcd"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
OLD = events_csv(*(f"{user},{user}-{item},2026-01-0{item},1" for user in PEOPLE for item in range(1, 6)))


@pytest.fixture
def shop(tmp_path: Path) -> Context:
    return memory_context(tmp_path)


def erase(ctx: Context, user: str, work: Path, until: datetime = NOW) -> StoreErasure:
    work.mkdir(exist_ok=True)
    keys = np.array([split_user_key(ctx.shop.pseudonymizer.user_key(user))], dtype=np.uint64)
    erasure = StoreErasure(ctx, keys, until, work)
    erasure.carry_out()
    return erasure


def test_a_person_is_gone_and_the_others_are_as_they_were(shop: Context, tmp_path: Path) -> None:
    ingest(shop, "events/old.csv", OLD)
    compact(shop)
    ingest(shop, "events/new.csv", events_csv("a,shared,2026-02-01,1", "b,shared,2026-02-01,2"))
    before = rows_of(shop, PEOPLE)
    erasure = erase(shop, "a", tmp_path / "work")
    assert [made.found.events for made in erasure.rewritten] == [5, 1]
    assert rows_of(shop, PEOPLE) == [row for row in before if row[0] != "a"]
    assert not any(item.startswith("a-") for item in stored(shop).interactions.item_ids)
    document = stored(shop).document
    assert document is not None
    assert [segment.events for segment in document.segments] == [15, 1]


def test_files_without_the_person_stay(shop: Context, tmp_path: Path) -> None:
    ingest(shop, "events/a.csv", events_csv("a,x,2026-02-01,1"))
    ingest(shop, "events/b.csv", events_csv("b,x,2026-02-01,1"))
    before = stored(shop).document
    erase(shop, "a", tmp_path / "work")
    after = stored(shop).document
    assert before is not None
    assert after is not None
    assert [segment.file for segment in after.segments] == [before.deltas[1].file]
    # What is left of the first upload is the knowledge that it was read.
    assert ingest(shop, "events/a.csv", events_csv("a,x,2026-02-01,1")).counts.get("rows_kept", 0) == 0


def test_old_events_stay_out_and_new_ones_come_in(shop: Context, tmp_path: Path) -> None:
    ingest(shop, "events/old.csv", OLD)
    erase(shop, "a", tmp_path / "work")
    again = ingest(shop, "events/again.csv", OLD)
    assert again.state is RunState.DONE
    assert again.counts == {"rows_read": 20, "rows_refused": 5, "rows_kept": 0, "rows_repeated": 15}
    assert again.reasons == {"user_erased": 5}
    back = ingest(shop, "events/back.csv", events_csv("a,x,2026-03-01T00:00:00.000001Z,1", "a,x,2026-03-01,1"))
    assert (back.counts["rows_kept"], back.reasons) == (1, {"user_erased": 1})
    assert [row[1] for row in rows_of(shop, PEOPLE) if row[0] == "a"] == ["x"]


def test_an_upload_that_still_names_the_person_is_not_kept(tmp_path: Path) -> None:
    shop = memory_context(tmp_path, keep_uploads_days=3)
    erase(shop, "a", tmp_path / "work")
    ingest(shop, "events/old.csv", OLD)
    ingest(shop, "events/new.csv", events_csv("b,x,2026-02-01,1"))
    assert [info.key for info in shop.bucket.list(shop.keys.incoming)] == ["incoming/events/new.csv"]


def test_erasing_again_changes_nothing(shop: Context, tmp_path: Path) -> None:
    ingest(shop, "events/old.csv", OLD)
    erase(shop, "a", tmp_path / "work")
    before = stored(shop).document
    assert erase(shop, "a", tmp_path / "work").rewritten == []
    assert stored(shop).document == before


def test_a_later_erasure_reaches_further(shop: Context, tmp_path: Path) -> None:
    ingest(shop, "events/old.csv", OLD)
    erase(shop, "a", tmp_path / "one", until=datetime(2026, 1, 3, tzinfo=UTC))
    assert [row[1] for row in rows_of(shop, PEOPLE) if row[0] == "a"] == ["a-4", "a-5"]
    erase(shop, "a", tmp_path / "two")
    assert not [row for row in rows_of(shop, PEOPLE) if row[0] == "a"]


def test_nothing_is_left_of_a_shop_with_one_person(shop: Context, tmp_path: Path) -> None:
    ingest(shop, "events/only.csv", events_csv("a,x,2026-02-01,1"))
    compact(shop)
    erase(shop, "a", tmp_path / "work")
    document = stored(shop).document
    assert document is not None
    assert (document.segments, document.seq) == ((), 1)
    assert ingest(shop, "events/next.csv", events_csv("b,x,2026-02-01,1")).counts["rows_kept"] == 1


def test_who_is_not_there_yet_stays_out(shop: Context, tmp_path: Path) -> None:
    erase(shop, "a", tmp_path / "work")
    assert ingest(shop, "events/old.csv", OLD).reasons == {"user_erased": 5}
    assert {row[0] for row in rows_of(shop, PEOPLE)} == set("bcd")


def test_the_tombstone_tells_nobody(shop: Context, tmp_path: Path) -> None:
    erase(shop, "a", tmp_path / "work")
    key = shop.shop.pseudonymizer.user_key("a")
    bucket = shop.bucket
    assert isinstance(bucket, MemoryBucket)
    for info in bucket.list(""):
        blob = bucket.get(info.key)
        assert blob is not None
        assert key.hex().encode() not in blob.data
        assert bytes(key) not in blob.data
