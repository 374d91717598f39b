"""The two sides of the ingest benchmark, each in a process of its own so that its peak memory is its own.

    python -m tests.bench.ingest_sides load <file>       DuckDB loads the Parquet into a table, one HMAC a distinct user
    python -m tests.bench.ingest_sides ingest <key>      the product takes in the upload at `key`

Prints {"seconds", "peak_bytes", "rows"} as JSON. Seconds are those of the work: imports come before. The product's peak
is that of the process and of the one that reads for it, together.
"""

from __future__ import annotations

import hmac
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import duckdb


def load(path: str) -> tuple[int, int]:
    with (
        tempfile.TemporaryDirectory() as directory,
        duckdb.connect(f"{directory}/plain.duckdb") as connection,
    ):
        connection.execute("CREATE TABLE events AS SELECT * FROM read_parquet(?)", [path])
        users = connection.execute("SELECT DISTINCT user_id FROM events").fetchnumpy()["user_id"]
        keys = [hmac.digest(b"k" * 32, user.encode(), "sha256") for user in users]
        assert len(keys) == len(users)
        (rows,) = connection.execute("SELECT count(*) FROM events").fetchone() or (0,)
    return int(rows), 0


def ingest(key: str) -> tuple[int, int]:
    from common.edges.wiring import make_context
    from common.usecases.ingest.ingest import ingest_object

    record = ingest_object(make_context(os.environ), key)
    assert record.state == "done", record
    return record.counts["rows_kept"], record.details["reader_peak_bytes"]


def main() -> None:
    side, argument = sys.argv[1:]
    work = {"load": load, "ingest": ingest}[side]
    if side == "ingest":
        import common.usecases.ingest.ingest  # noqa: F401
    started = time.monotonic()
    rows, beside_bytes = work(argument)
    seconds = time.monotonic() - started
    sys.stdout.write(json.dumps({"seconds": seconds, "peak_bytes": _peak_bytes() + beside_bytes, "rows": rows}))


def _peak_bytes() -> int:
    """`VmHWM`. ru_maxrss begins with what the parent held when it started this process, here all benchmarks before."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1024


if __name__ == "__main__":
    main()
