"""The figures and reports of earlier runs, as a later one finds them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from common.usecases.shared.report_files import METRICS_FILE, figures_before
from tests.memory import memory_context

BEFORE, NOW = "20260101T020000Z-00", "20260102T020000Z-00"


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"{"])
def test_damaged_figures_of_the_run_before_are_as_good_as_none(tmp_path: Path, content: bytes) -> None:
    ctx = memory_context(tmp_path)
    ctx.bucket.put(ctx.keys.model_file(BEFORE, METRICS_FILE), content)
    assert figures_before(ctx, NOW) is None


def test_the_figures_of_the_newest_run_before_are_found(tmp_path: Path) -> None:
    ctx = memory_context(tmp_path)
    for version in (BEFORE, NOW, "20260103T020000Z-00"):
        ctx.bucket.put(ctx.keys.model_file(version, METRICS_FILE), json.dumps({"data": version}).encode())
    assert figures_before(ctx, NOW) == {"data": BEFORE}
    assert figures_before(ctx, BEFORE) is None
