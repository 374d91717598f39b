"""Taking in ten million rows, from the bucket and back to it, against DuckDB loading the same file into a table."""

from __future__ import annotations

import secrets
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from common.bucket.keys import Keys
from common.bucket.probe import prove_conditional_put
from tests.bench.events import WITH_ORDERS, write_events
from tests.bench.harness import Bench, bench
from tests.bench.ingest_sides import run_side
from tests.bench.row import Row

ROWS = (
    "ingest: 10 million rows",
    "ingest: 10 million rows with orders and prices",
    "ingest: peak memory",
)
N_ROWS = 10_000_000
_USERS, _ITEMS = 200_000, 50_000
_REPEATS = 3
_GOAL = "<= 2.0"
_MEMORY_LIMIT = 1_500_000_000


@dataclass(frozen=True)
class Measured:
    """Medians over the repeats; `peak_bytes` is the highest of the product's."""

    load_s: float
    ingest_s: float
    peak_bytes: int


def rows() -> list[Row]:
    with bench() as made:
        plain = _measure(made, "")
        full = _measure(made, WITH_ORDERS)
    peak = max(plain.peak_bytes, full.peak_bytes)
    memory = Row(ROWS[2], f"{peak / 1e9:.2f} GB", f"{_MEMORY_LIMIT / 1e9:.1f} GB", peak / _MEMORY_LIMIT, "<= 1.0")
    return [_row(ROWS[0], plain), _row(ROWS[1], full), memory]


def _row(name: str, measured: Measured) -> Row:
    reference = f"{measured.load_s:.1f} s (plain DuckDB load, one HMAC a user)"
    return Row(name, f"{measured.ingest_s:.1f} s", reference, measured.ingest_s / measured.load_s, _GOAL)


def _measure(made: Bench, more_columns: str) -> Measured:
    """Both sides in turns, each time on an empty store."""
    path = made.directory / "events.parquet"
    write_events(path, N_ROWS, _USERS, _ITEMS, more_columns)
    loads, ingests = [], []
    for repeat in range(_REPEATS):
        loads.append(_side("load", str(path), made.environment))
        prefix = f"{secrets.token_hex(4)}/"
        key = f"{prefix}incoming/events/{repeat}.parquet"
        made.bucket.put(key, path)
        # As `recsys setup` does once for a shop: else the first write of each new prefix would race the store.
        prove_conditional_put(made.bucket, Keys(prefix), made.environment["RECSYS_S3_ENDPOINT"], rounds=1)
        ingests.append(_side("ingest", key, {**made.environment, "RECSYS_PREFIX": prefix}))
    return Measured(
        statistics.median(load["seconds"] for load in loads),
        statistics.median(ingest["seconds"] for ingest in ingests),
        max(int(ingest["peak_bytes"]) for ingest in ingests),
    )


def _side(side: str, argument: str, environment: Mapping[str, str]) -> dict[str, float]:
    measured = run_side(side, argument, environment)
    assert measured["rows"] == N_ROWS, measured
    return measured
