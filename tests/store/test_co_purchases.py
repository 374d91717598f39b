"""Which items are bought together, by hand and against a count in plain Python."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import combinations

import numpy as np
import pytest

from common.schemas.pairs import MOST_OF_ONE, PairRule
from common.store.segments import co_purchases
from common.store.segments.co_purchases import CoPurchases, shrunk_lift
from common.usecases.ingest.compact import compact
from common.usecases.shared.context import Context
from tests.store.shop import csv_of, ingest, reading

HEADER = "user_id,item_id,ts,qty,event_type,order_id,consent"
START = 1_767_225_600
Pairs = dict[tuple[str, str], tuple[int, int]]


def line(user: str, item: str, minute: float = 0, order: str = "", kind: str = "purchase", consent: int = 1) -> str:
    return f"{user},{item},{START + round(minute * 60)},1,{kind},{order},{consent}"


def take_in(ctx: Context, *batches: Iterable[str]) -> Context:
    for number, batch in enumerate(batches):
        assert ingest(ctx, f"events/{number}.csv", csv_of(HEADER, *batch)).state == "done"
    return ctx


def counted(ctx: Context, min_people: int = 1, since_seq: int = 0, *, guests: bool = True) -> CoPurchases:
    with reading(ctx) as (_, reader):
        return reader.co_purchases(PairRule(min_people, guests), since_seq)


def pairs_of(found: CoPurchases) -> Pairs:
    """(item, item) → orders with both, people with such an order."""
    columns = (found.first, found.second, found.together, found.people)
    ids = found.item_ids
    return {(ids[one], ids[two]): (orders, people) for one, two, orders, people in zip(*columns, strict=True)}


def orders_of(found: CoPurchases) -> dict[str, int]:
    return dict(zip(found.item_ids, found.orders.tolist(), strict=True))


def test_an_order_is_its_id_or_what_a_person_buys_within_half_an_hour(shop: Context) -> None:
    by_id = [line("ann", "tea", 0, "o1"), line("ann", "cup", 900, "o1"), line("ann", "pot", 0, "o2")]
    by_time = [line("bob", "tea", 0), line("bob", "cup", 29), line("bob", "pot", 58), line("bob", "tin", 89)]
    found = counted(take_in(shop, by_id + by_time))
    assert pairs_of(found) == {("cup", "tea"): (2, 2), ("cup", "pot"): (1, 1), ("pot", "tea"): (1, 1)}
    assert orders_of(found) == {"cup": 2, "pot": 2, "tea": 2, "tin": 1}
    assert found.n_orders == 4


def test_two_people_with_one_order_id_have_an_order_each(shop: Context) -> None:
    found = counted(take_in(shop, [line("ann", "tea", 0, "1"), line("bob", "cup", 0, "1")]))
    assert not pairs_of(found)
    assert found.n_orders == 2


def test_only_purchases_count_and_each_item_once_in_an_order(shop: Context) -> None:
    bought = [line("ann", "tea", 0), line("ann", "tea", 1), line("ann", "cup", 2)]
    seen = [
        line("ann", "pot", 3, kind="view"),
        line("ann", "tin", 3, kind="cart"),
        line("ann", "cup", 4, kind="return"),
    ]
    assert pairs_of(counted(take_in(shop, bought + seen))) == {("cup", "tea"): (1, 1)}


def test_a_pair_of_too_few_people_is_not_there_however_often_they_buy_it(shop: Context) -> None:
    often = [line("ann", item, 100 * time) for time in range(9) for item in ("tea", "cup")]
    by_two = [line(user, item) for user in ("bob", "cleo") for item in ("tea", "pot")]
    take_in(shop, often + by_two)
    assert pairs_of(counted(shop, min_people=2)) == {("pot", "tea"): (2, 2)}
    assert orders_of(counted(shop, min_people=2)) == {"cup": 9, "pot": 2, "tea": 11}
    assert not pairs_of(counted(shop, min_people=3))


def test_an_order_of_a_guest_is_one_of_the_people_behind_a_pair(shop: Context) -> None:
    """Two products in eight orders, five of guests and three of customers."""
    guests = [line("guest", item, number, f"g{number}", consent=0) for number in range(5) for item in ("tea", "cup")]
    known = [line(user, item, order=user) for user in ("ann", "bob", "cleo") for item in ("tea", "cup")]
    take_in(shop, guests, known)
    assert pairs_of(counted(shop, min_people=8)) == {("cup", "tea"): (8, 8)}
    assert not pairs_of(counted(shop, min_people=9))


def test_all_guests_are_one_person_at_most_where_the_shop_reads_it_strictly(shop: Context) -> None:
    guests = [line("guest", item, number, f"g{number}", consent=0) for number in range(30) for item in ("tea", "cup")]
    take_in(shop, guests, [line("dan", item, order="o1") for item in ("tea", "cup")])
    assert pairs_of(counted(shop, min_people=2, guests=False)) == {("cup", "tea"): (31, 2)}
    assert not pairs_of(counted(shop, min_people=3, guests=False))


def test_orders_of_one_customer_stay_one_person_however_many(shop: Context) -> None:
    often = [line("ann", item, 100 * time, f"o{time}") for time in range(9) for item in ("tea", "cup")]
    assert pairs_of(counted(take_in(shop, often))) == {("cup", "tea"): (9, 1)}


def test_one_person_counts_with_a_bound(shop: Context) -> None:
    """600 orders of a script, beside three people."""
    script = [line("bot", item, 60 * time, f"b{time}") for time in range(600) for item in ("tea", "cup")]
    people = [line(user, item, order=user) for user in ("ann", "bob", "cleo") for item in ("tea", "pot")]
    found = counted(take_in(shop, script + people))
    assert pairs_of(found) == {("cup", "tea"): (MOST_OF_ONE, 1), ("pot", "tea"): (3, 3)}
    assert orders_of(found) == {"cup": MOST_OF_ONE, "pot": 3, "tea": MOST_OF_ONE + 3}


def test_of_later_batches_only_their_orders_count(shop: Context) -> None:
    take_in(shop, [line("ann", "tea"), line("ann", "cup")], [line("bob", "tea", 5), line("bob", "pot", 6)])
    found = counted(shop, since_seq=1)
    assert pairs_of(found) == {("pot", "tea"): (1, 1)}
    assert orders_of(found) == {"pot": 1, "tea": 1}
    assert found.n_orders == 1
    assert not counted(shop, since_seq=2).item_ids


def test_a_large_order_makes_no_more_pairs_than_a_sample_of_it(shop: Context) -> None:
    found = counted(take_in(shop, [line("ann", f"i{number:03}") for number in range(400)]))
    assert 0 < len(found.first) <= co_purchases.MAX_LINES * (co_purchases.MAX_LINES - 1) // 2
    assert found.orders.sum() == co_purchases.MAX_LINES


def test_of_too_many_pairs_a_sample_of_the_orders_stands_for_all(
    shop: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(co_purchases, "MAX_PAIRS", 100)
    people = [f"p{number}" for number in range(300)]
    found = counted(take_in(shop, [line(user, item) for user in people for item in ("tea", "cup")]))
    assert orders_of(found) == {"cup": 300, "tea": 300}
    [(orders, in_sample)] = pairs_of(found).values()
    assert orders == 4 * in_sample
    assert in_sample == pytest.approx(75, abs=40)


def test_lift_by_hand() -> None:
    # 30 of 1,000 orders hold both, of 100 and 200: 20 were to be expected, and 10 more are asked for.
    assert shrunk_lift(np.array([30]), np.array([100]), np.array([200]), 1_000).tolist() == [1.0]


@pytest.mark.parametrize("folded", [False, True])
def test_counts_are_those_of_a_plain_loop(shop: Context, folded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(7)
    baskets = [(f"u{rng.randrange(12)}", f"o{order}", rng.sample(range(30), rng.randint(1, 9))) for order in range(150)]
    monkeypatch.setattr(co_purchases, "PAIRS_PER_PASS", 200)
    batches = [
        [line(user, f"i{item:02}", order=order) for user, order, items in part for item in items]
        for part in (baskets[:90], baskets[90:])
    ]
    take_in(shop, *batches)
    if folded:
        compact(shop)
    assert pairs_of(counted(shop, min_people=3)) == plain_pairs(baskets, 3)


def plain_pairs(baskets: list[tuple[str, str, list[int]]], min_people: int) -> Pairs:
    orders: Counter[tuple[str, str]] = Counter()
    people: dict[tuple[str, str], set[str]] = defaultdict(set)
    for user, _, items in baskets:
        for one, two in combinations(sorted(f"i{item:02}" for item in items), 2):
            orders[one, two] += 1
            people[one, two].add(user)
    return {pair: (orders[pair], len(users)) for pair, users in people.items() if len(users) >= min_people}


def test_of_each_item_the_pairs_with_the_highest_lift_are_kept(shop: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(co_purchases, "CANDIDATES", 1)
    bought = {"cup": 9, "pot": 5, "tin": 3}
    rows = [
        line(f"u{user}", other, order=f"{user}{item}")
        for item, times in bought.items()
        for user in range(times)
        for other in (item, "tea")
    ]
    # Each of the three has tea as its best, so every pair stays, and a pair that is nobody's best goes.
    rows += [line("u1", item, order="all") for item in ("cup", "pot")]
    assert set(pairs_of(counted(take_in(shop, rows)))) == {("cup", "tea"), ("pot", "tea"), ("tea", "tin")}
