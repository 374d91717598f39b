"""What is listed as bought together: after training, after updates, and never on the word of too few."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common.schemas.data import ItemLists
from common.schemas.pairs import PairRule
from common.store.segments.co_purchases import CoPurchases
from common.usecases.publish.layers.together import TOGETHER_DEPTH, Pairs, StoredCoPurchases, list_pairs
from common.usecases.shared.context import Context
from common.usecases.update.update import update
from tests.memory import memory_context
from tests.shops import Event
from tests.store.shop import reading
from tests.stored import Item, add_batch, fit, open_served, publish, served_document

ITEMS = [Item("tea", "tea"), Item("mint", "tea"), Item("cup", "dishes"), Item("soap", "bath"), Item("brush", "bath")]
MINUTE = 1 / 1440


def orders(people: Iterable[int], *items: str, day: float = 0) -> list[Event]:
    return [Event(f"u{n}", item, day + place * MINUTE) for n in people for place, item in enumerate(items)]


@pytest.fixture
def shop(tmp_path: Path) -> Context:
    """Six people bought tea and a cup in one order, five tea and mint, four soap and a brush."""
    ctx = memory_context(tmp_path)
    add_batch(
        ctx,
        [
            *orders(range(6), "tea", "cup"),
            *orders(range(5), "tea", "mint", day=1),
            *orders(range(4), "soap", "brush", day=2),
        ],
        ITEMS,
    )
    publish(ctx, *fit(ctx))
    return ctx


def lists(ctx: Context) -> dict[str, list[str]]:
    """Of each item that has a list."""
    bundle = open_served(ctx)
    numbers = bundle.items.find_all([item.item_id for item in ITEMS]).tolist()
    names = dict(zip(numbers, (item.item_id for item in ITEMS), strict=True))
    found = {names[no]: [names[other] for other in bundle.bought_together(no).tolist()] for no in numbers}
    return {name: listed for name, listed in found.items() if listed}


def test_training_lists_what_enough_people_buy_in_one_order(shop: Context) -> None:
    assert lists(shop) == {"tea": ["cup", "mint"], "cup": ["tea"], "mint": ["tea"]}


def test_of_two_alike_the_one_of_another_category_comes_first(shop: Context) -> None:
    add_batch(shop, orders(range(5), "tea", "mint", day=5))
    publish(shop, *fit(shop))
    assert lists(shop)["tea"] == ["cup", "mint"]


def test_an_update_adds_to_what_is_listed(shop: Context) -> None:
    add_batch(shop, [event for day in range(10, 16) for event in orders(range(6), "tea", "mint", day=day)])
    update(shop)
    assert lists(shop)["tea"] == ["mint", "cup"]
    assert lists(shop)["cup"] == ["tea"]


def test_an_update_lists_a_new_pair_once_enough_people_have_bought_it_since(shop: Context) -> None:
    add_batch(shop, orders(range(2, 6), "cup", "soap", day=10))
    update(shop)
    assert "soap" not in lists(shop)
    add_batch(shop, orders([5], "cup", "soap", day=11))
    update(shop)
    assert "soap" not in lists(shop), "five orders of four people"
    add_batch(shop, orders([9], "cup", "soap", day=11))
    update(shop)
    assert lists(shop)["soap"] == ["cup"]
    assert set(lists(shop)["cup"]) == {"tea", "soap"}


def test_an_update_writes_lists_of_the_batchs_items_only(shop: Context) -> None:
    add_batch(shop, orders([0], "cup", day=10))
    update(shop)
    layer = open_served(shop).items.layers[-1]
    assert layer.bought_together is not None
    assert layer.bought_together.nos.tolist() == open_served(shop).items.find_all(["cup"]).tolist()


def test_a_bundle_from_before_there_were_lists_is_served_and_updated(shop: Context) -> None:
    document = served_document(shop)
    layer = document.bundle.layers[0]
    files = {name: ref for name, ref in layer.files.items() if not name.startswith("bought_together")}
    older = document.bundle.model_copy(update={"layers": (layer.model_copy(update={"files": files}),)})
    text = document.model_copy(update={"bundle": older}).model_dump_json()
    shop.bucket.put(shop.keys.serving_current, text.encode())
    assert lists(shop) == {}
    add_batch(shop, orders(range(6), "cup", "soap", day=10))
    update(shop)
    assert lists(shop) == {}


@pytest.mark.parametrize("seed", range(2))
def test_no_pair_of_too_few_people_is_ever_listed(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    ctx = memory_context(tmp_path, min_pair_people=3, max_layers=2)
    for batch in range(4):
        add_batch(ctx, [event for _ in range(12) for event in some_order(rng, batch)], ITEMS)
        if batch:
            update(ctx)
        else:
            publish(ctx, *fit(ctx))
        with reading(ctx) as (_, reader):
            found = reader.co_purchases(PairRule(3))
        proven = {
            frozenset((found.item_ids[a], found.item_ids[b])) for a, b in zip(found.first, found.second, strict=True)
        }
        listed = {frozenset((item, other)) for item, others in lists(ctx).items() for other in others}
        assert listed <= proven
    assert listed


def some_order(rng: random.Random, batch: int) -> list[Event]:
    user = rng.choice(["u0", "u1", "u2", "u3", "u4", None])
    day = batch * 10 + rng.random() * 9
    return [Event(user, item.item_id, day + place * MINUTE) for place, item in enumerate(rng.sample(ITEMS, 2))]


def test_lists_end_at_their_depth() -> None:
    n = TOGETHER_DEPTH + 8
    pairs = Pairs(np.zeros(n, np.int32), np.arange(1, n + 1, dtype=np.int32), np.arange(n))
    listed, together = list_pairs(pairs, pairs.together.astype(float))
    assert listed.nos.tolist() == [0]
    assert listed.items.tolist() == list(range(n, n - TOGETHER_DEPTH, -1))
    assert together.tolist() == [item - 1 for item in listed.items]


def test_updated_scores_count_all_orders_by_hand() -> None:
    """Item 0 is in 10 orders of 100 with item 1, which is rare, and in 8 with item 2, which is in half of all; after 20
    more orders with item 2, of anybody, that one comes first."""
    at = np.array([0, 0], np.int32)
    found = CoPurchases(
        ("0", "1", "2"), np.array([20, 12, 50]), 100, at, np.array([1, 2], np.int32), *[np.array([10, 8])] * 2
    )
    categories = np.full(3, -1, np.int32)
    kept = StoredCoPurchases.counted(found, np.arange(3, dtype=np.int32), categories)
    assert listed_of(kept.lists, 0) == [1, 2]  # 10 / (2.4 + 10) and 8 / (10 + 10)
    later = replace(
        found, orders=np.array([20, 0, 20]), n_orders=20, together=np.array([0, 20]), people=np.array([1, 1])
    )
    lists = kept.updated(later, np.arange(3, dtype=np.int32), np.array([0], np.int32), categories, min_people=5)
    assert listed_of(lists, 0) == [2, 1]  # 28 / (40 · 70 / 120 + 10) = .84 and 10 / (40 · 12 / 120 + 10) = .71
    assert lists.nos.tolist() == [0]


def listed_of(lists: ItemLists, item_no: int) -> list[int]:
    span = lists.span(item_no)
    return [] if span is None else lists.items[span].tolist()
