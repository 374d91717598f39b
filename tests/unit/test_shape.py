"""What a shop's data can carry: which settings are changed for it, and which families are not tried."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.models.base import FitOptions, Model, ModelConfig, TrainingData
from common.models.registry import FAMILIES, make
from common.models.shape import DataShape, times_tell
from common.models.space import Width
from common.schemas.data import DAY_S, Interactions
from common.usecases.train.evaluator import Evaluator
from common.usecases.train.model_selection import TIMELESS
from tests.shops import NOON, Event, interactions
from tests.unit.test_comparison import chosen, two_tastes

LINES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 3 * DAY_S)), min_size=1, max_size=30)


def tiny_shop() -> Interactions:
    """14 customers, 41 items and 65 orders in three months."""
    rng = np.random.default_rng(3)
    buyers = [*range(14), *rng.integers(14, size=51)]
    return interactions(
        [
            Event(f"u{buyer:02}", f"i{item:02}", day=float(day), order=order)
            for order, (buyer, day) in enumerate(zip(buyers, rng.random(65) * 90, strict=True))
            for item in rng.choice(41, rng.integers(1, 5), replace=False)
        ],
        items=[f"i{item:02}" for item in range(41)],
    )


def bought(lines: list[tuple[int, int, int]]) -> Interactions:
    return interactions(Event(f"u{user}", f"i{item}", day=second / DAY_S) for user, item, second in lines)


@settings(deadline=None, max_examples=40)
@given(LINES, st.integers(0, 3 * DAY_S))
def test_one_time_for_everything_tells_nothing(lines: list[tuple[int, int, int]], second: int) -> None:
    assert not times_tell(bought([(user, item, second) for user, item, _ in lines]))


@settings(deadline=None, max_examples=40)
@given(LINES, st.lists(st.integers(0, 3 * DAY_S), min_size=6, max_size=6))
def test_one_time_for_each_person_tells_nothing(lines: list[tuple[int, int, int]], seconds: list[int]) -> None:
    assert not times_tell(bought([(user, item, seconds[user]) for user, item, _ in lines]))


@settings(deadline=None, max_examples=40)
@given(LINES, st.integers(0, 3600))
def test_times_that_count_the_rows_of_a_file_tell_nothing(lines: list[tuple[int, int, int]], step_s: int) -> None:
    assert not times_tell(bought([(user, item, step_s * row) for row, (user, item, _) in enumerate(lines)]))


@settings(deadline=None, max_examples=40)
@given(LINES, st.integers(0, 5), st.integers(1, DAY_S))
def test_a_person_with_two_times_tells(lines: list[tuple[int, int, int]], user: int, apart_s: int) -> None:
    again = [(user, 0, 4 * DAY_S), (user, 1, 4 * DAY_S + apart_s), (user, 2, 8 * DAY_S)]
    assert times_tell(bought([*lines, *again])) == (len({*np.diff(sorted(s for *_, s in [*lines, *again]))}) > 1)


def test_guests_alone_leave_the_half_life_as_it_is() -> None:
    assert times_tell(interactions([Event(None, "x", day) for day in (0, 1, 5)]))


def test_decay_that_would_forget_by_a_files_order_changes_nothing() -> None:
    """The suited als learns the same of rows in any order; the half-life alone would not."""
    data = bought([(user, item, 0) for user in range(6) for item in range(6) if (user + item) % 2])
    numbered = replace(data, ts=NOON + 40 * DAY_S * np.arange(len(data)))
    shape = DataShape.of(numbered, max_width=8)
    default = make("als", {"factors": 4, "regularization": 0.1})
    assert not shape.timed

    def scores(model: Model[ModelConfig], data: Interactions) -> Any:
        artifact = model.fit(TrainingData(data), FitOptions(1, 1, int(data.ts[-1])))
        return artifact.user_vectors @ artifact.item_vectors.T

    np.testing.assert_allclose(scores(default.suited(shape), numbered), scores(default.suited(shape), data), atol=1e-5)
    assert not np.allclose(scores(default, numbered), scores(default, data), atol=1e-2)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(8, 2048))
def test_vectors_are_no_wider_than_people_items_and_the_setting_allow(people: int, items: int, most: int) -> None:
    n = max(people, items)
    data = interactions(Event(f"u{row % people}", f"i{row % items}", day=row**2) for row in range(n))
    shape = DataShape.of(data, most)
    assert min(8, most) <= shape.width <= max(8, min(people, items, most))
    for name, family in FAMILIES.items():
        widths = [path for path, range_ in family.search_space.items() if isinstance(range_, Width)]
        suited = make(name).suited(shape).config
        assert all(getattr(suited, path) <= shape.width for path in widths)
        assert make(name).suited(shape).suited(shape).config == suited


def test_settings_stay_where_the_data_carry_them() -> None:
    for name in FAMILIES:
        model = make(name)
        assert model.suited(DataShape(10**6, 2048, timed=True)) is model


@pytest.mark.parametrize(("events", "regularization"), [(100, 1), (6_000, 6), (30_000, 30), (10**6, 30)])
def test_few_events_get_less_regularization(events: int, regularization: float) -> None:
    suited = make("als").suited(DataShape(events, 2048, timed=True))
    assert suited.config.model_dump()["regularization"] == pytest.approx(regularization)


def test_the_defaults_learn_from_a_tiny_shop() -> None:
    data = tiny_shop()
    suited = make("als").suited(DataShape.of(data, 256))
    assert suited.config.model_dump()["factors"] == 8
    artifact = suited.fit(TrainingData(data), FitOptions(1, 1, int(data.ts[-1])))
    assert artifact.dim == 8


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many fits each family had."""
    counted: Counter[str] = Counter()
    fit = Evaluator._fit

    def counting(evaluator: Evaluator, model: Model[ModelConfig], **listeners: Any) -> Any:
        counted[model.family] += 1
        return fit(evaluator, model, **listeners)

    monkeypatch.setattr(Evaluator, "_fit", counting)
    return counted


def test_a_tiny_shop_is_trained_in_a_few_cheap_fits(fits: Counter[str]) -> None:
    data = tiny_shop()
    selection = chosen(data, families=tuple(FAMILIES), shape=DataShape.of(data, 256))
    assert {one.family for one in selection.not_tried if not one.begun} >= {"gru4rec", "item2vec"}
    assert not {"gru4rec", "item2vec"} & set(fits)
    assert sum(fits.values()) <= 25, fits
    assert any("gru4rec (default) was not tried: there are" in notice for notice in selection.notices)
    assert selection.full["not_tried"][0]["reason"] in " ".join(selection.full["notices"])


def test_a_family_that_somebody_names_is_tried_however_little_there_is(fits: Counter[str]) -> None:
    data = tiny_shop()
    chosen(data, families=("item2vec", "popular"), shape=DataShape.of(data, 256), named=True)
    assert fits["item2vec"]


def test_a_shop_without_times_is_told_so() -> None:
    data = two_tastes()
    shape = DataShape.of(data, 256)
    assert TIMELESS not in chosen(data, families=("popular",), shape=shape).notices
    selection = chosen(data, shape=replace(shape, timed=False))
    assert selection.notices[0] == TIMELESS
    tried = [trial["params"]["weighting"]["half_life_days"] for trial in selection.full["trials"]]
    assert set(tried) == {None}
