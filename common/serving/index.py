"""The item index: the rows with the highest inner product with a query, within an allowed set. The only user of Faiss.

A layer of up to `FLAT_MAX` rows is scanned whole. Above that, rows are grouped into lists around L2 centroids, and a
search reads the `nprobe` most promising lists. Matrix-factorisation vectors differ in length by orders of magnitude,
and the best item for a person is often a long vector far from its centroid. So each centroid carries `RADIUS_WEIGHT` ×
the radius of its list in one more dimension, and each query has its own length there: lists are ranked by a bound on
their best score, q · centroid + `RADIUS_WEIGHT` |q| radius. Stored vectors have 0 in that dimension.

Lists hold half-precision numbers, because the cost of a search is the memory that it reads. The caller computes the
exact scores of the rows.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal, cast

import faiss
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from common.errors import CorruptError
from common.schemas.data import F32, I32, I64

U8 = npt.NDArray[np.uint8]

# A scan of 2,000 rows takes 35 µs, a search in lists 25 µs (docs/measurements-models.md).
FLAT_MAX: Final = 2_000
# Needs the fewest lists for the recall: 48 of 223, all 223 without radii (docs/measurements-models.md).
RADIUS_WEIGHT: Final = 0.25
MIN_RECALL: Final = 0.98
# Ten items of an answer and ten hidden purchases. Deeper searches need more lists, which would cost every search 8 µs.
NEAR_DEPTH: Final = 20
DEEP: Final = 50
MAX_QUERIES: Final = 400
_SEED: Final = 20261123
_KMEANS_ITERATIONS: Final = 10
_LANES: Final = 16
_HNSW_LINKS: Final = 32
_HNSW_EF_SEARCH: Final = 128
# A damaged header must not make Faiss reserve memory for more than any shop has.
_MAX_BYTES: Final = 64 << 30
_MAX_LOOP: Final = 1 << 28
_CLEAR: Final = ~(1 << np.arange(8)).astype(np.uint8)
_CLEAR_ONE: Final = _CLEAR.tolist()
# Up to this number of rows, clearing bits one by one takes less time than numpy's call.
_MANY_HIDDEN: Final = 32
_ROOM: Final = 128

# The stubs describe the C++ constructors, not the arguments that the Python wrapper gives them.
_bitmap_selector: Any = faiss.IDSelectorBitmap
_flat_parameters: Any = faiss.SearchParameters
_ivf_parameters: Any = faiss.SearchParametersIVF


class IndexInfo(BaseModel):
    """How an index is searched, and its measured recall.

    nprobe, recall: number of lists to read for the best `NEAR_DEPTH`, and the share of the exact best that were among
    the results
    deep_nprobe, deep_recall: the same for the best `DEEP`; 0 in layers written before it was measured
    queries: number of query vectors for the measurement; equal scores count as found
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["flat", "ivf"]
    nlist: int = 0
    nprobe: int = 0
    recall: float = 1.0
    queries: int = 0
    deep_nprobe: int = 0
    deep_recall: float = 1.0

    def width(self, depth: int) -> int:
        """Number of lists to read for the best `depth` of all rows."""
        return self.nprobe if depth <= NEAR_DEPTH or not self.deep_nprobe else self.deep_nprobe


