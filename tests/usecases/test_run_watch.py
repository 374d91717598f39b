"""What is told of an upload that two runs met: by the run that has taken it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from common.schemas.documents import RunRecord, RunState, Upload
from common.usecases.shared import run_watch
from common.usecases.shared.context import Context
from common.usecases.shared.run_watch import find_run, follow, of_upload
from common.usecases.shared.runs import RunLog, start_run
from tests.later import later
from tests.memory import memory_context

UPLOAD = Upload(key="incoming/events/a.csv", etag="1")


def taken(run: RunLog) -> RunRecord:
    return run.finish(counts={"rows_read": 1})


def gone(run: RunLog) -> RunRecord:
    return run.finish(notices=["it is gone"])


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    return memory_context(tmp_path)


@pytest.mark.parametrize("first", [taken, gone])
def test_the_run_that_has_taken_an_upload_tells_of_it(ctx: Context, first: object) -> None:
    since = ctx.now()
    newer = later(ctx, timedelta(minutes=1))  # runs that began in one second are in no order
    with start_run(ctx, "ingest", UPLOAD) as one, start_run(newer, "ingest", UPLOAD) as other:
        ends = (taken, gone) if first is taken else (gone, taken)
        for run, end in zip((one, other), ends, strict=True):
            end(run)
    found = find_run(ctx, of_upload(UPLOAD), since)
    assert found is not None
    assert found.counts == {"rows_read": 1}


def test_a_run_that_found_nothing_is_not_believed_while_another_is_under_way(ctx: Context) -> None:
    since = ctx.now()
    with start_run(ctx, "ingest", UPLOAD) as working, start_run(ctx, "ingest", UPLOAD) as late:
        gone(late)
        states = follow(ctx, of_upload(UPLOAD), since=since, timeout_s=5)
        assert next(states).state is RunState.RUNNING
        taken(working)
        assert [run.counts for run in states] == [{"rows_read": 1}]


def test_what_nobody_has_taken_ends_too(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_watch, "OTHERS_S", 0.0)
    since = ctx.now()
    with start_run(ctx, "ingest", UPLOAD) as late:
        gone(late)
    [record] = follow(ctx, of_upload(UPLOAD), since=since, timeout_s=5)
    assert record.notices == ("it is gone",)
