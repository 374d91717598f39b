"""User ids never come to rest, and what people did not consent to leads to nobody."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from common.errors import FileRejected
from common.store.engine import connect_hardened
from common.store.uploads.files import damage_is_refused
from common.store.uploads.reading import ReadJob, ReadUpload, read_upload
from common.usecases.ingest import take_upload as intake
from common.usecases.ingest.compact import compact
from common.usecases.shared.context import Context
from common.usecases.shared.workspace import workspace
from tests.store.shop import (
    csv_of,
    events_csv,
    everything_in,
    ingest,
    keys_under,
    parquet_of,
    reading,
    report_of,
    rows_of,
    stored,
)

HEADER = "user_id,item_id,ts,qty,order_id,session_id,price,consent,email"
PEOPLE = [f"person-{number:04}@example.org" for number in range(40)]


def upload(consent: str = "true") -> bytes:
    rows = [
        f"{person},item-{n % 5},2026-01-{1 + n % 28:02},1,order-{person},session-{person},1,{consent},mail-{person}"
        for n, person in enumerate(PEOPLE)
    ]
    bad = [
        "person-bad-1@example.org,i,2026-01-01,0,order-bad,session-bad,1,true,x",
        "2026-01-01,i,person-bad-2@example.org,1,,,1,true,x",
        '"person-bad-3\n@example.org",i,2026-01-01,1,,,1,true,x',
        "person-bad-4@example.org,i,2026-01-01,person-bad-5@example.org,,,person-bad-6,person-bad-7,x",
        "person-bad-8@example.org,i",
    ]
    return csv_of(HEADER, *rows, *bad)


@pytest.mark.parametrize("consent", ["true", "false"])
def test_no_object_of_the_bucket_names_anybody(shop: Context, consent: str) -> None:
    run = ingest(shop, "events/a.csv", upload(consent))
    assert run.counts["rows_refused"] == 5
    compact(shop)
    for key, data in everything_in(shop).items():
        for trace in (b"person-", b"example.org", b"order-", b"session-", b"mail-"):
            assert trace not in data, (key, trace)


def test_a_refused_value_shows_its_shape_only(shop: Context) -> None:
    report = report_of(shop, ingest(shop, "events/a.csv", upload()))
    assert [(row.reason, row.value) for row in report.rows] == [
        ("qty_below_one", "0.0"),
        ("ts_unreadable", "aaaaaa-aaa-9@aaaaaaa.aaa"),
        ("user_id_control_characters", None),
        ("qty_not_a_number", "aaaaaa-aaa-9@aaaaaaa.aaa"),
        ("wrong_number_of_fields", None),
    ]


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are in the workspace after an upload was read, the upload and its normalised form left out."""
    uploads = ("upload", "normalised.csv")
    seen: list[Path] = []

    def read(job: ReadJob, _: float) -> tuple[ReadUpload, int]:
        found = read_upload(job)
        seen.extend(path for path in job.work.rglob("*") if path.is_file() and path.name not in uploads)
        for path in seen:
            assert b"person-" not in path.read_bytes(), path
        return found, 0

    monkeypatch.setattr(intake, "read_apart", read)
    return seen


def test_nothing_that_reading_writes_names_anybody(shop: Context, watched: list[Path]) -> None:
    ingest(shop, "events/a.csv", upload())
    assert {path.name for path in watched} == {"draft.duckdb", "scratch.duckdb", "refused.csv", "lock"}


def test_the_workspace_is_gone_afterwards(shop: Context) -> None:
    ingest(shop, "events/a.csv", upload())
    ingest(shop, "events/b.parquet", b"no Parquet")
    assert [path.name for path in (shop.settings.cache_dir / "work").iterdir()] == ["lock"]


