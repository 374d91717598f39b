from __future__ import annotations

import numpy as np
import pytest

from common.evaluation.split import temporal_split
from common.schemas.data import DAY_S, Interactions
from tests.shops import NOON, TINY, Event, interactions


def days(data: Interactions) -> list[int]:
    return sorted({round((ts - NOON) / DAY_S) for ts in data.ts.tolist()})


def shop(n_days: int) -> Interactions:
    return interactions(Event("a", "x", day) for day in range(n_days))


def test_windows_lie_at_the_end_and_do_not_touch() -> None:
    split = temporal_split(shop(100), validation_days=10, test_days=5)
    assert split is not None
    assert split.test is not None
    assert days(split.validation.past) == list(range(85))
    assert days(split.validation.future) == list(range(85, 95))
    assert days(split.test.past) == list(range(95))
    assert days(split.test.future) == list(range(95, 100))


def test_no_event_is_lost_or_seen_twice() -> None:
    data = shop(57)
    split = temporal_split(data, 7, 7)
    assert split is not None
    assert split.test is not None
    parts = [split.validation.past, split.validation.future, split.test.future]
    assert np.concatenate([part.ts for part in parts]).tolist() == data.ts.tolist()


def test_an_event_on_a_cut_is_the_first_of_the_window_that_begins_there() -> None:
    """And of nothing else; one of the second before belongs to what comes before."""
    whole = [Event("a", "x", day) for day in range(100)]
    found = temporal_split(interactions(whole), validation_days=10, test_days=5)
    assert found is not None
    assert found.test is not None
    cuts = [found.validation.cut_s, found.test.cut_s]
    on_a_cut = [Event("a", "y", (cut - NOON + second) / DAY_S) for cut in cuts for second in (-1, 0)]
    split = temporal_split(interactions([*whole, *on_a_cut]), validation_days=10, test_days=5)
    assert split is not None
    assert split.test is not None
    validation, test = split.validation, split.test
    assert [validation.cut_s, test.cut_s] == cuts
    for fold in (validation, test):
        assert (int(fold.past.ts[-1]), int(fold.future.ts[0])) == (fold.cut_s - 1, fold.cut_s)
    assert int(validation.future.ts[-1]) == test.cut_s - 1


def test_windows_of_a_short_history_are_shortened_in_proportion() -> None:
    split = temporal_split(shop(51), validation_days=28, test_days=28)
    assert split is not None
    assert split.test is not None
    assert days(split.validation.past) == list(range(31))
    assert days(split.validation.future) == list(range(31, 41))
    assert days(split.test.future) == list(range(41, 51))


def test_the_test_window_can_be_left_out() -> None:
    split = temporal_split(shop(100), validation_days=10, test_days=0)
    assert split is not None
    assert split.test is None
    assert days(split.validation.future) == list(range(90, 100))


@pytest.mark.parametrize("name", ["one_event", "no_events", "one_order_of_400_items"])
def test_a_single_moment_cannot_be_split(name: str) -> None:
    assert temporal_split(TINY[name], 28, 28) is None


def test_a_window_ends_with_the_last_event_and_is_as_long_as_was_asked_for() -> None:
    split = temporal_split(shop(100), validation_days=10, test_days=1)
    assert split is not None
    assert split.test is not None
    assert split.test.cut_s == NOON + 98 * DAY_S + 1
    assert split.validation.cut_s == NOON + 88 * DAY_S + 1
    assert days(split.test.future) == [99]


def test_a_test_window_in_which_nothing_can_happen_is_no_split() -> None:
    assert temporal_split(shop(100), validation_days=10, test_days=1e-9) is None
