"""The ALS fold-in: parity with the library that trained, and its shortcuts against the plain equation."""

from __future__ import annotations

import numpy as np
import pytest
from implicit.cpu.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from common.schemas.data import F32
from common.serving.encoders import als_fold_in, constant, prepare

ALPHA, DIM = 7.0, 12


@pytest.fixture(scope="module")
def library() -> AlternatingLeastSquares:
    random = np.random.default_rng(1)
    purchases = csr_matrix((random.random((60, 40)) < 0.15).astype(np.float32))
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(DIM, alpha=ALPHA, iterations=4, random_state=1, num_threads=1)
        model.fit(purchases, show_progress=False)
    return model


@pytest.fixture(scope="module")
def gram(library: AlternatingLeastSquares) -> F32:
    made: F32 = (library.YtY + library.regularization * np.eye(DIM)).astype(np.float32)
    return made


@pytest.mark.parametrize("n_items", [1, 3, 11, 30])
@pytest.mark.parametrize("prepared", [False, True])
def test_a_basket_gives_the_vector_that_the_library_gives(
    library: AlternatingLeastSquares, gram: F32, n_items: int, prepared: bool
) -> None:
    random = np.random.default_rng(n_items)
    items = np.sort(random.choice(40, n_items, replace=False))
    weights = random.uniform(0.1, 3, n_items).astype(np.float32)
    weights[0] *= -1 if n_items > 1 else 1
    wanted = library.recalculate_user(0, csr_matrix((weights, items, [0, n_items]), (1, 40)))
    arrays = {"gram": gram}
    vector = als_fold_in(
        library.item_factors[items], weights, prepare(arrays) if prepared else arrays, {"alpha": ALPHA}
    )
    assert vector.dtype == np.float32
    np.testing.assert_allclose(vector, wanted, atol=1e-4)


def test_an_item_of_weight_0_has_no_effect(library: AlternatingLeastSquares, gram: F32) -> None:
    def vector(items: list[int], weights: list[float]) -> F32:
        given = np.array(weights, np.float32)
        return als_fold_in(library.item_factors[items], given, prepare({"gram": gram}), {"alpha": ALPHA})

    np.testing.assert_array_equal(vector([1, 2, 3], [1, 0, 2]), vector([1, 3], [1, 2]))
    assert not vector([], []).any()
    assert not vector([4], [0]).any()


def test_constant_gives_everybody_the_same_query() -> None:
    assert constant(np.ones((3, 1), np.float32), np.ones(3, np.float32), {}, {}).tolist() == [1.0]
