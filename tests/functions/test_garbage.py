"""What the garbage collection leaves: everything that some document still refers to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from common.errors import BadRequest
from common.schemas.documents import Bundle
from common.testing.memory import MemoryBucket
from common.usecases.erase.erase import erase, keys_of
from common.usecases.recommend.service import Query, RecommendService
from common.usecases.shared.context import Context, utc_now
from common.usecases.shared.garbage import KEEP_RUNS, MIN_AGE, collect_garbage
from common.usecases.shared.manifests import read_manifest
from common.usecases.shared.tombstones import read_tombstones_now
from tests.interrupted import Interrupted
from tests.later import later
from tests.memory import memory_context
from tests.shops import Event
from tests.store.shop import keys_under
from tests.stored import Item, add_batch, fit, publish, served_document

ITEMS = [Item(f"item-{number}") for number in range(6)]
EVENTS = [Event(f"u{user}", item.item_id, user + 0.1) for user in range(6) for item in ITEMS[user % 2 :: 2]]


def keys(ctx: Context) -> set[str]:
    return {info.key for info in ctx.bucket.list(ctx.keys.prefix)}


@pytest.mark.s3
def test_only_what_nothing_refers_to_goes_and_only_once_it_is_old(context: Context) -> None:
    add_batch(context, EVENTS, ITEMS)
    publish(context, *fit(context))
    needed = keys(context)
    unused = {
        f"{context.keys.store}delta-{'0' * 64}.duckdb",
        context.keys.serving_file("0" * 64),
        context.keys.model_file("20200101T000000Z", "artifact.json"),
    }
    for key in unused:
        context.bucket.put(key, b"left by a writer that was killed")
    assert collect_garbage(context).deleted == ()
    assert set(collect_garbage(later(context, MIN_AGE * 2)).deleted) == unused
    assert keys(context) == needed
    service = RecommendService(context)
    service.watch.refresh()
    assert service.recommend(Query(n=3)).body


def test_the_tombstones_stay_and_those_that_they_replaced_go(tmp_path: Path) -> None:
    shop = memory_context(tmp_path)
    add_batch(shop, EVENTS, ITEMS)
    erase(shop, ["u0"])
    [replaced] = keys_under(shop, "store/erased-")
    erase(shop, ["u1"])
    assert replaced in collect_garbage(later(shop, MIN_AGE * 2)).deleted
    elsewhere = memory_context(tmp_path / "elsewhere", shop.bucket)
    people = keys_of([shop.shop.pseudonymizer.user_key(user) for user in ("u0", "u1", "u2")])
    assert read_tombstones_now(elsewhere).named(people).tolist() == [True, True, False]


@pytest.mark.s3
def test_run_records_are_kept_for_longer(context: Context) -> None:
    run = f"{context.keys.runs}old.json"
    context.bucket.put(run, b"{}")
    assert collect_garbage(later(context, MIN_AGE * 2)).deleted == ()
    assert collect_garbage(later(context, KEEP_RUNS * 2)).deleted == (run,)


def needed_by(bundle: Bundle) -> set[str]:
    return {ref.key for layer in bundle.layers for ref in layer.files.values()}


def test_a_damaged_version_is_named_and_holds_nothing_up(tmp_path: Path) -> None:
    """Its files go, its manifest stays, and the other versions keep all that is theirs."""
    shop = memory_context(tmp_path)
    add_batch(shop, EVENTS, ITEMS)
    first, damaged, served = [publish(shop, *fit(shop)) for _ in range(3)]
    manifest = shop.keys.serving_bundle(damaged.bundle_id)
    shop.bucket.put(manifest, b"{}")
    unused = shop.keys.store_delta("0" * 64)
    shop.bucket.put(unused, b"left by a writer that was killed")
    garbage = collect_garbage(later(shop, MIN_AGE * 2))
    [notice] = garbage.notices
    assert damaged.bundle_id in notice
    assert manifest in notice
    kept = needed_by(first) | needed_by(served)
    assert {unused, *(needed_by(damaged) - kept)} <= set(garbage.deleted)
    assert kept | {manifest} <= keys(shop)


def test_what_an_erasure_lists_anew_meanwhile_keeps_its_files(tmp_path: Path) -> None:
    """The erasure comes between the document and the manifests that it lists, and those are removed as garbage."""
    moment = utc_now()
    bucket = MemoryBucket(lambda: moment)
    shop = memory_context(tmp_path, bucket)
    add_batch(shop, EVENTS, ITEMS)
    for _ in range(2):
        publish(shop, *fit(shop))
    moment += MIN_AGE * 2
    now = later(shop, MIN_AGE * 2)
    [listed] = served_document(shop).history
    interrupted = Interrupted(bucket, "get", listed.key, lambda: erase(now, ["u0"]))
    garbage = collect_garbage(replace(now, bucket=interrupted))
    assert interrupted.happened
    assert bucket.head(listed.key) is None
    assert garbage.notices == ()
    [anew] = served_document(shop).history
    assert needed_by(read_manifest(shop, anew)) <= keys(shop)


def test_an_age_within_which_a_commit_may_be_under_way_is_refused(context: Context) -> None:
    with pytest.raises(BadRequest, match="one hour"):
        collect_garbage(context, timedelta(minutes=59))
