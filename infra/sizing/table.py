"""A run's rows as columns of text, for the terminal and for docs/sizing.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

MB: Final = 1e6
_STAGES: Final = ("ingest", "train", "ingest of 1,000", "update of 1,000")
_BUCKET: Final = ("store/", "serving/", "models/")
_MISSING: Final = "–"
Row = Mapping[str, Any]


def cells(row: Row) -> dict[str, str]:
    """Returns the texts of `row`, a row of sizing.json, by name of the table's line."""
    size = row["size"]
    shop = {name: f"{size[name]:,}" for name in ("items", "people", "events")}
    return shop | _stages(row) | _serving(row) | _bytes(row)


def _stages(row: Row) -> dict[str, str]:
    lines = {}
    for name in _STAGES:
        stage = row["stages"].get(name)
        cost = stage["cost"] if stage else None
        lines[f"{name}: seconds, of a processor"] = (
            f"{seconds(cost['seconds'])}, {seconds(cost['cpu_seconds'])}" if cost else _MISSING
        )
        lines[f"{name}: peak memory, without mapped files"] = (
            f"{size_of(cost['peak_bytes'])}, {size_of(cost['own_bytes'])}" if cost else _MISSING
        )
    return lines


def _serving(row: Row) -> dict[str, str]:
    serving = row["serving"]
    held = serving["held"] if serving else None
    return {
        "recommend: start, with files in the cache": (
            f"{serving['start_s']:.1f} s, {serving['restart_s']:.1f} s" if serving else _MISSING
        ),
        "recommend: own memory, mapped pages": (
            f"{size_of(held['own_bytes'])}, {size_of(held['mapped_bytes'])}" if held else _MISSING
        ),
        "recommend: an answer, one in a hundred": (
            f"{serving['median_ms']:.1f} ms, {serving['p99_ms']:.1f} ms" if serving else _MISSING
        ),
    }


def _bytes(row: Row) -> dict[str, str]:
    bucket = row["bucket"]
    lines = {f"bucket: `{name}`": size_of(bucket[name]) if bucket else _MISSING for name in _BUCKET}
    return lines | {"bundle that a pod fetches": size_of(row["bundle_bytes"]) if row["bundle_bytes"] else _MISSING}


def seconds(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"


def size_of(count: int) -> str:
    megabytes = count / MB
    return f"{megabytes:,.1f} MB" if megabytes < 10 else f"{megabytes:,.0f} MB"
