from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.models.artifact import Artifact
from common.models.base import FitOptions, TrainingData
from common.models.popularity import FILL, counts_of, popularity
from common.models.registry import make
from common.schemas.data import DAY_S, EventType, Interactions
from tests.shops import NOON, Event, interactions

NOW = NOON + 100 * DAY_S
DAYS = 28


def scores_of(events: list[Event]) -> dict[str, float]:
    """The scores without the little that decides among equals."""
    data = interactions(events)
    return dict(zip(data.item_ids, np.round(popularity(data, NOW, DAYS), 3).tolist(), strict=True))


def order_of(events: list[Event]) -> list[str]:
    data = interactions(events)
    return [data.item_ids[item] for item in np.argsort(-popularity(data, NOW, DAYS), kind="stable")]


def test_a_person_counts_once_however_often_they_buy() -> None:
    often = [Event("a", "milk", 80 + day) for day in range(15)]
    assert scores_of([*often, Event("a", "tea", 90), Event("b", "tea", 91)]) == {"milk": 1, "tea": 2}


def test_the_strongest_event_of_a_person_counts() -> None:
    looks = [Event("a", "seen", 90 + n / 10, EventType.VIEW) for n in range(9)]
    cart = [Event("a", "cart", 90, EventType.VIEW), Event("a", "cart", 91, EventType.CART)]
    assert scores_of([*looks, *cart, Event("a", "bought", 90)]) == {"seen": 0.2, "cart": 0.5, "bought": 1}


def test_what_a_person_gave_back_counts_nothing() -> None:
    back = [Event("a", "back", 90), Event("a", "back", 91, EventType.RETURN)]
    part = [Event("b", "part", 90, qty=2), Event("b", "part", 91, EventType.RETURN)]
    earlier = [Event("c", "earlier", 90, EventType.RETURN)]
    assert scores_of([*back, *part, *earlier]) == {"back": 0, "part": 1, "earlier": 0}


def test_items_of_before_the_window_come_behind_all_others_and_later_ones_first_among_equals() -> None:
    old = [Event(user, "old", 50) for user in "abcdef"]
    assert order_of([*old, Event("a", "new", 99, EventType.VIEW), Event("a", "first", 80), Event("a", "then", 90)]) == [
        "then",
        "first",
        "new",
        "old",
    ]


def test_guests_count_by_order_and_each_by_itself_without_one() -> None:
    people = [Event(user, "tea", 90) for user in "abcdefghi"]
    order = [Event(None, "milk", 90, order=1), Event(None, "milk", 90.1, order=1), Event(None, "milk", 91, order=2)]
    single = [Event(None, "rice", 90), Event(None, "rice", 90), Event(None, "rice", 91)]
    assert scores_of([*people, *order, *single]) == {"tea": 9, "milk": 2, "rice": 3}


@given(bot=st.integers(30, 300), guests=st.lists(st.integers(1, 9), min_size=3, max_size=6), people=st.booleans())
def test_no_flood_of_guests_puts_one_item_first(bot: int, guests: list[int], people: bool) -> None:
    """Whether the shop knows people, or has guests only."""
    honest = [Event(None, f"item{place}", 90 + n / 10) for place, many in enumerate(guests) for n in range(many)]
    known = [Event(f"u{place}", f"item{place}", 90) for place in range(len(guests))] if people else []
    script = [Event(None, "a script's", 90 + n / 1000) for n in range(bot)]
    assert order_of([*honest, *known, *script])[0] != "a script's"


def test_counts_of_different_people_may_be_added() -> None:
    some = [Event("a", "x", 90), Event(None, "y", 91), Event("a", "y", 20)]
    others = [Event("b", "y", 95), Event(None, "y", 96), Event("b", "x", 97, EventType.RETURN)]
    first, later, all_of_them = (
        counts_of(interactions(events, items=["x", "y"]), NOW, DAYS) for events in (some, others, [*some, *others])
    )
    assert first.plus(later).scores() == pytest.approx(all_of_them.scores())


def test_the_model_scores_what_has_more_than_returns() -> None:
    data = interactions(
        [
            Event("a", "old", 0),
            Event("a", "new", 100),
            Event("b", "back", 99),
            Event("b", "back", 99.5, EventType.RETURN),
            Event("c", "back", 99.6, EventType.RETURN),
        ]
    )
    artifact = fit(data)
    assert artifact.item_ids == ("new", "old")
    np.testing.assert_allclose(artifact.item_vectors[:, 0], [1 + FILL, FILL * 2 ** (-100 / DAYS)], rtol=1e-4)
    assert artifact.encoder == "constant"
    assert len(artifact.user_vectors) == 0


def test_the_window_is_a_parameter() -> None:
    data = interactions([Event("a", "old", 0), Event("b", "old", 0), Event("a", "new", 100)])
    assert fit(data, window_days=112).item_vectors[:, 0].round(3).tolist() == [1, 2]


def fit(data: Interactions, **params: float) -> Artifact:
    return make("popular", params).fit(TrainingData(data), FitOptions(1, 1, NOW))
