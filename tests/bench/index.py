"""The item index of a large catalogue against bare Faiss: the same kind of index, as many lists, as many of them read.

Both are searched by one thread on one core for the same people, in turns. Ours is mapped, and is told what each person
has bought; Faiss's own is in memory. Recall is that of the exact best, equal scores counting as found.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from common.schemas.data import F32, I32, I64
from common.serving.arrays import INFO_FILE
from common.serving.index import IndexInfo, VectorIndex, faiss_threads
from common.serving.layer import INDEX_FILE, LayerInfo
from tests.bench.harness import server_core
from tests.bench.large_shop import DIM, Written, large_shop
from tests.bench.row import Row

SIZE = 1_000_000
DEPTH = 50
TIME = f"index: p50 of the best {DEPTH} of {SIZE:,} × {DIM}, one thread"
RECALL = f"index: recall@{DEPTH} of {SIZE:,} × {DIM}"
ROWS = (TIME, RECALL)
_QUERIES = 300
_ROUNDS = 3
_BLOCK = 50
_SEED = 4

Search = Callable[[int], I64]


def rows() -> list[Row]:
    written = large_shop(SIZE, SIZE)
    info = LayerInfo.model_validate_json(written.named(INFO_FILE).read_bytes()).index
    vectors, people = (
        np.load(written.named(f"{name}.npy"), mmap_mode="r") for name in ("item_vectors", "user_vectors")
    )
    chosen = np.random.default_rng(_SEED).choice(len(people), _QUERIES, replace=False)
    queries = np.ascontiguousarray(people[chosen])
    ours = _ours(written, info, queries, _histories(written, chosen))
    bare = _bare(written, info, vectors, queries)
    with server_core(), faiss_threads(1):
        our_s, bare_s = _in_turns(ours, bare)
    recall, bare_recall = (_recall(vectors, queries, search) for search in (_ours(written, info, queries, None), bare))
    about = f"{info.width(DEPTH)} of {info.nlist} lists"
    return [
        Row(TIME, f"{our_s * 1e3:.2f} ms ({about})", f"{bare_s * 1e3:.2f} ms (bare Faiss)", our_s / bare_s, "<= 1.2"),
        Row.bound(RECALL, f"{recall:.3f} (bare Faiss {bare_recall:.3f})", recall, f">= 0.98 of the best {DEPTH}"),
    ]


def _mapped(written: Written, name: str) -> Any:
    return np.load(written.named(f"{name}.npy"), mmap_mode="r")


def _histories(written: Written, people: I64) -> list[I32]:
    offsets, items = _mapped(written, "history_offsets"), _mapped(written, "history_items")
    return [np.array(items[offsets[person] : offsets[person + 1]]) for person in people.tolist()]


def _ours(written: Written, info: IndexInfo, queries: F32, histories: Sequence[I32] | None) -> Search:
    index = VectorIndex.open(written.named(INDEX_FILE), info, SIZE, DIM)
    allowed = np.full((SIZE + 7) // 8, 255, np.uint8)
    nothing = np.empty(0, np.int32)
    return lambda row: index.search(queries[row], DEPTH, allowed, 1.0, histories[row] if histories else nothing)


def _bare(written: Written, info: IndexInfo, vectors: F32, queries: F32) -> Search:
    index = _bare_index(written.directory / "bare.faiss", info, vectors)
    index.nprobe = info.width(DEPTH)
    return lambda row: index.search(queries[row : row + 1], DEPTH)[1][0]


def _bare_index(path: Path, info: IndexInfo, vectors: F32) -> Any:
    if not path.exists():
        half, metric = faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        index = faiss.IndexIVFScalarQuantizer(faiss.IndexFlatIP(DIM), DIM, info.nlist, half, metric, False)
        # As ours: half precision has its best resolution around 1.
        scaled = vectors / np.abs(vectors).max()
        index.train(scaled)
        index.add(scaled)
        faiss.write_index(index, str(path))
    return faiss.read_index(str(path))


def _in_turns(ours: Search, bare: Search) -> tuple[float, float]:
    """Median seconds of a search; the first round, in which pages come into memory, does not count."""
    times: tuple[list[float], list[float]] = ([], [])
    for round_ in range(_ROUNDS + 1):
        for row in range(_QUERIES):
            for search, taken in zip((ours, bare), times, strict=True):
                started = time.perf_counter()
                search(row)
                if round_:
                    taken.append(time.perf_counter() - started)
    return statistics.median(times[0]), statistics.median(times[1])


def _recall(vectors: F32, queries: F32, search: Search) -> float:
    found = 0
    for first in range(0, len(queries), _BLOCK):
        scores = queries[first : first + _BLOCK] @ vectors.T
        worst = np.partition(scores, -DEPTH, axis=1)[:, -DEPTH]
        for place, threshold in enumerate(worst.tolist()):
            near = scores[place, search(first + place)]
            found += int((near >= threshold - 1e-5 * abs(threshold)).sum())
    return found / (len(queries) * DEPTH)
