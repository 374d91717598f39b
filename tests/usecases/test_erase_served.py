"""People out of what is served and what can be gone back to, and nobody else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from common.bucket.cache import FileCache
from common.ids import split_user_key
from common.serving.rewrite import KEYS_FILE
from common.testing.faults import FaultyBucket
from common.testing.memory import MemoryBucket
from common.usecases.erase.erase import erase as erase_whole
from common.usecases.erase.served import ServedErasure, erase_served
from common.usecases.erase.stored import StoreErasure
from common.usecases.ingest.ingest import drain
from common.usecases.operate.doctor import CHECKS, CheckState
from common.usecases.shared.context import Context, utc_now
from common.usecases.shared.manifests import read_manifest
from common.usecases.shared.run_watch import recent_runs
from common.usecases.update.update import update
from tests.memory import memory_context
from tests.property.stepping import Stepper
from tests.shops import Event
from tests.stored import Served, add_batch, fit, publish, read_served, rollback, served_document
from tests.usecases.test_update import EVENTS, ITEMS


@pytest.fixture
def shop(tmp_path: Path) -> Context:
    """Two models and a delta layer on the second, on a clock whose every look is a minute after the last."""
    moments = (utc_now() + timedelta(minutes=count) for count in range(10_000))
    ctx = replace(memory_context(tmp_path), now=lambda: next(moments))
    add_batch(ctx, EVENTS, ITEMS)
    artifact = fit(ctx)
    publish(ctx, *artifact)
    publish(ctx, *artifact)
    add_batch(ctx, [Event("u01", "shoe1", 20), Event("u02", "tea1", 20)])
    update(ctx)
    return ctx


def key(ctx: Context, user: str) -> bytes:
    return bytes(ctx.shop.pseudonymizer.user_key(user))


def out_of_store(ctx: Context, user: str, work: Path) -> None:
    directory = work / f"store-{user}"
    directory.mkdir(parents=True)
    keys = np.array([split_user_key(ctx.shop.pseudonymizer.user_key(user))], dtype=np.uint64)
    StoreErasure(ctx, keys, ctx.now() + timedelta(days=365), directory).carry_out()


def erase(ctx: Context, user: str, work: Path) -> ServedErasure:
    out_of_store(ctx, user, work)
    return erase_served(ctx)


def assert_the_rest_is_the_same(after: Served, before: Served, gone: set[bytes]) -> None:
    assert after.people == {person: rows for person, rows in before.people.items() if person not in gone}
    assert after.due == {person: rows for person, rows in before.due.items() if person not in gone}
    assert {name: vector.tolist() for name, vector in after.vectors.items()} == {
        name: vector.tolist() for name, vector in before.vectors.items() if name not in gone
    }
    assert after.items.keys() == before.items.keys()
    assert (after.popular, after.similar) == (before.popular, before.similar)


def test_a_person_is_gone_from_every_layer_and_the_rest_is_the_same(shop: Context, tmp_path: Path) -> None:
    before = read_served(shop)
    assert key(shop, "u01") in before.people
    erasure = erase(shop, "u01", tmp_path / "work")
    assert (erasure.layers, erasure.versions, erasure.dropped) == (3, 1, [])
    assert_the_rest_is_the_same(read_served(shop), before, {key(shop, "u01")})
    bundle = served_document(shop).bundle
    assert (bundle.created_by, served_document(shop).erasure) == ("erase", 1)
    assert [layer.n_users for layer in bundle.layers] == [11, 1]


def test_going_back_does_not_bring_them_back(shop: Context, tmp_path: Path) -> None:
    first = read_manifest(shop, served_document(shop).history[0])
    erase(shop, "u01", tmp_path / "work")
    back = rollback(shop)
    assert back.model.version == first.model.version
    assert key(shop, "u01") not in read_served(shop).people
    assert {key(shop, "u02"), key(shop, "u03")} < set(read_served(shop).people)


def test_layers_without_the_person_and_the_files_of_items_stay(shop: Context, tmp_path: Path) -> None:
    before = served_document(shop).bundle
    erase(shop, "u05", tmp_path / "work")
    after = served_document(shop).bundle
    assert after.layers[1] == before.layers[1]
    changed = {name for name, ref in after.layers[0].files.items() if ref != before.layers[0].files[name]}
    assert all(name.startswith(("user_", "history_")) or name == "layer.json" for name in changed)
    assert "items.faiss" not in changed


def test_whoever_is_served_nothing_of_costs_a_commit_and_no_file(shop: Context, tmp_path: Path) -> None:
    before = served_document(shop)
    erase(shop, "stranger", tmp_path / "work")
    after = served_document(shop)
    assert (after.bundle, after.history, after.erasure) == (before.bundle, before.history, 1)
    assert after.commit_id != before.commit_id
    erase_served(shop)
    assert served_document(shop) == after


def test_who_came_back_is_not_taken_out_with_the_next_one(shop: Context, tmp_path: Path) -> None:
    erase(shop, "u01", tmp_path / "work")
    add_batch(shop, [Event("u01", "tea2", 400)])
    update(shop)
    erase(shop, "u02", tmp_path / "work")
    people = read_served(shop).people
    assert [item for item, _, _ in people[key(shop, "u01")]] == ["tea2"]
    assert key(shop, "u02") not in people


def test_an_earlier_version_that_is_damaged_is_dropped(shop: Context, tmp_path: Path) -> None:
    [ref] = served_document(shop).history
    shop.bucket.delete(ref.key)
    [dropped] = erase(shop, "u01", tmp_path / "work").dropped
    assert ref.bundle_id in dropped
    assert ref.key in dropped
    assert served_document(shop).history == ()


def test_the_run_of_an_erasure_names_the_version_that_it_drops(shop: Context) -> None:
    [ref] = served_document(shop).history
    shop.bucket.put(ref.key, b"{}")
    erase_whole(shop, ["u01"])
    [run] = [run for run in recent_runs(shop, 10) if run.function == "erase"]
    assert run.counts["versions_dropped"] == 1
    [notice] = run.notices
    assert ref.bundle_id in notice


def publish_anew(ctx: Context) -> None:
    publish(ctx, *fit(ctx))


def test_the_sweep_ends_what_was_interrupted_after_the_store(shop: Context, tmp_path: Path) -> None:
    out_of_store(shop, "u01", tmp_path / "work")
    assert CHECKS["erasures"](shop).outcome is CheckState.WARNING
    assert [run.function for run in drain(shop)] == ["erase"]
    assert key(shop, "u01") not in read_served(shop).people
    assert CHECKS["erasures"](shop).outcome is CheckState.OK
    assert drain(shop) == []


@pytest.mark.parametrize(
    ("work", "is_served", "every"),
    [
        pytest.param(publish_anew, True, 60, id="now and then"),
        pytest.param(update, True, 3, id="update", marks=pytest.mark.slow(lane="erase")),
        pytest.param(publish_anew, True, 3, id="train", marks=pytest.mark.slow(lane="erase")),
        pytest.param(publish_anew, False, 3, id="first", marks=pytest.mark.slow(lane="erase")),
    ],
)
def test_whoever_is_about_to_publish_does_not_bring_them_back(
    tmp_path: Path, work: Callable[[Context], object], is_served: bool, every: int
) -> None:
    """The erasure comes between two of the publisher's operations on the bucket: after each `every` of them. An update
    brings one layer more than there may be, so it folds them as well."""
    start = memory_context(tmp_path, max_layers=1)
    add_batch(start, EVENTS, ITEMS)
    if is_served:
        publish(start, *fit(start))
        add_batch(start, [Event("u01", "shoe1", 20), Event("u02", "tea1", 20)])
        update(start)
        add_batch(start, [Event("u01", "shoe2", 21)])
    stored = start.bucket
    assert isinstance(stored, MemoryBucket)
    for turn in range(2, 600, every):
        ctx = replace(start, bucket=FaultyBucket(stored.copy()))
        if not interleaved(ctx, work, turn, tmp_path / str(turn)):
            break
        assert key(ctx, "u01") not in read_served(ctx).people, turn
        assert served_document(ctx).erasure == 1, turn
        people_files = [info.key for info in ctx.bucket.list(ctx.keys.serving_people)]
        assert [name for name in people_files if is_left(ctx, name)] == [], turn
    assert turn > 10


def interleaved(ctx: Context, work: Callable[[Context], object], turn: int, directory: Path) -> bool:
    """Whether the work was still going on at its operation number `turn`, when somebody was erased."""
    assert isinstance(ctx.bucket, FaultyBucket)
    other = replace(ctx, cache=FileCache(directory / "cache", 1 << 30))
    stepper = Stepper(ctx.bucket, lambda bucket: work(replace(other, bucket=bucket)))
    for _ in range(turn):
        if stepper.finished:
            return False
        stepper.step()
    erase(ctx, "u01", directory)
    stepper.finish()
    assert not isinstance(stepper.outcome, BaseException), stepper.outcome
    return True


def is_left(ctx: Context, name: str) -> bool:
    """Whether an object holds the person that the publisher has put, and nobody is served."""
    blob = ctx.bucket.get(name)
    assert blob is not None
    served = {ref.key for layer in served_document(ctx).bundle.layers for ref in layer.files.values()}
    return name not in served and name.endswith(KEYS_FILE) and holds(ctx, blob.data)


def holds(ctx: Context, data: bytes) -> bool:
    high, _ = split_user_key(ctx.shop.pseudonymizer.user_key("u01"))
    return np.uint64(high).tobytes() in data