def test_the_workspace_of_a_killed_process_is_removed_by_the_next(shop: Context) -> None:
    child = os.fork()
    if child == 0:
        with workspace(shop) as work:
            (work / "upload").write_bytes(upload())
            os._exit(0)
    os.waitpid(child, 0)
    root = shop.settings.cache_dir / "work"
    assert len(list(root.glob("*/upload"))) == 1
    with workspace(shop) as mine:
        assert list(root.glob("*/upload")) == []
        with workspace(shop) as other:
            assert mine.exists()
            assert other.exists()


def test_events_without_consent_have_no_person_and_no_pseudonym(shop: Context) -> None:
    rows = ["anna,a,2026-01-01,1,no", "bert,b,2026-01-01,1,yes", "anna,c,2026-01-01,1,", "anna,d,2026-01-01,1,0"]
    run = ingest(shop, "events/a.csv", csv_of("user_id,item_id,ts,qty,consent", *rows))
    assert run.counts["rows_kept"] == 4
    assert "rows with an empty consent: 1. They count without a person" in run.notices
    assert [row[:2] for row in rows_of(shop, ["anna", "bert"])] == [
        ("bert", "b"),
        (None, "a"),
        (None, "c"),
        (None, "d"),
    ]
    with reading(shop) as (_, reader):
        assert len(reader.changed_since(0).user_keys) == reader.counts().users == 1


def orders_of(shop: Context) -> dict[str, int]:
    data = stored(shop).interactions
    return {data.item_ids[item]: int(order) for item, order in zip(data.items, data.orders, strict=True)}


def test_an_order_without_consent_is_kept_together_and_leads_nowhere(shop: Context) -> None:
    header = "user_id,item_id,ts,qty,order_id,session_id,consent"
    rows = [
        "u,a,2026-01-01,1,o1,s1,no",
        "u,b,2026-01-01,1,o1,s1,no",
        "v,c,2026-01-01,1,o2,s1,no",
        "u,d,2026-01-01,1,o1,s1,yes",
    ]
    ingest(shop, "events/a.csv", csv_of(header, *rows))
    ingest(shop, "events/b.csv", csv_of(header, "u,e,2026-01-02,1,o1,s1,no"))
    orders = orders_of(shop)
    assert orders["a"] == orders["b"]
    # Not the key of another order, of the same order where the person consented, or of the same order elsewhere.
    assert len({orders[item] for item in "acde"}) == 4
    data = stored(shop).interactions
    sessions = {data.item_ids[item]: int(session) for item, session in zip(data.items, data.sessions, strict=True)}
    assert sessions["a"] == sessions["b"] == sessions["c"]
    assert len({sessions[item] for item in "ade"}) == 3


def test_without_an_order_id_half_an_hour_makes_an_order(shop: Context) -> None:
    header = "user_id,item_id,ts,qty,consent"
    at = {"a": "10:00", "b": "10:00", "c": "10:29", "d": "10:58", "e": "11:29"}
    rows = [f"u,{item},2026-01-01 {time},1,no" for item, time in at.items()]
    ingest(shop, "events/a.csv", csv_of(header, *rows, "v,f,2026-01-01 10:00,1,no"))
    orders = orders_of(shop)
    assert orders["a"] == orders["b"] == orders["c"] == orders["d"]
    assert len({orders[item] for item in "aef"}) == 3


def test_equal_events_of_two_people_without_consent_count_twice_and_only_once_each(shop: Context) -> None:
    header = "user_id,item_id,ts,qty,consent"
    both = csv_of(header, "u,a,2026-01-01,1,no", "v,a,2026-01-01,1,no", "v,a,2026-01-01,1,no")
    assert ingest(shop, "events/a.csv", both).counts["rows_kept"] == 2
    assert ingest(shop, "events/b.csv", both).counts["rows_kept"] == 0
    compact(shop)
    more = csv_of(header, *(f"{user},a,2026-01-01,1,no" for user in "uvw"), "u,a,2026-01-02,1,no")
    assert ingest(shop, "events/c.csv", more).counts["rows_kept"] == 2
    assert len(rows_of(shop)) == 4
    # The same person's event with consent is another one.
    assert ingest(shop, "events/d.csv", events_csv("u,a,2026-01-01,1")).counts["rows_kept"] == 1


