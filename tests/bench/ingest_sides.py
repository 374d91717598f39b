"""The two sides of the ingest benchmark, each in a process of its own so that its peak memory is its own.

    python -m tests.bench.ingest_sides load <file>       DuckDB loads the Parquet into a table, one HMAC a distinct user
    python -m tests.bench.ingest_sides ingest <key>      the product takes in the upload at `key`
    python -m tests.bench.ingest_sides waiting <number>  it takes in so many tiny uploads that wait
    python -m tests.bench.ingest_sides alone <number>    it takes in so many tiny uploads, each when it comes

Prints {"seconds", "peak_bytes", "rows"} as JSON. Seconds are those of the work: imports come before. The product's peak
is that of the process and of the one that reads for it, together.
"""

from __future__ import annotations

import hmac
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb

if TYPE_CHECKING:
    from common.schemas.documents import RunRecord, Upload
    from common.usecases.shared.context import Context

ROOT: Final = Path(__file__).parents[2]


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


def waiting(number: str) -> tuple[float, int, int]:
    from common.usecases.ingest.ingest import drain

    ctx = _warm()
    for n in range(int(number)):
        _put_tiny(ctx, n)
    started = time.monotonic()
    records = drain(ctx)
    return time.monotonic() - started, *_counted(records)


def alone(number: str) -> tuple[float, int, int]:
    from common.usecases.ingest.ingest import ingest_announced

    ctx, seconds, records = _warm(), 0.0, []
    for n in range(int(number)):
        upload = _put_tiny(ctx, n)
        started = time.monotonic()
        records += ingest_announced(ctx, [upload])
        seconds += time.monotonic() - started
    return seconds, *_counted(records)


def _warm() -> Context:
    """A shop that has taken in an upload."""
    from common.edges.wiring import make_context
    from common.usecases.ingest.ingest import drain

    ctx = make_context(os.environ)
    _put_tiny(ctx, -1)
    drain(ctx)
    return ctx


def _put_tiny(ctx: Context, number: int) -> Upload:
    from common.schemas.documents import Upload

    if number % 8:
        start = datetime(2026, 1, 1) + timedelta(seconds=number)
        key = f"{ctx.keys.incoming_events}{number}.csv"
        lines = ["user_id,item_id,ts,qty", *(f"u{number % 50},i{n},{start.isoformat()},1" for n in range(3))]
    else:
        key = f"{ctx.keys.incoming_items}{number}.csv"
        lines = [
            "item_id,category,brand,price,img_url",
            *(f"i{n},c,b,{number},https://shop.example/{n}" for n in range(3)),
        ]
    return Upload(key=key, etag=ctx.bucket.put(key, "\n".join([*lines, ""]).encode()))


def _counted(records: list[RunRecord]) -> tuple[int, int]:
    assert all(record.state == "done" for record in records), records
    kept = sum(record.counts["rows_kept"] for record in records)
    return kept, max(record.details["reader_peak_bytes"] for record in records)


def run_side(side: str, argument: str, environment: Mapping[str, str]) -> dict[str, float]:
    """What a side has measured, in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.ingest_sides", side, argument]
    done = subprocess.run(command, env=dict(environment), cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{side} failed:\n{done.stderr}")
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def main() -> None:
    side, argument = sys.argv[1:]
    if side in ("waiting", "alone"):
        seconds, rows, beside_bytes = {"waiting": waiting, "alone": alone}[side](argument)
    else:
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
