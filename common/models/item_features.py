"""Item features from the catalogue: category, brand and price band."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.sparse import csr_matrix, hstack, identity

from common.schemas.data import Catalogue

BANDS_PER_DOUBLING: Final = 2
"""Price bands for each doubling of the price. A band is a factor of √2: shirts of 10 and 13 are neighbours, one of 40
is not."""

Feature = tuple[str, str]


@dataclass(frozen=True)
class ItemFeatures:
    """Feature matrices of items with and without events.

    trained: csr_matrix (n_trained, n_features) of 0 and 1; each trained item has one feature of its own, and those of
    the catalogue
    new: csr_matrix (n_new, n_features), catalogue features only
    new_ids: the items of `new`; each shares at least one feature with a trained item
    """

    trained: Any
    new: Any
    new_ids: tuple[str, ...]


def item_features(trained_ids: Sequence[str], catalogue: Catalogue | None) -> ItemFeatures:
    """The features of the items in `trained_ids`, and of catalogue items that share a feature with one of them."""
    described = _described(catalogue) if catalogue else {}
    rows = [described.get(item_id, ()) for item_id in trained_ids]
    number = {feature: position for position, feature in enumerate(sorted({f for row in rows for f in row}))}
    known = set(trained_ids)
    new = {
        item_id: shared
        for item_id, row in described.items()
        if item_id not in known and (shared := [feature for feature in row if feature in number])
    }
    own = identity(len(trained_ids), dtype=np.float32, format="csr")
    return ItemFeatures(
        trained=csr_matrix(hstack([own, _matrix(rows, number)])),
        new=csr_matrix(
            hstack([csr_matrix((len(new), len(trained_ids)), dtype=np.float32), _matrix(new.values(), number)])
        ),
        new_ids=tuple(new),
    )


def _described(catalogue: Catalogue) -> dict[str, list[Feature]]:
    priced = catalogue.prices > 0
    bands = np.rint(BANDS_PER_DOUBLING * np.log2(catalogue.prices, where=priced, out=np.zeros(len(catalogue))))
    columns = zip(
        catalogue.item_ids,
        catalogue.categories,
        catalogue.brands,
        [f"{band:.0f}" if has_price else "" for band, has_price in zip(bands, priced, strict=True)],
        strict=True,
    )
    return {
        item_id: [(name, value) for name, value in zip(("category", "brand", "band"), values, strict=True) if value]
        for item_id, *values in columns
    }


def _matrix(rows: Iterable[Sequence[Feature]], number: dict[Feature, int]) -> Any:
    numbers = [[number[feature] for feature in row] for row in rows]
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in numbers], dtype=np.int64)])
    indices = np.array([position for row in numbers for position in row], dtype=np.int32)
    ones = np.ones(len(indices), dtype=np.float32)
    return csr_matrix((ones, indices, offsets), shape=(len(numbers), len(number)))