def test_an_error_of_duckdb_does_not_reach_anybody_with_its_text() -> None:
    with pytest.raises(FileRejected) as raised, damage_is_refused():
        duckdb.connect().execute("SELECT 'person-1'::INTEGER")
    assert "person" not in raised.value.message
    assert raised.value.__suppress_context__


FORBIDDEN = [
    "SELECT * FROM read_csv('{other}', auto_detect = false, columns = {{'a': 'VARCHAR'}})",
    "SELECT * FROM read_text('{other}')",
    "SELECT * FROM glob('{directory}/*')",
    "SELECT * FROM read_csv('{directory}/../secret.csv')",
    "SELECT * FROM read_parquet('http://127.0.0.1:9/x.parquet')",
    "COPY (SELECT 1) TO '{directory}/new.csv'",
    "COPY (SELECT 1) TO '{upload}'",
    "ATTACH '{directory}/new.duckdb'",
    "EXPORT DATABASE '{directory}/export'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "SET memory_limit = '64GB'",
    "SET temp_directory = '{directory}'",
    "SET allowed_paths = ['{other}']",
    "SET lock_configuration = false",
    "RESET memory_limit",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_a_hardened_connection_reaches_nothing_but_the_upload_and_its_own_files(tmp_path: Path, statement: str) -> None:
    upload, other = tmp_path / "upload", tmp_path / "other.csv"
    upload.write_text("1\n")
    other.write_text("secret\n")
    connection = connect_hardened(upload, {"draft": tmp_path / "draft.duckdb"}, 1, 64 << 20)
    connection.execute("CREATE TABLE draft.mine AS SELECT 1 AS a")
    read = f"SELECT * FROM read_csv('{upload}', auto_detect = false, header = false, columns = {{'a': 'VARCHAR'}})"
    assert connection.execute(read).fetchall() == [("1",)]
    with pytest.raises(duckdb.Error):
        connection.execute(statement.format(upload=upload, other=other, directory=tmp_path))
    connection.close()
    assert {path.name for path in tmp_path.iterdir()} == {"upload", "other.csv", "draft.duckdb"}


def test_a_bomb_ends_at_the_memory_limit(shop: Context) -> None:
    """A small file that stands for a large one: 20,000 different ids of 4 KB cannot be held in 32 MB."""
    settings = shop.settings.model_copy(update={"ingest_memory_bytes": 32 << 20})
    small = replace(shop, shop=replace(shop.shop, settings=settings))
    ids = [f"{number:06}" + "x" * 4000 for number in range(20_000)]
    ones = [1] * len(ids)
    run = ingest(small, "events/a.parquet", parquet_of({"user_id": ids, "item_id": ids, "ts": ones, "qty": ones}))
    assert run.state == "refused"
    assert run.error is not None
    assert "needs more memory than RECSYS_INGEST_MEMORY_BYTES" in run.error["message"]


def test_an_upload_that_takes_too_long_is_refused(shop_with: Callable[..., Context]) -> None:
    shop = shop_with(upload_deadline_s=0.5)
    rows = [f"u{number},i,2026-01-01,1" for number in range(200_000)]
    run = ingest(shop, "events/a.csv", events_csv(*rows))
    assert run.error is not None
    assert "takes too long: split it" in run.error["message"]
    assert len(keys_under(shop, "quarantine/")) == 2


def test_the_pseudonym_is_the_hmac_that_a_token_leads_to(shop: Context) -> None:
    ingest(shop, "events/a.csv", events_csv("anna,a,2026-01-01,1"))
    key = stored(shop).interactions.user_keys[0]
    expected = shop.shop.pseudonymizer.user_key("anna")
    assert b"".join(int(part).to_bytes(8, "big") for part in key) == expected
