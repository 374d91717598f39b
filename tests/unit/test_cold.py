from __future__ import annotations

import numpy as np
import pytest

from common.schemas.data import F32
from common.usecases.publish.layers.cold import SHARE, Groups, learn_groups
from common.usecases.publish.layers.items import take
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
    people = np.array([EAST, NORTH], dtype=np.float32)
    return vectors, learn_groups(vectors, trained, False, people, take(trained, []))


def cosine(one: F32, other: F32) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def test_an_unseen_item_points_where_its_category_and_brand_do() -> None:
    _, groups = shop()
    unseen = catalogue([("a", "shoes", "acme", 11.0), ("b", "shoes", "zeta", 11.0), ("c", "hats", "zeta", 75.0)])
    acme, zeta, hat = groups.vectors_of(unseen)
    assert cosine(zeta, np.array(EAST)) > cosine(acme, np.array(EAST)) > 0.8
    assert cosine(hat, np.array(NORTH)) > 0.9


def places_taken(vectors: F32, unseen: F32, people: F32) -> float:
    """The share of people's first ten places that unseen items take."""
    scores = people @ np.concatenate([vectors, unseen]).T
    return float((np.argsort(-scores, axis=1)[:, :10] >= len(vectors)).mean())


@pytest.mark.parametrize("n_unseen", [1, 30, 300])
def test_unseen_items_leave_people_what_they_like(n_unseen: int) -> None:
    rng = np.random.default_rng(1)
    trained = catalogue([(f"i{i:03}", f"c{i % 7}", f"b{i % 3}", 10.0) for i in range(150)])
    middles = rng.standard_normal((7, 8))
    aisles = [int(name[1:]) for name in trained.categories]
    vectors = (middles[aisles] + rng.standard_normal((150, 8)) / 3).astype(np.float32)
    people = (middles[rng.integers(0, 7, 60)] + rng.standard_normal((60, 8)) / 3).astype(np.float32)
    unseen = catalogue([(f"new{i:03}", f"c{i % 7}", f"b{i % 3}", 10.0) for i in range(n_unseen)])
    groups = learn_groups(vectors, trained, False, people, unseen)
    found = groups.vectors_of(unseen)
    assert places_taken(vectors, found, people) <= SHARE + 0.01
    assert places_taken(vectors, 10 * found, people) > 2 * SHARE or n_unseen == 1
    assert np.linalg.norm(found[0]) > 0


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
    people = np.array([[1.0, 1.0]], dtype=np.float32)
    groups = learn_groups(vectors, trained, True, people, take(trained, []))
    shoe, hat, unknown = groups.vectors_of(
        catalogue([("x", "shoes", "", NAN), ("y", "hats", "", NAN), ("z", "new", "", NAN)])
    )
    assert shoe[0] == pytest.approx(hat[0])
    assert unknown[0] == 0
    assert -3 < shoe[1] < -2
    assert -4 < hat[1] < -3
    assert unknown[1] == pytest.approx(-3)


def test_a_family_of_biases_alone() -> None:
    trained = catalogue([("a", "shoes", "", NAN), ("b", "shoes", "", NAN)])
    nobody = np.zeros((0, 1), dtype=np.float32)
    groups = learn_groups(np.array([[2.0], [4.0]], dtype=np.float32), trained, True, nobody, take(trained, []))
    assert groups.vectors_of(catalogue([("c", "shoes", "", NAN)])).tolist() == [[3.0]]


def test_nothing_is_trained() -> None:
    items = catalogue([("a", "b", "c", 1.0)])
    nothing = np.zeros((0, 3), dtype=np.float32)
    groups = learn_groups(nothing, take(items, []), False, nothing, items)
    assert groups.vectors_of(items).tolist() == [[0, 0, 0]]
