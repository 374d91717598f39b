"""How much an event says about a person's taste."""

from __future__ import annotations

import numpy as np
import pytest

from common.schemas.data import DAY_S, EVENT_TYPES, EventType, Interactions, Quantity, Weighting

NOW_S = 1_760_000_000


def events(event_type: EventType, qty: float = 1, age_days: float = 0) -> Interactions:
    return Interactions(
        user_keys=np.array([[1, 2]], dtype=np.uint64),
        item_ids=("a",),
        users=np.zeros(1, dtype=np.int32),
        items=np.zeros(1, dtype=np.int32),
        ts=np.array([NOW_S - age_days * DAY_S], dtype=np.int64),
        qty=np.array([qty], dtype=np.float32),
        event_types=np.array([EVENT_TYPES.index(event_type)], dtype=np.int8),
        orders=np.full(1, -1),
        sessions=np.full(1, -1),
        prices=np.full(1, np.nan, dtype=np.float32),
    )


@pytest.mark.parametrize(
    ("event_type", "expected"),
    [(EventType.PURCHASE, 1.0), (EventType.VIEW, 0.2), (EventType.CART, 0.5), (EventType.RETURN, -1.0)],
)
def test_each_event_type_has_its_own_weight(event_type: EventType, expected: float) -> None:
    assert Weighting().weigh(events(event_type), NOW_S) == pytest.approx([expected])


@pytest.mark.parametrize(
    ("quantity", "qty", "expected"),
    [
        (Quantity.ONE, 20, 1.0),
        (Quantity.LOG, 20, 1 + np.log(20)),
        (Quantity.CAPPED, 20, 5.0),
        (Quantity.CAPPED, 2, 2.0),
    ],
)
def test_the_quantity_transform(quantity: Quantity, qty: float, expected: float) -> None:
    weighting = Weighting(quantity=quantity)
    assert weighting.weigh(events(EventType.PURCHASE, qty=qty), NOW_S) == pytest.approx([expected])


def test_an_event_one_half_life_old_counts_half_and_one_from_the_future_counts_full() -> None:
    weighting = Weighting(half_life_days=30)
    assert weighting.weigh(events(EventType.PURCHASE, age_days=30), NOW_S) == pytest.approx([0.5])
    assert weighting.weigh(events(EventType.PURCHASE, age_days=-1), NOW_S) == pytest.approx([1.0])


def test_a_selection_keeps_the_codes_of_people_and_items() -> None:
    data = events(EventType.VIEW)
    nothing = data.where(np.zeros(1, dtype=np.bool_))
    assert len(nothing) == 0
    assert (nothing.n_users, nothing.n_items) == (data.n_users, data.n_items)
