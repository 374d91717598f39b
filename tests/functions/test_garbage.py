"""What the garbage collection leaves: everything that some document still refers to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from common.errors import BadRequest
from common.usecases.context import Context
from common.usecases.garbage import KEEP_RUNS, MIN_AGE, collect_garbage
from common.usecases.recommend import Query, RecommendService
from tests.shops import Event
from tests.stored import Item, add_batch, fit, publish

ITEMS = [Item(f"item-{number}") for number in range(6)]
EVENTS = [Event(f"u{user}", item.item_id, user + 0.1) for user in range(6) for item in ITEMS[user % 2 :: 2]]


def keys(ctx: Context) -> set[str]:
    return {info.key for info in ctx.bucket.list(ctx.keys.prefix)}


def later(ctx: Context, by: timedelta) -> Context:
    at = ctx.now() + by
    return replace(ctx, now=lambda: at)


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
    assert collect_garbage(context) == ()
    assert set(collect_garbage(later(context, MIN_AGE * 2))) == unused
    assert keys(context) == needed
    service = RecommendService(context)
    service.watch.refresh()
    assert service.recommend(Query(n=3)).body


@pytest.mark.s3
def test_run_records_are_kept_for_longer(context: Context) -> None:
    run = f"{context.keys.runs}old.json"
    context.bucket.put(run, b"{}")
    assert collect_garbage(later(context, MIN_AGE * 2)) == ()
    assert collect_garbage(later(context, KEEP_RUNS * 2)) == (run,)


def test_an_age_within_which_a_commit_may_be_under_way_is_refused(context: Context) -> None:
    with pytest.raises(BadRequest, match="one hour"):
        collect_garbage(context, timedelta(minutes=59))
