"""The reading of run records, also while a function writes them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final

from pydantic import ValidationError

from common.errors import UnavailableError
from common.schemas.documents import RunRecord, RunState, Upload
from common.usecases.shared.context import Context

POLL_S: Final = 0.25
OTHERS_S: Final = 3.0
"""How long a run that found nothing to do is not believed: the run that has taken the upload may still write its
record, which a short run does at its end."""

CLOCK_SKEW: Final = timedelta(minutes=5)
"""The largest expected difference between the clocks of the writing and the watching machine."""

Matches = Callable[[RunRecord], bool]


def of_upload(upload: Upload) -> Matches:
    """Selects the runs for this upload, by its key, which holds a hash of its content."""
    return lambda run: run.upload is not None and run.upload.key == upload.key


def of_function(name: str) -> Matches:
    return lambda run: run.function == name


def recent_runs(ctx: Context, limit: int) -> list[RunRecord]:
    """The newest `limit` runs, newest first, without records that this release cannot read."""
    keys = [info.key for info in ctx.bucket.list(ctx.keys.runs)]
    # Run ids start with their time, so the order of keys is the order of time.
    records = (_read(ctx, key) for key in reversed(keys[-limit:]))
    return [record for record in records if record is not None]


def last_run(ctx: Context, function: str, outcome: RunState) -> RunRecord | None:
    """The newest run of the function that ended so; None if there is none, or its record is gone."""
    blob = ctx.bucket.get(ctx.keys.last_run(function, outcome.value))
    return _read(ctx, ctx.keys.run(blob.data.decode(errors="replace"))) if blob else None


def follow(ctx: Context, matches: Matches, *, since: datetime, timeout_s: float) -> Iterator[RunRecord]:
    """Polls the newest matching run since `since` and yields its record each time, until the run has ended.

    Raises `UnavailableError` after `timeout_s` seconds; the work goes on, and `recsys status` shows it.
    """
    deadline = time.monotonic() + timeout_s
    idle_until: float | None = None
    while True:
        run = find_run(ctx, matches, since)
        if run is not None and _telling(run) == _IDLE:
            idle_until = idle_until or time.monotonic() + OTHERS_S
            if time.monotonic() < idle_until:
                run = None
        if run is not None:
            yield run
            if run.state is not RunState.RUNNING:
                return
        if time.monotonic() > deadline:
            raise UnavailableError(f"nothing had ended after {timeout_s:.0f} s; `recsys status` shows what goes on")
        time.sleep(POLL_S)


def find_run(ctx: Context, matches: Matches, since: datetime) -> RunRecord | None:
    """The newest matching run that started after `since` - `CLOCK_SKEW`, preferably one that has ended.

    A run that found nothing to do tells least: an upload's event may come twice, or after another run has taken it.
    """
    first = ctx.keys.run(f"{since - CLOCK_SKEW:%Y%m%dT%H%M%SZ}")
    keys = [info.key for info in ctx.bucket.list(ctx.keys.runs) if info.key >= first]
    found = [run for key in reversed(keys) if (run := _read(ctx, key)) is not None and matches(run)]
    return min(found, key=_telling, default=None)


_IDLE: Final = 2


def _telling(run: RunRecord) -> int:
    """What the run tells of an upload, the most first: how it ended, that it is under way, or nothing."""
    if run.state is RunState.RUNNING:
        return 1
    return 0 if run.counts or run.state is not RunState.DONE else _IDLE


def _read(ctx: Context, key: str) -> RunRecord | None:
    blob = ctx.bucket.get(key)
    if blob is None:
        return None
    try:
        return RunRecord.model_validate_json(blob.data)
    except ValidationError:
        return None


def describe_failure(run: RunRecord) -> str:
    error = run.error or {}
    return error.get("message", f"run {run.run_id} ended as {run.state}")
