from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from common.models.history_map import fit_history_map
from common.serving.encoders import ENCODERS

NOBODY: dict[str, float] = {}


def test_people_who_follow_from_their_items_are_found_again_from_a_basket() -> None:
    rng = np.random.default_rng(4)
    items = rng.normal(size=(50, 6)).astype(np.float32)
    cells = csr_matrix(rng.random((400, 50)) * (rng.random((400, 50)) < 0.3))
    turn = rng.normal(size=(7, 5))
    means = (cells @ items) / np.asarray(cells.sum(axis=1))
    people = np.column_stack([np.column_stack([means, np.ones(400)]) @ turn, np.ones(400)]).astype(np.float32)
    arrays = {"map": fit_history_map(cells, items, people)}
    row = cells[7]
    query = ENCODERS["mapped_mean"](items[row.indices], row.data.astype(np.float32), arrays, NOBODY)
    np.testing.assert_allclose(query, people[7], atol=0.02)
    assert query[-1] == 1


def test_fewer_people_than_factors_are_no_obstacle() -> None:
    items = np.eye(3, 8, dtype=np.float32)
    history_map = fit_history_map(csr_matrix(np.eye(2, 3)), items, np.ones((2, 8), dtype=np.float32))
    assert history_map.shape == (9, 7)
    assert np.isfinite(history_map).all()


def test_no_items_give_the_zero_vector() -> None:
    empty = np.zeros((0, 4), dtype=np.float32)
    arrays = {"map": np.ones((5, 3), dtype=np.float32)}
    assert not ENCODERS["mapped_mean"](empty, np.zeros(0, dtype=np.float32), arrays, NOBODY).any()
