from __future__ import annotations

import numpy as np
import pytest

from common.schemas.data import F32
from common.usecases.layers.cold import Groups, learn_groups
from common.usecases.layers.items import take
from tests.shops import catalogue

NAN = float("nan")
EAST, NORTH = (1.0, 0.0), (0.0, 1.0)


def shop(n: int = 40) -> tuple[F32, Groups]:
    """Shoes point east, of acme a little north; hats point north. Lengths grow with the number."""
    rows = [(f"shoe{i:02}", "shoes", "acme" if i % 2 else "zeta", 10.0) for i in range(n)]
    rows += [(f"hat{i:02}", "hats", "zeta", 80.0) for i in range(n)]
    trained = catalogue(rows)
    directions = {"shoes": EAST, "hats": NORTH}
    vectors = np.array([directions[name] for name in trained.categories], dtype=np.float32)
    vectors[[brand == "acme" for brand in trained.brands]] += (0.0, 0.3)
    vectors *= np.linspace(0.1, 1, len(vectors), dtype=np.float32)[:, None]
    return vectors, learn_groups(vectors, trained, biased=False)


def cosine(one: F32, other: F32) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def test_an_unseen_item_points_where_its_category_and_brand_do() -> None:
    _, groups = shop()
    unseen = catalogue([("a", "shoes", "acme", 11.0), ("b", "shoes", "zeta", 11.0), ("c", "hats", "zeta", 75.0)])
    acme, zeta, hat = groups.vectors_of(unseen)
    assert cosine(zeta, np.array(EAST)) > cosine(acme, np.array(EAST)) > 0.8
    assert cosine(hat, np.array(NORTH)) > 0.9


def test_its_length_is_less_than_that_of_what_sells_best() -> None:
    vectors, groups = shop()
    lengths = np.linalg.norm(vectors, axis=1)
    [unseen] = groups.vectors_of(catalogue([("a", "shoes", "acme", 11.0)]))
    assert np.linalg.norm(unseen) == pytest.approx(np.quantile(lengths, 0.9), rel=1e-5)


def test_without_a_group_of_its_own_it_takes_the_wider_one() -> None:
    _, groups = shop()
    unseen = catalogue([("a", "shoes", "new brand", 900.0), ("b", "shoes", "", NAN), ("c", "new", "new", 1.0)])
    new_brand, no_brand, nothing_known = groups.vectors_of(unseen)
    assert new_brand.tolist() == no_brand.tolist()
    assert np.linalg.norm(new_brand) > 0
    assert nothing_known.tolist() == [0, 0]


def test_items_of_one_group_weigh_more_the_more_they_are() -> None:
    few, many = (shop(n)[1] for n in (2, 200))
    hat = catalogue([("a", "hats", "zeta", 80.0)])
    assert cosine(many.vectors_of(hat)[0], np.array(NORTH)) > cosine(few.vectors_of(hat)[0], np.array(NORTH))


def test_a_bias_is_averaged_and_not_stretched() -> None:
    trained = catalogue([(f"i{i}", "shoes" if i < 30 else "hats", "", NAN) for i in range(60)])
    vectors = np.array(
        [(3.0, -2.0) if name == "shoes" else (3.0, -4.0) for name in trained.categories], dtype=np.float32
    )
    groups = learn_groups(vectors, trained, biased=True)
    shoe, hat, unknown = groups.vectors_of(
        catalogue([("x", "shoes", "", NAN), ("y", "hats", "", NAN), ("z", "new", "", NAN)])
    )
    assert (shoe[0], hat[0], unknown[0]) == pytest.approx((3, 3, 0))
    assert -3 < shoe[1] < -2
    assert -4 < hat[1] < -3
    assert unknown[1] == pytest.approx(-3)


def test_a_family_of_biases_alone() -> None:
    trained = catalogue([("a", "shoes", "", NAN), ("b", "shoes", "", NAN)])
    groups = learn_groups(np.array([[2.0], [4.0]], dtype=np.float32), trained, biased=True)
    assert groups.vectors_of(catalogue([("c", "shoes", "", NAN)])).tolist() == [[3.0]]


def test_nothing_is_trained() -> None:
    items = catalogue([("a", "b", "c", 1.0)])
    groups = learn_groups(np.zeros((0, 3), dtype=np.float32), take(items, []), biased=False)
    assert groups.vectors_of(items).tolist() == [[0, 0, 0]]
