"""Folding many batches takes no more memory than folding few."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.schemas.documents import FileRef, Segment
from common.store.engine import connect_trusted
from common.store.segments.compaction import fold_events
from common.store.segments.segment import finish, new_segment

BATCHES = 20
NAMED = 20_000
MEMORY_BYTES = 40 << 20
"""The tables that all batches are joined by take three times as much."""

_USERS = f"SELECT i, hash(i), hash(i + 1) FROM range({NAMED}) AS numbers(i)"
_ITEMS = f"SELECT i, 'sku-' || i FROM range({NAMED}) AS numbers(i)"
_EVENTS = f"""
SELECT i, {NAMED} - 1 - i, TIMESTAMP '2025-01-01' + to_seconds(i * 7 % {NAMED} + $number), 1, 0, NULL, NULL, NULL, NULL
FROM range({NAMED}) AS numbers(i)
"""


@pytest.fixture
def batches(tmp_path: Path) -> dict[str, tuple[Segment, Path]]:
    """By the sha256 of its file: segments that all name the same people and items."""
    found = {}
    for number in range(BATCHES):
        path = tmp_path / f"{number}.duckdb"
        connection = connect_trusted(tmp_path / "work", 1 << 30)
        new_segment(connection, "target", path, NAMED)
        connection.execute(f"INSERT INTO target.users {_USERS}")
        connection.execute(f"INSERT INTO target.item_ids {_ITEMS}")
        connection.execute(f"INSERT INTO target.events {_EVENTS}", {"number": number})
        segment = finish(connection, "target", path).entry(lambda sha256: f"store/{sha256}", number + 1, ())
        connection.close()
        found[segment.file.sha256] = (segment, path)
    return found


def test_many_batches_fold_in_little_memory(batches: dict[str, tuple[Segment, Path]], tmp_path: Path) -> None:
    def path_of(ref: FileRef) -> Path:
        return batches[ref.sha256][1]

    segments = [segment for segment, _ in batches.values()]
    folded = fold_events(segments, path_of, tmp_path / "base.duckdb", None, MEMORY_BYTES)
    assert folded.events == BATCHES * NAMED
    with_names = connect_trusted(tmp_path / "work", 1 << 30)
    with_names.execute(f"ATTACH '{folded.path}' AS base (READ_ONLY)")
    counts = "SELECT (SELECT count(*) FROM base.users), (SELECT count(*) FROM base.item_ids)"
    assert with_names.execute(counts).fetchone() == (NAMED, NAMED)
    with_names.close()
