"""The item index against exact search, inside allowed sets, and the lists of similar items against brute force."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from common.errors import CorruptError
from common.schemas.data import F32, Bools
from common.serving import similar
from common.serving.index import FLAT_MAX, MIN_RECALL, VectorIndex, write_index
from common.serving.similar import similar_items

DIM = 16
NOTHING = np.empty(0, np.int32)


def skewed(n: int, seed: int) -> F32:
    """Vectors in a hundred directions whose lengths differ as those of matrix factorisation do."""
    random = np.random.default_rng(seed)
    directions = random.standard_normal((100, DIM))[random.integers(0, 100, n)] + 0.5 * random.standard_normal((n, DIM))
    return (directions * random.lognormal(-2, 1.5, (n, 1))).astype(np.float32)


def opened(vectors: F32, queries: F32, path: Path) -> VectorIndex:
    info = write_index(path, vectors, queries, threads=1)
    return VectorIndex.open(path, info, len(vectors), DIM)


def pack(mask: Bools) -> np.ndarray:
    return np.packbits(mask, bitorder="little")


def best(vectors: F32, query: F32, k: int, mask: Bools) -> F32:
    return np.sort((vectors @ query)[mask])[::-1][:k]


@pytest.mark.parametrize("n", [1, 7, FLAT_MAX])
def test_a_small_layer_is_exact(tmp_path: Path, n: int) -> None:
    vectors, query = skewed(n, 1), skewed(1, 2)[0]
    index = opened(vectors, vectors, tmp_path / "i")
    mask = np.random.default_rng(3).random(n) < 0.7
    hidden = np.flatnonzero(mask)[:3].astype(np.int32)
    rows = index.search(query, 10, pack(mask), 0.7, hidden)
    mask[hidden] = False
    np.testing.assert_allclose(vectors[rows] @ query, best(vectors, query, 10, mask), rtol=1e-4, atol=1e-6)
    assert mask[rows].all()


@pytest.mark.parametrize("k", [10, 50])
def test_a_large_layer_has_the_recall_it_was_tuned_for(tmp_path: Path, k: int) -> None:
    vectors, queries, fresh = skewed(12_000, 1), skewed(400, 2), skewed(200, 3)
    info = write_index(tmp_path / "i", vectors, queries, threads=1)
    index = VectorIndex.open(tmp_path / "i", info, len(vectors), DIM)
    everything = np.ones(len(vectors), np.bool_)
    found = [vectors[index.search(query, k, pack(everything), 1, NOTHING)] @ query for query in fresh]
    wanted = [best(vectors, query, k, everything)[-1] for query in fresh]
    recall = np.mean([(scores >= least - 1e-5).sum() / k for scores, least in zip(found, wanted, strict=True)])
    assert (info.kind, info.queries) == ("ivf", 400)
    assert info.nprobe <= info.deep_nprobe < info.nlist
    assert min(info.recall, info.deep_recall) >= MIN_RECALL
    assert recall >= MIN_RECALL - 0.01  # other queries than it was tuned with


@pytest.mark.parametrize("share", [0.5, 0.02])
def test_a_large_layer_is_searched_within_what_is_allowed(tmp_path: Path, share: float) -> None:
    vectors, queries = skewed(12_000, 1), skewed(100, 2)
    index = opened(vectors, queries, tmp_path / "i")
    mask = np.random.default_rng(4).random(len(vectors)) < share
    hidden = np.flatnonzero(mask)[::3].astype(np.int32)
    left = mask.copy()
    left[hidden] = False
    found = [index.search(query, 10, pack(mask), mask.mean(), hidden) for query in queries]
    assert all(left[rows].all() and len(rows) == 10 for rows in found)
    wanted = [best(vectors, query, 10, left)[-1] for query in queries]
    pairs = zip(found, queries, wanted, strict=True)
    hits = [(vectors[rows] @ query >= least - 1e-5).mean() for rows, query, least in pairs]
    assert np.mean(hits) >= MIN_RECALL - 0.01


def test_allowed_rows_are_found_in_any_list(tmp_path: Path) -> None:
    """Ten allowed rows in lists that no query would choose."""
    vectors = skewed(12_000, 1)
    index = opened(vectors, skewed(100, 2), tmp_path / "i")
    query = vectors[np.argmax(np.linalg.norm(vectors, axis=1))]
    mask = np.zeros(len(vectors), np.bool_)
    mask[np.argsort(vectors @ query)[:10]] = True
    rows = index.search(query, 10, pack(mask), 1.0, NOTHING)
    assert sorted(rows.tolist()) == np.flatnonzero(mask).tolist()


def test_an_index_of_another_size_or_kind_is_refused(tmp_path: Path) -> None:
    vectors = skewed(100, 1)
    info = write_index(tmp_path / "i", vectors, vectors, threads=1)
    with pytest.raises(CorruptError, match="100 × 16"):
        VectorIndex.open(tmp_path / "i", info, 99, DIM)
    with pytest.raises(CorruptError, match="IndexFlat"):
        VectorIndex.open(tmp_path / "i", info.model_copy(update={"kind": "ivf"}), 100, DIM)


def test_similar_items_are_the_nearest_by_cosine() -> None:
    vectors = skewed(700, 1)
    vectors[5] = 0
    found = similar_items(vectors, 8)
    directions = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-30)
    cosines = directions @ directions.T
    np.fill_diagonal(cosines, -np.inf)
    wanted = -np.sort(-cosines, axis=1)[:, :8]
    others = np.arange(700) != 5
    np.testing.assert_allclose(
        np.take_along_axis(cosines, found.astype(np.int64), 1)[others], wanted[others], atol=1e-5
    )
    assert found[5].tolist() == [-1] * 8


def test_similar_items_of_a_large_catalogue_are_nearly_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = skewed(3_000, 1)
    exact = similar_items(vectors, 10)
    monkeypatch.setattr(similar, "EXACT_MAX", 1_000)
    by_graph = similar_items(vectors, 10, threads=1)
    shared = [len(set(some) & set(others)) for some, others in zip(by_graph.tolist(), exact.tolist(), strict=True)]
    assert np.mean(shared) > 9.5


def test_similar_items_of_some_among_some() -> None:
    vectors = np.array([[1, 0], [1, 0.1], [0.9, 0], [0, 1], [-1, 0]], np.float32)
    assert similar_items(vectors, 2, rows=np.array([0, 3], np.int32)).tolist() == [[2, 1], [1, -1]]
    assert similar_items(vectors, 2, rows=np.array([0], np.int32), among=np.array([1, 4], np.int32)).tolist() == [
        [1, -1]
    ]
    assert similar_items(vectors[:1], 2).tolist() == [[-1, -1]]
    assert similar_items(vectors[:0], 2).shape == (0, 2)
