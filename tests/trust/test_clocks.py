"""A machine whose clock is a day ahead or behind: nothing live is deleted, and nothing is lost or comes back."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from common.bucket.precedence import LEASE_S, Precedence, let_erasure_pass
from common.bucket.sweep import SHORTEST_AGE
from common.config import Shop
from common.schemas.documents import RunState
from common.testing.memory import MemoryBucket
from common.usecases.erase.erase import erase
from common.usecases.ingest.attempts import Attempts, counted
from common.usecases.ingest.ingest import drain, ingest_object
from common.usecases.ingest.take_upload import upload_of
from common.usecases.operate.sweep import sweep
from common.usecases.recommend.bundle_watch import BundleWatch
from common.usecases.recommend.service import Query, RecommendService
from common.usecases.shared.context import Context, utc_now
from common.usecases.shared.garbage import collect_garbage
from common.usecases.update.update import update
from tests.interrupted import Interrupted
from tests.memory import memory_context
from tests.shops import Event
from tests.store.shop import events_csv, keys_under, report_of, rows_of
from tests.stored import add_batch, fit, publish, rollback, served_document
from tests.usecases.test_update import EVENTS, ITEMS

pytestmark = pytest.mark.slow(lane="trust")
DAY = timedelta(days=1)
off_by_a_day = pytest.mark.parametrize("off", [-DAY, DAY], ids=["behind", "ahead"])


@pytest.fixture
def shop(tmp_path: Path) -> Context:
    """A shop that serves, and whose machine has the right time."""
    ctx = memory_context(tmp_path, MemoryBucket())
    add_batch(ctx, EVENTS, ITEMS)
    for _ in range(2):
        publish(ctx, *fit(ctx))
    return ctx


def on_another_clock(ctx: Context, off: timedelta) -> Context:
    """The same shop on a machine whose clock differs from that of the store."""
    return replace(ctx, now=lambda: utc_now() + off)


def now_text(off: timedelta = timedelta()) -> str:
    return f"{utc_now() + off:%Y-%m-%dT%H:%M:%SZ}"


@off_by_a_day
def test_an_upload_of_this_minute_is_taken_in(shop: Context, off: timedelta) -> None:
    key = f"{shop.keys.incoming_events}a.csv"
    shop.bucket.put(key, events_csv(f"new,shoe1,{now_text(-timedelta(minutes=1))},1"))
    run = ingest_object(on_another_clock(shop, off), key)
    assert (run.state, run.counts["rows_kept"]) == (RunState.DONE, 1), report_of(shop, run)


@off_by_a_day
def test_a_try_that_goes_on_elsewhere_is_no_death(shop: Context, off: timedelta) -> None:
    """The time of a try is by the store's clock, whichever machine wrote it and whichever reads it."""
    key = f"{shop.keys.incoming_events}a.csv"
    shop.bucket.put(key, events_csv("new,shoe1,2026-01-01,1"))
    info = shop.bucket.head(key)
    assert info is not None
    elsewhere = on_another_clock(replace(shop, shop=another_machine(shop)), off)
    with counted(Attempts(elsewhere, upload_of(info), "elsewhere"), last=True):
        here = Attempts(shop, upload_of(info), "here")
        here.begin(last=False)
        assert here.deaths == ()
        here.end()
    with counted(Attempts(shop, upload_of(info), "here"), last=True):
        there = Attempts(elsewhere, upload_of(info), "there")
        there.begin(last=False)
        assert there.deaths == ()
        there.end()


def another_machine(ctx: Context) -> Shop:
    cache_dir = ctx.settings.cache_dir.parent / "another machine"
    return replace(ctx.shop, settings=ctx.settings.model_copy(update={"cache_dir": cache_dir}))


@off_by_a_day
def test_an_update_and_a_training_are_served_and_can_be_gone_back_from(shop: Context, off: timedelta) -> None:
    other = on_another_clock(shop, off)
    add_batch(other, [Event("u01", "shoe1", 20)])
    update(other)
    publish(other, *fit(other))
    watch = BundleWatch(shop)
    watch.refresh()
    assert watch.current is not None
    assert watch.current.document == served_document(shop).bundle
    trained = served_document(shop).bundle.model.version
    rollback(shop)
    assert served_document(shop).bundle.model.version != trained


