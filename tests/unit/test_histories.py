from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from common.schemas.data import EventType, Weighting
from common.usecases.publish.layers.histories import Histories, histories_of
from tests.shops import NOON, TINY, Event, interactions

NOW = NOON + 400 * 86_400
PLAIN = Weighting()


def read(histories: Histories, person: int, item_ids: tuple[str, ...]) -> list[tuple[str, float, bool]]:
    span = slice(histories.offsets[person], histories.offsets[person + 1])
    rows = zip(histories.items[span], histories.weights[span], histories.purchased[span], strict=True)
    return [(item_ids[item], round(float(weight), 4), bool(bought)) for item, weight, bought in rows]


def test_items_come_once_in_the_order_of_the_last_event() -> None:
    data = interactions(
        [
            Event("a", "tea", 1),
            Event("a", "milk", 2),
            Event("a", "tea", 3, EventType.VIEW),
            Event("b", "tea", 4, EventType.CART),
            Event(None, "salt", 5),
        ]
    )
    histories = histories_of(data, PLAIN, NOW)
    assert read(histories, 0, data.item_ids) == [("milk", 1.0, True), ("tea", 1.2, True)]
    assert read(histories, 1, data.item_ids) == [("tea", 0.5, False)]
    assert len(histories.items) == 3


def test_a_return_takes_back_what_a_purchase_said() -> None:
    data = interactions(
        [
            Event("a", "shoes", 1),
            Event("a", "shoes", 2, EventType.RETURN),
            Event("a", "hat", 1, EventType.VIEW),
            Event("a", "hat", 2),
            Event("a", "hat", 3, EventType.RETURN),
            Event("a", "socks", 1, qty=3),
            Event("a", "socks", 4, EventType.RETURN, qty=1),
        ]
    )
    # The shoes are gone; the hat was looked at and is not owned; two of three pairs of socks are.
    assert read(histories_of(data, PLAIN, NOW), 0, data.item_ids) == [("hat", 0.2, False), ("socks", 0.0, True)]


def test_a_purchase_so_old_that_it_weighs_nothing_is_still_one() -> None:
    data = interactions([Event("a", "tea", 0)])
    [(_, weight, purchased)] = read(histories_of(data, Weighting(half_life_days=1), NOW), 0, data.item_ids)
    assert (weight, purchased) == (0.0, True)


def test_repeated_purchases_are_counted_apart_from_what_the_model_learns_from() -> None:
    sales = [Event("a", "tea", day, qty=5) for day in (380, 390, 400)]
    data = interactions([*sales, Event("a", "tea", 400, EventType.VIEW), Event("a", "tea", 400, EventType.RETURN)])
    weighting = Weighting(half_life_days=1)
    assert histories_of(data, weighting, NOW).repeats.tolist() == [2]
    assert histories_of(data, weighting, NOW, 10).repeats.tolist() == [0.75]


def test_no_events_and_nobody_known() -> None:
    for name in ("no_events", "nobody_consents", "all_returned"):
        histories = histories_of(TINY[name], PLAIN, NOW)
        assert histories.offsets.tolist() == [0] * (TINY[name].n_users + 1)
        assert len(histories.items) == 0


def test_people_left_out_are_those_without_a_history() -> None:
    data = interactions([Event("a", "x", 1), Event("a", "x", 2, EventType.RETURN), Event("b", "x"), Event("c", "y")])
    histories = histories_of(data, PLAIN, NOW).of_people(np.array([1, 2]))
    assert [read(histories, row, data.item_ids) for row in (0, 1)] == [[("x", 1.0, True)], [("y", 1.0, True)]]


events = st.lists(
    st.builds(
        Event,
        user=st.sampled_from(["a", "b", "c", None]),
        item=st.sampled_from("wxyz"),
        day=st.integers(0, 9).map(float),
        kind=st.sampled_from(list(EventType)),
        qty=st.integers(1, 3).map(float),
    ),
    max_size=40,
)


@given(events)
def test_the_same_as_counting_by_hand(given_events: list[Event]) -> None:
    data = interactions(given_events)
    histories = histories_of(data, PLAIN, NOW)
    kinds = {EventType.PURCHASE: 1.0, EventType.VIEW: 0.2, EventType.CART: 0.5, EventType.RETURN: -1.0}
    pieces = {EventType.PURCHASE: 1.0, EventType.RETURN: -1.0}
    ordered = sorted(given_events, key=lambda event: event.day)
    for person, user in enumerate(sorted({event.user for event in given_events if event.user})):
        own = [event for event in ordered if event.user == user]
        expected = []
        for item in dict.fromkeys(event.item for event in reversed(own)):
            of_item = [event for event in own if event.item == item]
            weight = round(max(sum(kinds[event.kind] for event in of_item), 0.0), 4)
            bought = sum(pieces.get(event.kind, 0.0) * event.qty for event in of_item) > 0
            if weight > 1e-6 or bought:
                expected.append((item, weight, bought))
        found = [row for row in read(histories, person, data.item_ids) if row[1] > 0 or row[2]]
        assert found == expected[::-1]


def last_orders(given_events: list[Event]) -> list[set[str]]:
    data = interactions(given_events)
    histories = histories_of(data, PLAIN, NOW)
    spans = [slice(*histories.offsets[person : person + 2]) for person in range(data.n_users)]
    return [{data.item_ids[code] for code in histories.items[span][histories.latest[span]]} for span in spans]


def test_the_last_order_is_that_of_the_newest_purchase() -> None:
    minute = 1 / 1440
    assert last_orders(
        [
            Event("a", "old", 1, order=7),
            Event("a", "tea", 2, order=8),
            Event("a", "late line of the old one", 3 - minute, order=7),
            Event("a", "milk", 3, order=8),
            Event("a", "looked at", 4, EventType.VIEW, order=8),
            Event("b", "before", 1),
            Event("b", "tea", 2),
            Event("b", "milk", 2 + 30 * minute),
            Event("b", "salt", 2 + 60 * minute),
            Event("c", "named", 2, order=1),
            Event("c", "unnamed", 2 + minute),
            Event("d", "kept", 1),
            Event("d", "sent back", 1),
            Event("d", "sent back", 2, EventType.RETURN),
            Event(None, "a guest's", 9),
        ]
    ) == [{"tea", "milk"}, {"tea", "milk", "salt"}, {"unnamed"}, {"kept"}]


@given(events)
def test_the_last_order_is_the_same_as_by_hand(given_events: list[Event]) -> None:
    """Without order ids, and a day between moments, an order is what was bought in one moment."""
    expected = []
    for user in sorted({event.user for event in given_events if event.user}):
        bought = [event for event in given_events if event.user == user and event.kind is EventType.PURCHASE]
        latest = {event.item for event in bought if event.day == max(other.day for other in bought)}
        pieces = {EventType.PURCHASE: 1, EventType.RETURN: -1}
        own = [event for event in given_events if event.user == user]
        kept = {item: sum(pieces.get(e.kind, 0) * e.qty for e in own if e.item == item) > 0 for item in latest}
        expected.append({item for item in latest if kept[item]})
    assert last_orders(given_events) == expected
