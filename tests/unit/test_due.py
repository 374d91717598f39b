"""What is due, against loops over the events."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.models.due import (
    BEFORE_DAYS,
    CATEGORY_BUYERS,
    CATEGORY_GAPS,
    ITEM_BUYERS,
    ITEM_GAPS,
    LATELY_DAYS,
    OWN_GAPS,
    SHOP_GAPS,
    USUAL_GAP_DAYS,
    USUAL_REBUYS,
    Expected,
    ItemRhythms,
    categories_of,
    due_columns,
    own_purchases,
)
from common.schemas.data import DAY_S, DueColumns, EventType, Interactions
from common.schemas.documents import DueSettings
from common.schemas.due import FAR, READY, day_of, due_scores
from tests.shops import NOON, TINY, Event, catalogue, interactions

TODAY = day_of(NOON) + 60
LEARNED = DueSettings(half_life_days=50, early=0.3, late=0.2, rebuys=0.6, sold=0.4)
ITEMS = "pqrs"
CATEGORIES = {"p": "food", "q": "food", "r": "drink"}  # s has none

events = st.lists(
    st.builds(
        Event,
        user=st.sampled_from(["a", "b", "c", None]),
        item=st.sampled_from(ITEMS),
        # Few days, so that some are equal; some after today, some centuries before.
        day=st.one_of(st.sampled_from([0, 0.1, 0.4, 1, 30, 59, 60, 61, 90]), st.floats(-30_000, 200)),
        kind=st.sampled_from([EventType.PURCHASE] * 4 + list(EventType)),
        qty=st.integers(1, 3).map(float),
    ),
    max_size=25,
)


def coded(rows: list[Event]) -> Interactions:
    return interactions(rows, ITEMS)


def bought_days(rows: list[Event]) -> dict[tuple[str, str], tuple[list[int], float]]:
    """The days and the share that was kept, of each person and item of which something was."""
    pieces: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    days = defaultdict(set)
    for event in rows:
        if event.user is None or event.kind not in (EventType.PURCHASE, EventType.RETURN):
            continue
        place = event.user, event.item
        pieces[place][event.kind is EventType.RETURN] += event.qty
        if event.kind is EventType.PURCHASE:
            days[place].add((NOON + round(event.day * DAY_S)) // DAY_S)
    return {
        place: (sorted(days[place]), 1 - returned / bought)
        for place, (bought, returned) in pieces.items()
        if bought > returned
    }


def named(data: Interactions, users: np.ndarray, items: np.ndarray) -> list[tuple[str, str]]:
    return [("abc"[user], data.item_ids[item]) for user, item in zip(users, items, strict=True)]


def all_buy(rows: list[Event]) -> list[Event]:
    """With an event of each person, so that a person's code says who it is."""
    return [*rows, *(Event(user, "s", 0, EventType.VIEW) for user in "abc")]


@given(events)
def test_own_purchases_are_days_of_what_was_kept(rows: list[Event]) -> None:
    rows = all_buy(rows)
    data = coded(rows)
    own = own_purchases(data)
    wanted = bought_days(rows)
    places = named(data, own.users, own.items)
    assert places == sorted(wanted)
    spans = [own.days[start:end].tolist() for start, end in pairwise(own.offsets)]
    assert spans == [wanted[place][0] for place in places]
    assert own.kept == pytest.approx([wanted[place][1] for place in places])
    assert own.last_days.tolist() == [days[-1] for days in spans]
    chosen = np.arange(len(own)) % 2 == 0
    assert [list(own.of(chosen).days[a:b]) for a, b in pairwise(own.of(chosen).offsets)] == spans[::2]


def expected_by_hand(rows: list[Event], item: str, categories: dict[str, str]) -> tuple[float, float, float]:
    wanted = bought_days(rows)

    def gaps(chosen: str) -> list[float]:
        return [
            math.log(later - sooner)
            for (_, of), (days, _) in wanted.items()
            if of in chosen
            for sooner, later in pairwise(days)
        ]

    def buyers(chosen: str) -> list[bool]:
        return [len(days) > 1 for (_, of), (days, _) in wanted.items() if of in chosen]

    def shrunk(values: list[float], prior: float, weight: float) -> float:
        return (sum(values) + weight * prior) / (len(values) + weight)

    same = "".join(other for other in ITEMS if categories.get(other) == categories.get(item))
    gap = shrunk(gaps(ITEMS), math.log(USUAL_GAP_DAYS), SHOP_GAPS)
    gap = shrunk(gaps(item), shrunk(gaps(same), gap, CATEGORY_GAPS), ITEM_GAPS)
    rebuys = shrunk([float(again) for again in buyers(ITEMS)], USUAL_REBUYS, 1)
    of_same = shrunk([float(again) for again in buyers(same)], rebuys, CATEGORY_BUYERS)
    rebuys = shrunk([float(again) for again in buyers(item)], of_same, ITEM_BUYERS)
    ages = [TODAY - day for (_, of), (days, _) in wanted.items() if of == item for day in days]
    lately, before = (sum(age < days for age in ages) for days in (LATELY_DAYS, BEFORE_DAYS))
    return gap, math.log(rebuys), math.log((lately + 1) / (before * LATELY_DAYS / BEFORE_DAYS + 1))


@given(events, st.sampled_from([CATEGORIES, {}]))
def test_what_is_expected_of_an_item_is_shrunk_to_its_category_and_the_shop(
    rows: list[Event], categories: dict[str, str]
) -> None:
    data = coded(rows)
    listed = catalogue([(item, categories.get(item, ""), "", 1.0) for item in ITEMS])
    codes = categories_of(listed if categories else None, data.item_ids)
    expected = ItemRhythms.of(own_purchases(data), data.n_items, TODAY).expected(codes)
    for code, item in enumerate(ITEMS):
        found = [float(column[code]) for column in expected]
        by_hand = expected_by_hand(rows, item, {item: categories.get(item, "") for item in ITEMS})
        assert found == pytest.approx(list(by_hand), abs=1e-5)


