from __future__ import annotations

from typing import Final

import pytest

from common.models.registry import FAMILIES
from common.models.space import Categorical, Float, Int, Space, Width, bounded, nested, within

SPACE: Final[Space] = {
    "factors": Width((32, 64, 128)),
    "alpha": Float(1.0, 200.0, log=True),
    "epochs": Int(1, 9),
    "weighting.half_life_days": Categorical((None, 28.0)),
}


def test_params_are_taken_by_path_and_put_back() -> None:
    params = {"factors": 64, "alpha": 3.0, "epochs": 2, "weighting": {"half_life_days": None, "view": 0.5}}
    flat = within(params, SPACE)
    assert flat == {"factors": 64, "alpha": 3.0, "epochs": 2, "weighting.half_life_days": None}
    assert nested(flat) == {"factors": 64, "alpha": 3.0, "epochs": 2, "weighting": {"half_life_days": None}}


def test_what_a_range_does_not_hold_is_left_to_the_search() -> None:
    assert within({"factors": 50, "alpha": 0.5, "epochs": 10, "weighting": {"half_life_days": 3.0}}, SPACE) == {}


def test_a_width_over_the_bound_becomes_the_widest_allowed() -> None:
    assert within({"factors": 512}, bounded(SPACE, 100)) == {"factors": 64}
    assert bounded(SPACE, 100)["factors"] == Width((32, 64))
    assert bounded(SPACE, 8)["factors"] == Width((32,))


@pytest.mark.parametrize("family", FAMILIES)
def test_defaults_and_starts_lie_in_the_space_and_its_ends_are_valid(family: str) -> None:
    model = FAMILIES[family]
    for config in (model.Config(), *model.starts):
        assert within(config.model_dump(mode="json"), model.search_space).keys() == model.search_space.keys()
    for end in (0, -1):
        ends = {
            path: range_.options[end] if isinstance(range_, Categorical | Width) else (range_.low, range_.high)[end]
            for path, range_ in model.search_space.items()
        }
        model.Config.model_validate(nested(ends))
