"""What a run leaves in the log."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from common import logs
from common.bucket.crash_marks import CrashMarks
from common.errors import CorruptError, RefusedError
from common.usecases.shared.runs import start_run
from tests.memory import memory_context

pytestmark = pytest.mark.usefixtures("fresh_logs")


def test_every_line_within_a_run_names_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("recsys")
    elsewhere = logging.getLogger("common.test")
    with start_run(memory_context(tmp_path), "ingest") as run:
        logs.event(elsewhere, logging.INFO, "within")
        record = run.refuse(RefusedError("it names nobody"))
    logs.event(elsewhere, logging.INFO, "after")
    within, end, after = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert within["run_id"] == end["run_id"] == record.run_id
    assert (end["event"], end["function"], end["state"]) == ("run", "ingest", "refused")
    assert end["error"]["message"] == "it names nobody"
    assert "run_id" not in after


def test_a_run_that_fails_is_logged_under_its_id(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("recsys")
    with pytest.raises(ZeroDivisionError), start_run(memory_context(tmp_path), "train") as run:
        raise ZeroDivisionError
    [line] = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (line["run_id"], line["state"]) == (run.record.run_id, "failed")


@pytest.mark.parametrize(
    ("error", "marks"),
    [
        (CorruptError("a segment is damaged"), ["update: CorruptError"]),
        (ValueError("no such block"), ["update: ValueError"]),
        (RefusedError("it names nobody"), []),
    ],
)
def test_a_run_that_ends_on_damage_has_the_next_read_every_file_whole(
    tmp_path: Path, error: Exception, marks: list[str]
) -> None:
    ctx = memory_context(tmp_path)
    with pytest.raises(type(error)), start_run(ctx, "update"):
        raise error
    assert CrashMarks(tmp_path / "cache").take() == marks