@contextmanager
def faiss_threads(threads: int) -> Iterator[None]:
    """Sets Faiss's process-wide number of threads within the block; 0 leaves it unchanged."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads or before)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def write_index(path: Path, vectors: F32, queries: F32, threads: int = 0) -> IndexInfo:
    """Writes an index over `vectors` (n, dim) and chooses its search width by the recall for `queries` (m, dim)."""
    with faiss_threads(threads):
        # Vectors of one number are scores, whose order is the same for every query.
        if len(vectors) <= FLAT_MAX or vectors.shape[1] == 1:
            index, info = faiss.IndexFlatIP(vectors.shape[1]), IndexInfo(kind="flat")
            index.add(vectors)
        else:
            index = _build_lists(vectors)
            info = _tune(index, vectors, _sample(queries if len(queries) else vectors))
        faiss.write_index(index, str(path))
    return info


def _build_lists(vectors: F32) -> Any:
    n, dim = vectors.shape
    # Half precision is most exact around 1, and scaling all vectors by one factor changes no order.
    scaled = vectors / np.maximum(np.abs(vectors).max(), np.finfo(np.float32).tiny)
    nlist, width = int(np.sqrt(n)), list_width(dim)
    kmeans = faiss.Kmeans(dim, nlist, niter=_KMEANS_ITERATIONS, seed=_SEED)
    kmeans.train(scaled)
    distances, nearest = kmeans.index.search(scaled, 1)
    lists = np.ascontiguousarray(nearest[:, 0])
    radii = np.zeros(nlist, np.float32)
    np.maximum.at(radii, lists, np.sqrt(np.maximum(distances[:, 0], 0)))
    quantizer = faiss.IndexFlatIP(width)
    quantizer.add(_pad(np.column_stack([cast(F32, kmeans.centroids), RADIUS_WEIGHT * radii]), width))
    half = faiss.ScalarQuantizer.QT_fp16
    index = faiss.IndexIVFScalarQuantizer(quantizer, width, nlist, half, faiss.METRIC_INNER_PRODUCT, False)
    index.is_trained = True
    rows, padded = np.arange(n), _pad(scaled, width)
    # `add` would assign rows by inner product; assignment by L2 distance makes lists compact.
    index.add_core(n, faiss.swig_ptr(padded), faiss.swig_ptr(rows), faiss.swig_ptr(lists))
    return index


def list_width(dim: int) -> int:
    """Width of the vectors in lists: with the dimension for radii, in whole vector registers."""
    return -(-(dim + 1) // _LANES) * _LANES


def _pad(vectors: F32, width: int) -> F32:
    padded = np.zeros((len(vectors), width), np.float32)
    padded[:, : vectors.shape[1]] = vectors
    return padded


def _sample(queries: F32) -> F32:
    chosen = np.random.default_rng(_SEED).permutation(len(queries))[:MAX_QUERIES]
    return np.ascontiguousarray(queries[np.sort(chosen)])


def _tune(index: Any, vectors: F32, queries: F32) -> IndexInfo:
    near, recall = _width(index, vectors, queries, NEAR_DEPTH, 1)
    deep, deep_recall = _width(index, vectors, queries, DEEP, near)
    return IndexInfo(
        kind="ivf",
        nlist=index.nlist,
        nprobe=near,
        recall=round(recall, 4),
        queries=len(queries),
        deep_nprobe=deep,
        deep_recall=round(deep_recall, 4),
    )


def _width(index: Any, vectors: F32, queries: F32, depth: int, nprobe: int) -> tuple[int, float]:
    """Number of lists to read for the recall at `depth`, and that recall.

    It starts with `nprobe` lists and adds an eighth at a time; all lists together are all rows.
    """
    depth = min(depth, len(vectors))
    exact = faiss.IndexFlatIP(vectors.shape[1])
    exact.add(vectors)
    worst_wanted = exact.search(queries, depth)[0][:, -1:]
    tolerance = 1e-5 * np.abs(worst_wanted)
    lengths = np.linalg.norm(queries, axis=1, keepdims=True)
    padded = _pad(np.column_stack([queries, lengths]), index.d)
    while True:
        index.nprobe = nprobe
        rows = index.search(padded, depth)[1]
        scores = np.where(rows >= 0, np.einsum("qkd,qd->qk", vectors[rows], queries), -np.inf)
        recall = float((scores >= worst_wanted - tolerance).mean())
        if recall >= MIN_RECALL or nprobe >= index.nlist:
            return nprobe, recall
        nprobe = min(index.nlist, nprobe + max(1, nprobe // 8))


class _Workspace:
    """The Faiss objects and buffers that the searches of one thread re-use, because making them takes as long as a
    search."""

    def __init__(self, kind: str, index: Any) -> None:
        self._index = index
        self._allowed = np.empty((index.ntotal + 7) // 8, np.uint8)
        self._bytes = self._allowed.data
        self._query = np.zeros(index.d, np.float32)
        self._query_pointer = faiss.swig_ptr(self._query)
        self._selector = _bitmap_selector(self._allowed)
        self._parameters = (_flat_parameters if kind == "flat" else _ivf_parameters)(sel=self._selector)
        self._nprobe = 0
        self._make_room(_ROOM)

    def allow(self, allowed: U8, hidden: I32) -> None:
        """Sets the rows to search in, as in `VectorIndex.search`."""
        self._allowed[:] = allowed
        if len(hidden) > _MANY_HIDDEN:
            np.bitwise_and.at(self._allowed, hidden >> 3, _CLEAR[hidden & 7])
            return
        bytes_ = self._bytes
        for row in hidden.tolist():
            bytes_[row >> 3] &= _CLEAR_ONE[row & 7]

    def set_query(self, query: F32, with_length: bool) -> None:
        dim = len(query)
        self._query[:dim] = query
        if with_length:
            self._query[dim] = math.sqrt(query.dot(query))

    def widen(self, nprobe: int) -> None:
        if nprobe != self._nprobe:
            self._parameters.nprobe = self._nprobe = nprobe

    def run(self, k: int) -> I64:
        """At most `k` rows."""
        if k > len(self._rows):
            self._make_room(k)
        self._index.search_c(1, self._query_pointer, k, self._scores_pointer, self._rows_pointer, self._parameters)
        rows: I64 = self._rows[:k]
        return rows.copy() if rows[-1] >= 0 else rows[rows >= 0]

    def _make_room(self, k: int) -> None:
        self._scores, self._rows = np.empty(k, np.float32), np.empty(k, np.int64)
        self._scores_pointer, self._rows_pointer = faiss.swig_ptr(self._scores), faiss.swig_ptr(self._rows)


class VectorIndex:
    """An index opened memory-mapped and read-only. It has no add or remove, for which Faiss would abort the process
    here."""

    def __init__(self, index: Any, info: IndexInfo) -> None:
        self._index = index
        self._info = info
        self._threads = threading.local()

    @classmethod
    def open(cls, path: Path, info: IndexInfo, n: int, dim: int) -> VectorIndex:
        """The index in a file.

        Raises `CorruptError` unless the file has `n` vectors of width `dim` in an index of the kind of `info`.
        """
        # One thread a search: requests run in parallel already, and OpenMP's pool does not survive a fork.
        faiss.omp_set_num_threads(1)
        faiss.set_deserialization_vector_byte_limit(_MAX_BYTES)
        faiss.set_deserialization_loop_limit(_MAX_LOOP)
        try:
            index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:
            raise CorruptError(f"the item index of a served layer cannot be read: {error}") from None
        kind: type[faiss.Index] = faiss.IndexFlat
        width = dim
        if info.kind == "ivf":
            kind, width = faiss.IndexIVFScalarQuantizer, list_width(dim)
        if not isinstance(index, kind) or (index.ntotal, index.d) != (n, width):
            raise CorruptError(
                f"the item index of a served layer holds {index.ntotal} × {index.d} in {type(index).__name__} "
                f"instead of {n} × {width} in {kind.__name__}"
            )
        return cls(index, info)

    def search(self, query: F32, k: int, allowed: U8, share: float, hidden: I32) -> I64:
        """(m,) int64: the best `k` allowed rows without the `hidden` ones, nearly in order; fewer where there are
        fewer.

        allowed: uint8, one bit a row, lowest bit first; share: the share of rows that are allowed, 0 < share ≤ 1. With
        a small share more lists are read, so that about as many allowed rows are compared.
        """
        workspace = self._workspace()
        workspace.allow(allowed, hidden)
        if self._info.kind == "flat":
            workspace.set_query(query, with_length=False)
            return workspace.run(k)
        workspace.set_query(query, with_length=True)
        nprobe = min(self._info.nlist, math.ceil(self._info.width(k + len(hidden)) / share))
        workspace.widen(nprobe)
        rows = workspace.run(k)
        if len(rows) < k and nprobe < self._info.nlist:
            workspace.widen(self._info.nlist)
            return workspace.run(k)
        return rows

    def _workspace(self) -> _Workspace:
        workspace: _Workspace | None = getattr(self._threads, "workspace", None)
        if workspace is None:
            workspace = self._threads.workspace = _Workspace(self._info.kind, self._index)
        return workspace


def nearest_by_graph(directions: F32, queries: F32, k: int, threads: int = 0) -> tuple[F32, I64]:
    """The rows of `directions` (n, dim) near each of `queries` (m, dim), by an HNSW graph: (m, k) inner products and
    rows."""
    with faiss_threads(threads):
        index = faiss.IndexHNSWFlat(directions.shape[1], _HNSW_LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efSearch = _HNSW_EF_SEARCH
        index.add(directions)
        scores, rows = index.search(queries, k)
    return scores, rows
