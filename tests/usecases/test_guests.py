"""Shops of guests, and customer ids that stand for many people."""

from __future__ import annotations

import json
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

from common.ids import split_user_key
from common.schemas.data import NO_USER
from common.schemas.documents import RunState
from common.schemas.kind import Kind
from common.schemas.pairs import MOST_OF_ONE, PairRule
from common.store.segments.crowds import LEAST_ORDERS
from common.usecases.ingest.ingest import drain
from common.usecases.operate.doctor import CheckState, Finding, doctor
from common.usecases.recommend.service import Query, RecommendService
from common.usecases.shared.context import Context
from common.usecases.shared.learning import open_for_learning
from common.usecases.train.train import TrainOptions, train
from common.usecases.update.update import update
from tests.memory import memory_context
from tests.shops import NOON, Event
from tests.stored import add_batch, fit, open_served, publish, read_served, stored_document
from tests.usecases.guest_shop import ORDERS, take_in_orders


def listed(ctx: Context, *item_ids: str) -> dict[str, list[str]]:
    bundle = open_served(ctx)
    numbers = bundle.items.find_all(list(item_ids)).tolist()
    names = [json.loads(bundle.items.card(no))["item_id"] for no in range(bundle.items.n)]
    return {
        item_id: [names[other] for other in bundle.bought_together(no).tolist()]
        for item_id, no in zip(item_ids, numbers, strict=True)
    }


def test_a_shop_of_guests_only_shows_what_is_bought_together(tmp_path: Path) -> None:
    ctx = memory_context(tmp_path)
    take_in_orders(ctx)
    publish(ctx, *fit(ctx, "popular"))
    together = Counter(pair for order in ORDERS for pair in combinations(order, 2))
    expected = {frozenset(pair) for pair, orders in together.items() if orders >= ctx.settings.min_pair_people}
    assert frozenset({"SOC-6F", "STR-35"}) in expected
    items = sorted({item for pair in expected for item in pair})
    shown = listed(ctx, *items)
    assert {frozenset({item, other}) for item in items for other in shown[item]} == expected
    service = RecommendService(ctx)
    service.watch.refresh()
    answer = json.loads(service.recommend(Query(n=4, page="SOC-6F", kind=Kind.BOUGHT_TOGETHER)).body)
    assert answer["items"][0]["item_id"] == "STR-35"


def test_read_strictly_it_shows_none(tmp_path: Path) -> None:
    ctx = memory_context(tmp_path, guest_orders_count=False)
    take_in_orders(ctx)
    publish(ctx, *fit(ctx, "popular"))
    assert listed(ctx, "SOC-6F", "STR-35") == {"SOC-6F": [], "STR-35": []}


def take_in(ctx: Context, rows: list[tuple[str, str, str]]) -> None:
    """Purchases as (user, item, order), one a minute."""
    lines = [f"{user},{item},{NOON + 60 * number},1,{order}" for number, (user, item, order) in enumerate(rows)]
    ctx.bucket.put(f"{ctx.keys.incoming_events}e.csv", "\n".join(["user_id,item_id,ts,qty,order_id", *lines]).encode())
    [record] = drain(ctx)
    assert record.state is RunState.DONE, record


def zeros() -> list[tuple[str, str, str]]:
    """Two thirds of the orders are of customer 0, and a third of customers with one each."""
    orders = [("0" if number % 3 else f"u{number}", f"o{number}") for number in range(3 * LEAST_ORDERS)]
    return [(user, item, order) for user, order in orders for item in ("tea", "cup")]


def customers(ctx: Context) -> Finding:
    return next(finding for finding in doctor(ctx) if finding.check == "customers")


def test_a_customer_id_with_a_large_share_of_all_orders_is_named(tmp_path: Path) -> None:
    ctx = memory_context(tmp_path, train_families="popular")
    take_in(ctx, zeros())
    finding = customers(ctx)
    pseudonym = ctx.shop.pseudonymizer.user_key("0").hex()
    assert finding.outcome is CheckState.WARNING
    assert finding.message == f"customer '0' ({pseudonym}) has 40 orders, 67% of all"
    assert "RECSYS_CROWDS_ARE_NOBODY=true" in finding.advice
    notices = train(ctx, TrainOptions(evaluate=False)).notices
    assert [notice for notice in notices if notice.startswith("a customer id has 67% of all orders")]
    assert not any(pseudonym in notice for notice in notices), "a record holds nothing of people"


def test_few_orders_make_no_crowd(tmp_path: Path) -> None:
    ctx = memory_context(tmp_path)
    take_in(ctx, [("ann", "tea", f"o{number}") for number in range(LEAST_ORDERS - 1)])
    assert customers(ctx).outcome is CheckState.OK


def test_by_setting_such_an_id_is_nobody_in_what_is_learned(tmp_path: Path) -> None:
    """Its orders are then those of guests, each a person of its own behind a pair."""
    ctx = memory_context(tmp_path, crowds_are_nobody=True)
    take_in(ctx, zeros())
    zero = split_user_key(ctx.shop.pseudonymizer.user_key("0"))
    with open_for_learning(ctx, stored_document(ctx), tmp_path) as reader:
        data, pairs = reader.interactions(), reader.co_purchases(PairRule())
        changes = reader.changed_since(0)
    assert data.n_users == LEAST_ORDERS
    assert (data.users == NO_USER).sum() == 4 * LEAST_ORDERS
    assert zero not in {(int(hi), int(lo)) for hi, lo in [*data.user_keys, *changes.user_keys]}
    assert (pairs.people.tolist(), pairs.together.tolist()) == ([3 * LEAST_ORDERS], [3 * LEAST_ORDERS])
    assert customers(ctx).outcome is CheckState.OK


def test_without_the_setting_it_is_one_person(tmp_path: Path) -> None:
    ctx = memory_context(tmp_path)
    take_in(ctx, zeros())
    with open_for_learning(ctx, stored_document(ctx), tmp_path) as reader:
        data, pairs = reader.interactions(), reader.co_purchases(PairRule())
    assert data.n_users == LEAST_ORDERS + 1
    assert (pairs.people.tolist(), pairs.together.tolist()) == ([LEAST_ORDERS + 1], [LEAST_ORDERS + MOST_OF_ONE])


@pytest.mark.parametrize("late", [False, True], ids=["trained", "updated"])
def test_a_script_with_600_purchases_makes_nothing_popular(tmp_path: Path, late: bool) -> None:
    ctx = memory_context(tmp_path)
    bought = [Event(f"u{number}", item, number / 10) for number in range(4) for item in ("tea", "cup")]
    script = [Event("bot", "pin", 1 + number / 10_000) for number in range(600)]
    add_batch(ctx, bought if late else [*bought, *script])
    publish(ctx, *fit(ctx, "popular"))
    if late:
        add_batch(ctx, script)
        update(ctx)
    assert read_served(ctx).popular == ["cup", "tea", "pin"]