@given(events, st.sampled_from([LEARNED, DueSettings()]))
def test_the_columns_hold_rate_last_day_and_gap(rows: list[Event], learned: DueSettings) -> None:
    rows = all_buy(rows)
    data = coded(rows)
    own = own_purchases(data)
    expected = ItemRhythms.of(own, data.n_items, TODAY).expected(categories_of(None, data.item_ids))
    columns = due_columns(own, expected, learned, TODAY)
    for at, (person, item) in enumerate(named(data, own.users, own.items)):
        days, kept = bought_days(rows)[person, item]
        gap, rebuys, sold = expected_by_hand(rows, item, dict.fromkeys(ITEMS, ""))
        rate = kept * sum(0.5 ** (max(TODAY - day, 0) / learned.half_life_days) for day in days)
        again = math.log(max(rate, 1e-25)) + learned.rebuys * rebuys + learned.sold * sold
        logs = [math.log(later - sooner) for sooner, later in pairwise(days)]
        own_gap = math.exp((sum(logs) + OWN_GAPS * gap) / (len(logs) + OWN_GAPS))
        assert columns.again[at] == pytest.approx(max(-60, min(60, again)), rel=1e-3, abs=1e-3)
        assert columns.last_days[at] == max(0, min(days[-1], 65_535))
        assert columns.gaps[at] == pytest.approx(max(1, min(own_gap, 60_000)), rel=1e-3)
    scores = due_scores(*columns, learned, TODAY)
    assert np.isfinite(scores).all()
    assert (scores >= 0).all()
    assert (scores[(columns.last_days > 0) & (own.last_days >= TODAY)] == 0).all()


def scores_after(days: list[int], gap: float = 10, learned: DueSettings = LEARNED) -> list[float]:
    """Of items that were bought last so many days ago and are alike otherwise."""
    last = np.array([TODAY - since for since in days], np.uint16)
    columns = np.zeros(len(days), np.float16), last, np.full(len(days), gap, np.float16)
    return list(due_scores(*columns, learned, TODAY).tolist())


def test_not_yet_due_ranks_lower_and_long_lapsed_ranks_lower() -> None:
    early, ready, due, lapsed, long_ago, for_years = scores_after([1, 5, 10, 40, 150, 4_000])
    assert ready == due == 1
    assert early == pytest.approx((1 / 10 / READY) ** LEARNED.early)
    assert lapsed == pytest.approx(4**-LEARNED.late)
    assert 0 < for_years < long_ago < lapsed < 1
    assert scores_after([4_000]) == scores_after([5_000]) == [pytest.approx(math.exp(-FAR * LEARNED.late))]
    assert scores_after([1], 60_000) == [pytest.approx(math.exp(-FAR * LEARNED.early))]


def test_what_was_bought_today_or_later_is_not_due_at_all() -> None:
    assert scores_after([0, -1, -500]) == [0, 0, 0]
    assert scores_after([0, 1], learned=DueSettings()) == [0, 1]


def test_where_nothing_is_known_of_the_last_day_only_the_rate_counts() -> None:
    unknown = DueColumns(np.log(np.array([2, 3])).astype(np.float16), np.zeros(2, np.uint16), np.ones(2, np.float16))
    assert due_scores(*unknown, LEARNED, TODAY) == pytest.approx([2, 3], rel=1e-2)


def test_columns_are_placed_among_what_was_only_viewed() -> None:
    one = DueColumns(np.array([0.5], np.float16), np.array([9], np.uint16), np.array([4], np.float16))
    again, last_days, gaps = one.placed(np.array([1]), 3)
    assert (again.tolist(), last_days.tolist(), gaps.tolist()) == ([0, 0.5, 0], [0, 9, 0], [1, 4, 1])


def test_the_day_begins_at_midnight_utc() -> None:
    midnight = NOON - DAY_S // 2
    assert [day_of(moment) - day_of(NOON) for moment in (midnight - 0.5, midnight, midnight + DAY_S - 0.5)] == [
        -1,
        0,
        0,
    ]


@settings(max_examples=10)
@given(st.sampled_from(sorted(TINY)))
def test_tiny_shops_have_columns_too(name: str) -> None:
    data = TINY[name]
    own = own_purchases(data)
    expected: Expected = ItemRhythms.of(own, data.n_items, TODAY).expected(categories_of(None, data.item_ids))
    assert {len(column) for column in due_columns(own, expected, LEARNED, TODAY)} == {len(own)}
    assert all(np.isfinite(column).all() for column in expected)


def test_items_that_came_later_are_expected_to_be_as_their_category() -> None:
    data = coded([Event("a", "p", day) for day in (0, 5, 10)])
    known = ItemRhythms.of(own_purchases(data), data.n_items, TODAY)
    numbers = np.array([2, 0, 1, 4], np.int32)
    placed = known.placed(numbers, 6).expected(np.array([0, 0, 1, 0, 1, 1], np.int32))
    before = known.expected(np.array([1, 0, 0, 1], np.int32))
    for column, of_before in zip(placed, before, strict=True):
        assert column[numbers] == pytest.approx(of_before)
    assert placed.log_gaps[5] < placed.log_gaps[3]  # the category of p is bought more often than the other
    assert placed.log_sold[3] == placed.log_sold[5] == 0
    assert len(ItemRhythms.nothing().placed(np.empty(0, np.int32), 2).expected(np.zeros(2, np.int32)).log_gaps) == 2
