"""Filters through the catalogue file, against the same conditions in Python, over layers that redefine items."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from common.errors import CorruptError
from common.schemas.data import F32
from common.serving.bundle import ServedBundle
from common.serving.filters import AVAILABLE, CatalogueFile, Filter
from common.serving.search import search
from common.serving.selection import Selections
from tests.bundles import Goods, layer_content, open_layers
from tests.held import held_bytes

N, DIM = 10_000, 8
NOTHING = np.empty(0, np.int32)


@dataclass(frozen=True)
class Item:
    category: str
    brand: str
    price: float
    available: bool
    colour: str


def random_items(n: int, seed: int) -> list[Item]:
    random = np.random.default_rng(seed)
    return [
        Item(
            category=f"c{random.integers(200)}",
            brand=["O'Neill", "", 'x"y'][random.integers(3)],
            price=float(random.choice([np.nan, 0.99, 10.0, 19.99])),
            available=bool(random.random() < 0.9),
            colour=["red", "blue"][random.integers(2)],
        )
        for _ in range(n)
    ]


def goods(numbers: range, items: list[Item], seed: int) -> Goods:
    return Goods(
        numbers,
        np.random.default_rng(seed).standard_normal((len(items), DIM)).astype(np.float32),
        categories=[item.category for item in items],
        brands=[item.brand for item in items],
        prices=[item.price for item in items],
        available=[item.available for item in items],
        extra=[{"colour": item.colour} for item in items],
    )


@dataclass(frozen=True)
class Catalogue:
    bundle: ServedBundle
    items: list[Item]
    vectors: F32


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """A base of which a delta redefines a part and adds a few."""
    base, delta = random_items(N, 1), random_items(300, 2)
    numbers = range(N - 200, N + 100)
    contents = [layer_content(goods(range(N), base, 3)), layer_content(goods(numbers, delta, 4))]
    bundle = open_layers(contents, tmp_path_factory.mktemp("layers"))
    vectors = np.concatenate([contents[0].item_vectors[: numbers[0]], contents[1].item_vectors])
    return Catalogue(bundle, base[: numbers[0]] + delta, vectors)


CASES: list[tuple[Filter, Callable[[Item], bool]]] = [
    (AVAILABLE, lambda item: item.available),
    (Filter(available=None), lambda item: True),
    (Filter(available=False), lambda item: not item.available),
    (Filter(categories=("c7",)), lambda item: item.available and item.category == "c7"),
    (Filter(categories=("c7", "c8", "none")), lambda item: item.available and item.category in ("c7", "c8")),
    (Filter(brands=("O'Neill",)), lambda item: item.available and item.brand == "O'Neill"),
    (
        Filter(brands=('x"y',), price_max=0.99),
        lambda item: item.available and item.brand == 'x"y' and item.price <= 0.99,
    ),
    (Filter(price_min=10.0, price_max=19.99), lambda item: item.available and item.price >= 10),
    (Filter(price_min=0, available=None), lambda item: not np.isnan(item.price)),
    (Filter(attributes=(("colour", "red"),)), lambda item: item.available and item.colour == "red"),
    (Filter(attributes=(("colour", "red"), ("colour", "blue"))), lambda item: item.available),
    (Filter(attributes=(("size", "XL"),)), lambda item: False),
    (Filter(categories=("'; DROP TABLE items; --",)), lambda item: False),
]


@pytest.mark.parametrize(("wanted", "holds"), CASES)
def test_exactly_what_the_filter_keeps_is_allowed(
    catalogue: Catalogue, wanted: Filter, holds: Callable[[Item], bool]
) -> None:
    allowed = catalogue.bundle.selections.of(wanted)
    kept = [number for number, item in enumerate(catalogue.items) if holds(item)]
    assert allowed.all_items().tolist() == kept
    numbers = np.arange(len(catalogue.items), dtype=np.int32)
    assert numbers[allowed.allows(numbers)].tolist() == kept


def test_half_a_percent_of_the_catalogue_is_ranked_to_its_true_best(catalogue: Catalogue) -> None:
    wanted = Filter(categories=("c7",))
    kept = np.array([n for n, item in enumerate(catalogue.items) if item.available and item.category == "c7"])
    assert 0.003 < len(kept) / len(catalogue.items) < 0.007
    for query in np.random.default_rng(5).standard_normal((20, DIM)).astype(np.float32):
        scores = catalogue.vectors[kept] @ query
        excluded = kept[np.argsort(-scores)[[0, 3]]].astype(np.int32)
        found = search(catalogue.bundle.items, query, 20, catalogue.bundle.selections.of(wanted), excluded)
        best = [number for number in kept[np.argsort(-scores)].tolist() if number not in excluded]
        assert found.item_nos.tolist() == best[:20]


def test_selections_are_kept_up_to_a_bound(catalogue: Catalogue) -> None:
    """Two have no room beside each other, and the one that was used last stays."""
    first, second = Filter(price_min=1.0), Filter(price_min=2.0)
    made = catalogue.bundle.selections.of(first)
    selections = Selections(catalogue.bundle.items, max_cached_bytes=round(1.5 * made.heap_bytes))
    again = selections.of(first)
    assert selections.of(first) is again
    selections.of(second)
    assert not selections.has(first)
    assert selections.has(second)


def hostile_filter(number: int) -> Filter:
    """As a query string of nothing but conditions makes it: nothing is in its selection."""
    return Filter(attributes=tuple((f"column {value % 50}", f"{number}-{value}") for value in range(400)))


@pytest.mark.parametrize(
    ("wanted", "times"),
    [(hostile_filter, 12), (lambda number: Filter(price_min=number, price_max=number), 600)],
    ids=["long filters", "short filters"],
)
def test_filters_of_a_small_shop_take_no_more_memory_than_they_may(
    tmp_path: Path, wanted: Callable[[int], Filter], times: int
) -> None:
    """There the selection is a few bytes, and the filter that it is kept under is what counts."""
    max_bytes = 256 << 10
    bundle = open_layers([layer_content(goods(range(20), random_items(20, 1), 3))], tmp_path)
    selections = Selections(bundle.items, max_cached_bytes=max_bytes)
    selections.of(wanted(times))  # what the first use makes is not the cache's

    def ask() -> None:
        for number in range(times):
            selections.of(wanted(number))

    assert max_bytes / 8 < held_bytes(ask) <= max_bytes


def test_a_file_that_is_no_catalogue_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "catalog.duckdb"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(CorruptError, match=r"catalog\.duckdb"):
        CatalogueFile(path).rows(Filter(categories=("c1",)))
