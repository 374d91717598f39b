"""A person out of everything that a bucket keeps, on a real store with object versions."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from common.bucket.s3 import S3Bucket
from common.schemas.documents import RunState
from common.schemas.erasure import ErasureReceipt
from common.store.segments.tombstones import Tombstones
from common.testing.faults import FaultyBucket
from common.testing.memory import MemoryBucket
from common.usecases.erase.erase import erase, forget_tombstones, keys_of, read_receipt
from common.usecases.ingest.compact import compact
from common.usecases.ingest.ingest import drain, ingest_object
from common.usecases.recommend.service import Query, RecommendService
from common.usecases.shared.context import Context, utc_now
from common.usecases.train.train import TrainOptions, train
from common.usecases.update.update import update
from tests.erika import ERIKA, OTHERS, START, everybody, filled, filled_bucket, history_of
from tests.memory import memory_context
from tests.store.shop import csv_of, events_csv, ingest, rows_of
from tests.stored import read_served, rollback, served_document
from tests.traces import traces_of


def answers(ctx: Context) -> list[bytes]:
    service = RecommendService(ctx)
    service.watch.refresh()
    return [
        json.dumps(json.loads(service.recommend(Query(n=5, user_id=user)).body)["items"]).encode() for user in OTHERS
    ]


@pytest.mark.s3
def test_nothing_of_a_person_is_left_in_any_version_of_any_object(
    bucket: S3Bucket, context_with: Callable[..., Context], tmp_path: Path
) -> None:
    versioning = {"Bucket": bucket._name, "VersioningConfiguration": {"Status": "Enabled"}}
    bucket._clients.retrying.put_bucket_versioning(**versioning)
    ctx = filled(context_with(bucket=bucket._name, prefix="", keep_uploads_days=3))
    history = history_of(ctx, ERIKA)
    before = traces_of(ctx, ERIKA, history, tmp_path, bucket)
    places = {key.partition("/")[0] for key in before}
    assert places == {"incoming", "quarantine", "serving", "store"}
    others, rows, shown = read_served(ctx), rows_of(ctx, OTHERS), answers(ctx)

    run = ingest(ctx, "erasures/please.csv", csv_of("user_id", ERIKA))

    assert run.state is RunState.DONE
    assert traces_of(ctx, ERIKA, history, tmp_path, bucket) == []
    assert traces_of(ctx, OTHERS[1], history_of(ctx, OTHERS[1]), tmp_path, bucket)
    key = bytes(ctx.shop.pseudonymizer.user_key(ERIKA))
    assert read_served(ctx).people == {person: rows for person, rows in others.people.items() if person != key}
    assert rows_of(ctx, OTHERS) == [row for row in rows if row[0] != "somebody"]
    assert answers(ctx) == shown
    receipt = read_receipt(ctx, run)
    assert {name: count for name, count in receipt.counts.items() if count and "version" not in name} == {
        "rows_read": 1,
        "people_named": 1,
        "people_found": 1,
        "events_erased": 12,
        "segments_rewritten": 2,
        "layers_rewritten": 3,
        "layers_deleted": 3,
        "store_files_deleted": 5,
        "quarantined_files_deleted": 1,
        "kept_uploads_deleted": 3,
    }


@pytest.fixture
def shop(tmp_path: Path) -> Context:
    """Erika's shop in memory, for one test to change."""
    return memory_context(tmp_path, filled_bucket())


def test_the_receipt_names_nobody(shop: Context) -> None:
    receipt = erase(shop, [ERIKA, "stranger", ERIKA])
    text = receipt.model_dump_json()
    assert ERIKA not in text
    assert shop.shop.pseudonymizer.user_key(ERIKA).hex() not in text
    assert (receipt.counts["people_named"], receipt.counts["people_found"]) == (2, 1)
    assert receipt.bundle_id == served_document(shop).bundle.bundle_id
    assert [info.key for info in shop.bucket.list(shop.keys.erasure_requests)] == []
    assert set(receipt.timings_s) == {"store", "serving", "leftovers"}


def test_no_way_leads_back(shop: Context, tmp_path: Path) -> None:
    history = history_of(shop, ERIKA)
    erase(shop, [ERIKA])
    again = ingest(shop, "events/again.csv", events_csv(*everybody()))
    assert again.reasons == {"user_erased": 5}
    update(shop)
    rollback(shop)
    compact(shop)
    train(shop, TrainOptions(families=("als",), evaluate=False))
    assert traces_of(shop, ERIKA, history, tmp_path) == []


def test_who_comes_back_is_served_again(shop: Context) -> None:
    erase(shop, [ERIKA])
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    tomorrow = replace(shop, now=lambda: datetime.now(UTC) + timedelta(days=1))
    assert ingest(tomorrow, "events/back.csv", events_csv(f"{ERIKA},tea-1,{later},1")).counts["rows_kept"] == 1
    update(tomorrow)
    assert len(history_of(shop, ERIKA)) == 1


