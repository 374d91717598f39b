"""A log line is one JSON object that a machine can read."""

from __future__ import annotations

import json
import logging

import pytest

from common import logs


@pytest.fixture(autouse=True)
def _restore() -> object:
    logger = logging.getLogger("common")
    kept = (list(logger.handlers), logger.level, logger.propagate)
    yield
    logger.handlers[:], logger.propagate = kept[0], kept[2]
    logger.setLevel(kept[1])


def test_a_line_carries_its_fields_and_its_error(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("ingest")
    logs.configure("ingest")
    logger = logging.getLogger("common.test")
    logs.event(logger, logging.INFO, "run", run_id="r1", counts={"rows_read": 3})
    try:
        raise ValueError("broken")
    except ValueError:
        logger.exception("failed")
    first, second = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert first["function"] == "ingest"
    assert (first["event"], first["run_id"], first["counts"]) == ("run", "r1", {"rows_read": 3})
    assert second["level"] == "error"
    assert "ValueError: broken" in second["error"]


def test_lines_carry_what_is_bound_around_them(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("ingest")
    logger = logging.getLogger("common.test")
    with logs.bound(request_id="q1"):
        with logs.bound(run_id="r1"):
            logs.event(logger, logging.INFO, "inner", state="done")
        logs.event(logger, logging.INFO, "outer")
    logs.event(logger, logging.INFO, "after")
    inner, outer, after = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (inner["request_id"], inner["run_id"], inner["state"]) == ("q1", "r1", "done")
    assert outer["request_id"] == "q1"
    assert "run_id" not in outer
    assert "request_id" not in after


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("train", level="warning")
    logs.event(logging.getLogger("common.test"), logging.INFO, "quiet")
    assert capsys.readouterr().err == ""
