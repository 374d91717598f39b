from __future__ import annotations

import numpy as np
import pytest
from implicit.cpu.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from common.errors import RefusedError
from common.models.base import FitOptions, TrainingData
from common.models.registry import make
from common.schemas.data import EventType
from common.serving.encoders import ENCODERS
from tests.shops import NOON, Event, checkerboard, interactions

PARAMS = {"factors": 8, "alpha": 4.0, "regularization": 0.5, "weighting": {"half_life_days": None}}


def test_a_person_folded_in_equals_the_librarys_partial_fit() -> None:
    """A basket that nobody had in training, weights below and above 1 / alpha among it."""
    data = checkerboard(30)
    artifact = make("als", PARAMS).fit(TrainingData(data), FitOptions(1, 1, NOON))
    library = AlternatingLeastSquares(factors=8, alpha=4, regularization=0.5, num_threads=1)
    library.item_factors = np.array(artifact.item_vectors)
    basket, weights = np.array([3, 4, 17]), np.array([0.1, 1.0, 6.5], dtype=np.float32)
    row = csr_matrix((weights, (np.zeros(3, dtype=int), basket)), shape=(1, data.n_items))
    query = ENCODERS["als_fold_in"](
        artifact.item_vectors[basket], weights, artifact.encoder_arrays, artifact.encoder_params
    )
    np.testing.assert_allclose(query, library.recalculate_user(0, row), rtol=1e-4, atol=1e-5)


def test_factors_that_shrank_to_nothing_are_refused() -> None:
    views = interactions([Event("a", "x", kind=EventType.VIEW)])
    with pytest.raises(RefusedError, match="als learned nothing"):
        make("als", {"regularization": 50.0}).fit(TrainingData(views), FitOptions(1, 1, NOON))


def test_blas_threads_are_held_back_during_the_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library warns, once, where BLAS runs threads of its own; here a warning is an error."""
    monkeypatch.setattr("implicit.utils._checked_blas_config", False)
    with threadpool_limits(2, "blas"):
        make("als", PARAMS).fit(TrainingData(checkerboard(4)), FitOptions(1, 1, NOON))


def test_quantity_and_returns_change_what_is_learned() -> None:
    once = interactions([Event(user, item) for user in "abc" for item in "xyz"])
    returned = interactions([*(Event(u, i) for u in "abc" for i in "xyz"), Event("a", "z", 1, EventType.RETURN)])
    first, second = (make("als", PARAMS).fit(TrainingData(data), FitOptions(1, 1, NOON)) for data in (once, returned))
    assert not np.allclose(first.user_vectors[0], second.user_vectors[0])