def test_a_tombstone_can_be_forgotten(shop: Context) -> None:
    erase(shop, [ERIKA])
    assert forget_tombstones(shop, [ERIKA, "stranger"]) == 1
    assert forget_tombstones(shop, [ERIKA]) == 0
    assert ingest(shop, "events/again.csv", events_csv(*everybody())).reasons == {}
    update(shop)
    assert len(history_of(shop, ERIKA)) == 5
    erase(shop, [ERIKA])
    assert history_of(shop, ERIKA) == []


def test_a_list_with_bad_rows_is_carried_out_for_the_good(shop: Context) -> None:
    run = ingest(shop, "erasures/list.csv", b"user_id\nperson 1\nperson 2\n" + 300 * b"x" + b"\n")
    assert run.state is RunState.DONE
    assert (run.counts["people_named"], run.counts["rows_refused"]) == (2, 1)
    assert run.reasons == {"user_id_too_long": 1}
    assert history_of(shop, "person 1") == history_of(shop, "person 2") == []


def test_a_list_without_a_header_is_refused(shop: Context) -> None:
    run = ingest(shop, "erasures/list.csv", b"person 1\nperson 2\n")
    assert run.state is RunState.REFUSED
    assert run.error is not None
    assert "user_id" in run.error["message"]
    assert history_of(shop, "person 1")


def test_a_file_of_events_among_the_lists_erases_nobody(shop: Context) -> None:
    run = ingest(shop, "erasures/by-mistake.csv", events_csv(*everybody()))
    assert run.state is RunState.REFUSED
    assert run.error is not None
    assert "has one column, user_id" in run.error["message"]
    assert history_of(shop, ERIKA)
    assert history_of(shop, "person 1")


def test_a_report_that_shows_somebody_goes_with_them(shop: Context) -> None:
    train(shop, TrainOptions(families=("als",), evaluate=False))
    [report] = [info.key for info in shop.bucket.list(shop.keys.models) if info.key.endswith("report.html")]
    shown = {user for user in (*OTHERS, ERIKA) if mark_of(shop, user) in shown_in(shop, report)}
    another = min(set(OTHERS) - shown)
    assert erase(shop, [another]).counts["reports_deleted"] == 0
    assert erase(shop, [min(shown)]).counts["reports_deleted"] == 1
    assert shop.bucket.head(report) is None


BEGINNING = b"\x93NUMPY"


@pytest.mark.parametrize(
    ("name", "content"),
    [("people.json", b""), ("people.json", b"[]"), ("user_keys.npy", b""), ("user_keys.npy", BEGINNING)],
)
def test_a_damaged_file_of_a_model_does_not_stop_an_erasure(shop: Context, name: str, content: bytes) -> None:
    """Nobody can tell whom it is about, so what may be about the person goes."""
    version = "20260101T020000Z-00"
    report, damaged = (shop.keys.model_file(version, file) for file in ("report.html", name))
    shop.bucket.put(report, b"<p>")
    shop.bucket.put(damaged, content.ljust(200))
    erase(shop, [ERIKA])
    assert history_of(shop, ERIKA) == []
    assert shop.bucket.head(report) is None
    if name == "user_keys.npy":
        assert shop.bucket.head(damaged) is None


def test_a_damaged_layer_that_nobody_serves_goes_with_an_erasure(shop: Context) -> None:
    """Its writer was killed long ago, and who is in it cannot be read."""
    keys = shop.keys.serving_people_file("20260101T020000Z-00", "user_keys.npy")
    stored = shop.bucket
    assert isinstance(stored, MemoryBucket)
    stored.now = lambda: START
    stored.put(keys, BEGINNING)
    stored.now = utc_now
    assert erase(shop, [ERIKA]).counts["layers_deleted"] >= 1
    assert stored.head(keys) is None


def mark_of(ctx: Context, user: str) -> str:
    pseudonymizer = ctx.shop.pseudonymizer
    return Tombstones.none(pseudonymizer).marks(keys_of([pseudonymizer.user_key(user)]))[0]


def shown_in(ctx: Context, report: str) -> list[str]:
    blob = ctx.bucket.get(report.replace("report.html", "people.json"))
    assert blob is not None
    return list(json.loads(blob.data)["shown"])


def test_a_request_that_was_left_is_carried_out_by_the_sweep(shop: Context) -> None:
    shop.bucket.put(f"{shop.keys.incoming_erasures}waiting.csv", csv_of("user_id", ERIKA))
    [run] = [run for run in drain(shop) if run.function == "erase"]
    assert ErasureReceipt.model_validate(read_receipt(shop, run)).counts["people_found"] == 1
    assert history_of(shop, ERIKA) == []
    assert ingest_object(shop, f"{shop.keys.incoming_erasures}waiting.csv").notices


class TakenByAnother(FaultyBucket):
    """Right after a request was put, the sweep carries it out."""

    def __init__(self, shop: Context) -> None:
        super().__init__(shop.bucket)
        self._shop = shop

    def put(self, key: str, data: bytes | Path) -> str:
        etag = super().put(key, data)
        if "/requests/" in key:
            drain(self._shop)
        return etag


def test_a_request_that_another_call_has_carried_out_ends_with_the_receipt_of_that_call(shop: Context) -> None:
    receipt = erase(replace(shop, bucket=TakenByAnother(shop)), [ERIKA])
    assert receipt.counts["people_found"] == 1
    assert history_of(shop, ERIKA) == []
