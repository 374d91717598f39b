from __future__ import annotations

import numpy as np

from common.models.base import FitOptions, TrainingData
from common.models.registry import make
from common.schemas.data import F32
from tests.shops import NOON, Event, interactions


def test_the_popularity_by_which_negatives_are_drawn_is_put_back_into_the_bias() -> None:
    data = interactions(Event(f"u{user}", f"i{item}") for user in range(8) for item in range(user + 1))
    params = {"factors": 4, "iterations": 5, "people": "factors"}
    plain, lifted = (
        make("bpr", params | {"popularity": share}).fit(TrainingData(data), FitOptions(1, 1, NOON))
        for share in (0, 0.5)
    )
    np.testing.assert_array_equal(lifted.item_vectors[:, :-1], plain.item_vectors[:, :-1])
    gained = lifted.item_vectors[:, -1] - plain.item_vectors[:, -1]
    np.testing.assert_allclose(gained, 0.5 * np.log(np.arange(8, 0, -1)), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(lifted.user_vectors, plain.user_vectors)


def test_with_decay_the_second_of_two_iterations_takes_half_steps() -> None:
    data = interactions(Event(f"u{user}", f"i{item}") for user in range(8) for item in range(user, user + 4))

    def fitted(iterations: int, *, linear_decay: bool = False) -> F32:
        params = {"factors": 4, "iterations": iterations, "linear_decay": linear_decay}
        return make("bpr", params).fit(TrainingData(data), FitOptions(1, 1, NOON)).item_vectors

    first, second, decayed = fitted(1), fitted(2), fitted(2, linear_decay=True)
    np.testing.assert_allclose(decayed - first, (second - first) / 2, atol=1e-4)
    assert np.abs(second - first).max() > 1e-2
