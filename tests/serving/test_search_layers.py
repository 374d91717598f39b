"""A base that its index searches, with an update's layer on top that is scanned whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from common.serving import selection
from common.serving.search import search
from tests.bundles import Goods, layer_content, open_layers

N, DIM = 300, 6
RANDOM = np.random.default_rng(8)
VECTORS = RANDOM.standard_normal((N, DIM)).astype(np.float32)
QUERY = RANDOM.standard_normal(DIM).astype(np.float32)
CHANGED = [3, 7, 11, N, N + 1]
# Two of them are the best of all, two nearly, one is the worst.
NEW_VECTORS = np.stack([QUERY * length for length in (9, 8, -9, 7, 0.5)]).astype(np.float32)


@pytest.mark.parametrize("excluded", [[], [3], [3, N], [3, 7, N, N + 1]])
def test_items_of_an_update_are_found_unless_they_are_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, excluded: list[int]
) -> None:
    monkeypatch.setattr(selection, "EXACT_MAX", 50)
    newest = np.arange(N, dtype=np.int32)
    base = layer_content(Goods(range(N), VECTORS), newest=newest)
    bundle = open_layers([base, layer_content(Goods(CHANGED, NEW_VECTORS))], tmp_path)
    scores = dict(enumerate((VECTORS @ QUERY).tolist())) | dict(
        zip(CHANGED, (NEW_VECTORS @ QUERY).tolist(), strict=True)
    )
    wanted = sorted((item for item in scores if item not in excluded), key=lambda item: -scores[item])[:10]
    found = search(bundle.items, QUERY, 10, bundle.selections.available, np.array(excluded, np.int32))
    assert bundle.selections.available.index_parts
    assert found.item_nos.tolist() == wanted
