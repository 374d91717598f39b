"""Ingest killed by SIGKILL at any moment, against a real object store."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Mapping

import pytest

from common.usecases.ingest.compact import compact
from common.usecases.ingest.ingest import drain
from common.usecases.shared.context import Context
from tests.store.shop import csv_of, events_csv, keys_under, rows_of, stored


def drain_and_kill(environment: Mapping[str, str], after_s: float) -> bool:
    """Whether the drain was still going on when it was killed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.killed_ingest"],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        try:
            process.wait(after_s)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.returncode < 0


def upload_round(ctx: Context, number: int) -> int:
    """Two uploads, the second of which repeats half of the first and holds a bad row; how many new events they are."""
    rows = [f"u{n % 3},i{n},2026-01-{1 + number % 28:02}T{number // 28:02}:00:{n:02},1" for n in range(30)]
    ctx.bucket.put(f"{ctx.keys.incoming_events}{number}-a.csv", events_csv(*rows[:20]))
    ctx.bucket.put(f"{ctx.keys.incoming_events}{number}-b.csv", events_csv(*rows[10:], "u,i,3000-01-01,1"))
    item = f"new{number},c,b,1,"
    ctx.bucket.put(f"{ctx.keys.incoming_items}{number}.csv", csv_of("item_id,category,brand,price,img_url", item))
    return len(rows)


@pytest.mark.s3
@pytest.mark.parametrize("kills", [1, pytest.param(50, marks=pytest.mark.slow(lane="faults"))])
def test_after_a_kill_the_next_call_has_counted_everything_once(
    context: Context, environment: dict[str, str], kills: int
) -> None:
    rng = random.Random(20261123)
    expected = upload_round(context, 0)
    started = time.monotonic()
    drain(context)
    patience_s = time.monotonic() - started
    rounds, killed = 1, 0
    while killed < kills:
        expected += upload_round(context, rounds)
        rounds += 1
        if drain_and_kill(environment, rng.uniform(0, patience_s)):
            killed += 1
        else:
            patience_s *= 0.9
        drain(context)
        assert keys_under(context, "incoming/") == []
        if rounds % 7 == 0:
            compact(context)
        document = context.store_file.read().document
        assert document is not None
        assert sum(segment.events for segment in document.segments) == expected
    rows = rows_of(context)
    assert len(rows) == len(set(rows)) == expected
    assert stored(context).counts.items == rounds
    reports = [key for key in keys_under(context, "quarantine/") if key.endswith(".json")]
    assert len(reports) == rounds
    assert [path.name for path in (context.settings.cache_dir / "work").iterdir()] == ["lock"]