@off_by_a_day
@pytest.mark.parametrize("clean", [collect_garbage, sweep, lambda ctx: collect_garbage(ctx, SHORTEST_AGE)])
def test_what_a_commit_has_just_put_is_not_swept(
    shop: Context, off: timedelta, clean: Callable[[Context], object]
) -> None:
    """The other machine sweeps between the files of a commit and its document."""
    key = f"{shop.keys.incoming_events}a.csv"
    shop.bucket.put(key, events_csv("new,shoe1,2026-01-01,1"))
    rows = len(rows_of(shop))
    other = on_another_clock(shop, off)
    meanwhile = Interrupted(shop.bucket, "put_if", shop.keys.store_current, lambda: clean_but_the_upload(other, clean))
    ingest_object(replace(shop, bucket=meanwhile), key)
    assert meanwhile.happened
    assert len(rows_of(shop)) == rows + 1
    update(shop)
    assert served_document(shop).bundle.covers_seq == 2


def clean_but_the_upload(ctx: Context, clean: Callable[[Context], object]) -> None:
    """The sweep takes in what waits: here the upload under way is out of its sight."""
    [waiting] = keys_under(ctx, "incoming/")
    blob = ctx.bucket.get(waiting)
    assert blob is not None
    ctx.bucket.delete(waiting)
    clean(ctx)
    ctx.bucket.put(waiting, blob.data)


@off_by_a_day
def test_an_erasure_takes_the_events_up_to_now_and_keeps_them_out(shop: Context, off: timedelta) -> None:
    row = f"erika,shoe1,{now_text(-timedelta(minutes=1))},1"
    for name in ("a", "b"):
        shop.bucket.put(f"{shop.keys.incoming_events}{name}.csv", events_csv(row))
    [taken_in, *_] = drain(shop)
    assert taken_in.state is RunState.DONE
    before = len(rows_of(shop))
    receipt = erase(on_another_clock(shop, off), ["erika"])
    assert (receipt.counts["people_found"], receipt.counts["events_erased"]) == (1, 1)
    shop.bucket.put(f"{shop.keys.incoming_events}again.csv", events_csv(row))
    drain(shop)
    assert len(rows_of(shop)) == before - 1


@off_by_a_day
def test_the_mark_of_an_erasure_that_died_on_another_clock_holds_nobody_up_for_a_day(off: timedelta) -> None:
    bucket = MemoryBucket(lambda: utc_now() + off)
    Precedence(bucket, "erasures/under-way").claim()
    seconds = [0.0]

    def sleep(for_s: float) -> None:
        seconds[0] += for_s

    waited = let_erasure_pass(bucket, "erasures/under-way", 86_400, lambda: seconds[0], sleep)
    assert waited == pytest.approx(LEASE_S, abs=1)


@off_by_a_day
def test_recommend_answers_as_ever_on_another_clock(shop: Context, off: timedelta) -> None:
    def answer(ctx: Context) -> bytes:
        service = RecommendService(ctx)
        service.watch.refresh()
        return service.recommend(Query(n=5, user_id="u01")).body

    assert answer(on_another_clock(shop, off)) == answer(shop)


def test_a_clock_that_is_set_back_does_not_keep_a_version_refused(shop: Context) -> None:
    off = [timedelta()]
    served = shop.bucket.get(shop.keys.serving_current)
    assert served is not None
    watch = BundleWatch(replace(shop, now=lambda: utc_now() + off[0]))
    cache = shop.settings.cache_dir
    shutil.rmtree(cache)
    cache.write_text("a file where the cache is to be")
    watch.refresh()
    assert watch.refusal is not None
    cache.unlink()
    off[0] = -DAY
    watch.refresh()
    assert watch.refusal is None
    assert watch.current is not None
