"""Many delta layers become one: nobody sees a difference, and whoever dies on the way leaves what was served."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common.bucket.cache import FileCache
from common.ids import UserKey, split_user_key
from common.schemas.data import EventType, LayerContent
from common.schemas.documents import RunState
from common.testing.faults import FaultyBucket, ProcessKilled
from common.testing.memory import MemoryBucket
from common.usecases.publish.fold import fold_content
from common.usecases.publish.layers.cards import cards_of
from common.usecases.shared.context import Context
from common.usecases.update.update import update
from tests.bundles import Goods, History, item_lists, layer_content, open_layers
from tests.memory import memory_context
from tests.property.stepping import Stepper
from tests.shops import Event
from tests.stored import Item, Served, add_batch, fit, open_served, publish, read_served, served_document
from tests.usecases.test_update import EVENTS, ITEMS, key

MAX_LAYERS = 2


@pytest.fixture
def shop(tmp_path: Path) -> Context:
    """As many delta layers as there may be, and a batch that waits for the next one. They bring an item and take one
    away, change a price twice, and take back all that somebody had bought."""
    ctx = memory_context(tmp_path, FaultyBucket(MemoryBucket()), max_layers=MAX_LAYERS)
    add_batch(ctx, EVENTS, ITEMS)
    publish(ctx, *fit(ctx))
    owned = [item for item, _, bought in read_served(ctx).people[key(ctx, "u01")] if bought]
    returned = [Event("u01", item, 20, EventType.RETURN) for item in owned]
    cheap = Item("shoe1", "shoes", "acme", 40.0)
    batches: list[tuple[list[Event], list[Item]]] = [
        (returned, [Item("tea9", "tea", "assam", 5.5), cheap]),
        ([Event("u02", "tea9", 21)], [Item("tea1", "tea", "assam", 5.0, available=False)]),
        ([Event("u02", "tea2", 22), Event(None, "tea3", 22)], [replace(cheap, price=30.0)]),
    ]
    for batch in batches[:-1]:
        add_batch(ctx, *batch)
        update(ctx)
    add_batch(ctx, *batches[-1])
    return ctx


def unfolded(ctx: Context) -> tuple[Served, dict[int, list[int]]]:
    """What an update serves that leaves the layers as they are."""
    assert isinstance(ctx.bucket, FaultyBucket)
    assert isinstance(ctx.bucket.inner, MemoryBucket)
    settings = ctx.settings.model_copy(update={"max_layers": 64})
    other = replace(ctx, bucket=ctx.bucket.inner.copy(), shop=replace(ctx.shop, settings=settings))
    update(other)
    assert len(served_document(other).bundle.layers) == 2 + MAX_LAYERS
    return read_served(other), together(other)


def together(ctx: Context) -> dict[int, list[int]]:
    bundle = open_served(ctx)
    return {number: bundle.bought_together(number).tolist() for number in range(bundle.items.n)}


def as_lists(vectors: Mapping[bytes, np.ndarray]) -> dict[bytes, list[float]]:
    return {name: vector.tolist() for name, vector in vectors.items()}


def assert_same(ctx: Context, wanted: tuple[Served, dict[int, list[int]]]) -> None:
    served, (before, lists) = read_served(ctx), wanted
    assert {name: row[:2] for name, row in served.items.items()} == {n: row[:2] for n, row in before.items.items()}
    assert {name: row[2].tolist() for name, row in served.items.items()} == {
        name: row[2].tolist() for name, row in before.items.items()
    }
    assert served.people == before.people
    assert as_lists(served.vectors) == as_lists(before.vectors)
    assert (served.popular, served.newest, served.popular_in, served.similar) == (
        before.popular, before.newest, before.popular_in, before.similar,
    )  # fmt: skip
    assert together(ctx) == lists


def test_nobody_sees_a_difference(shop: Context) -> None:
    wanted = unfolded(shop)
    record = update(shop)
    assert record.state is RunState.DONE
    assert "folding" in record.timings_s
    bundle = served_document(shop).bundle
    assert [layer.kind for layer in bundle.layers] == ["base", "delta"]
    assert [layer.covers_seq for layer in bundle.layers] == [1, bundle.covers_seq] == [1, 4]
    assert_same(shop, wanted)
    served = read_served(shop)
    assert (served.items["shoe1"][0]["price"], served.items["tea1"][1]) == (30.0, False)
    assert key(shop, "u01") not in served.people
    assert [item for item, _, _ in served.people[key(shop, "u02")]][-2:] == ["tea9", "tea2"]


@pytest.mark.parametrize("commits", [0, 1])
def test_killed_after_its_news_is_served(shop: Context, commits: int) -> None:
    """The process dies right after the commit that shows the news, or before the one that folds: the news is served,
    and the next update folds, although it has nothing new to tell."""
    wanted = unfolded(shop)
    stepper = until_it_folds(shop, Path("killed"), commits)
    while not stepper.finished:
        stepper.kill()
    assert isinstance(stepper.outcome, ProcessKilled)
    assert len(served_document(shop).bundle.layers) == 2 + MAX_LAYERS
    assert_same(shop, wanted)
    assert update(shop).state is RunState.DONE
    assert len(served_document(shop).bundle.layers) == 2
    assert_same(shop, wanted)


def test_a_batch_that_comes_while_layers_are_folded_is_not_lost(shop: Context) -> None:
    stepper = until_it_folds(shop, Path("first"), 1)
    add_batch(shop, [Event("late", "tea2", 30)])
    update(shop)
    folded = served_document(shop).bundle
    stepper.finish()
    assert not isinstance(stepper.outcome, BaseException), stepper.outcome
    assert served_document(shop).bundle == folded
    assert len(folded.layers) == 2
    assert [item for item, _, _ in read_served(shop).people[key(shop, "late")]] == ["tea2"]


def until_it_folds(ctx: Context, directory: Path, commits: int) -> Stepper[object]:
    """An update that has shown its news, and stands before its next operation or before the commit of its fold."""
    store = ctx.bucket
    assert isinstance(store, FaultyBucket)
    own = FileCache(ctx.settings.cache_dir / directory, 1 << 30)
    stepper = Stepper[object](store, lambda bucket: update(replace(ctx, cache=own, bucket=bucket)))
    while not stepper.bodies:
        stepper.step()
    while commits and stepper.operation != "put_if":
        stepper.step()
    return stepper


def says(colours: Mapping[int, str], people: Mapping[bytes, list[int]], **lists: object) -> LayerContent:
    """A layer of items, by number, and of histories."""
    goods = Goods(
        list(colours), np.ones((len(colours), 2), np.float32), extra=[{"colour": colour} for colour in colours.values()]
    )
    histories = {UserKey(name): History(items) for name, items in people.items()}
    content = layer_content(goods, histories, {"gram": np.eye(2, dtype=np.float32)}, **lists)
    return replace(content, cards=cards_of(content.catalogue))


def test_what_the_newest_layer_says_counts(tmp_path: Path) -> None:
    ada, ben = b"a" * 16, b"b" * 16
    layers = [
        says({0: "red", 1: "red", 2: "red"}, {ada: [0]}),
        says({1: "blue", 3: "blue"}, {ada: [1], ben: [3, 0]}, bought_together=item_lists({1: [0, 2], 2: [1]})),
        says({3: "green"}, {ada: [2, 3]}, bought_together=item_lists({1: []})),
    ]
    content = fold_content(open_layers(layers, tmp_path).items)
    assert content.item_nos.tolist() == [1, 3]
    assert [extra["colour"] for extra in content.catalogue.extra] == ["blue", "green"]
    assert [split_user_key(UserKey(name)) for name in (ada, ben)] == [tuple(row) for row in content.users.keys.tolist()]
    assert (content.users.offsets.tolist(), content.users.items.tolist()) == ([0, 2, 4], [2, 3, 3, 0])
    lists, wanted = content.bought_together, item_lists({1: [], 2: [1]})
    assert lists is not None
    assert [column.tolist() for column in vars(lists).values()] == [column.tolist() for column in vars(wanted).values()]
