from __future__ import annotations

from pathlib import Path

import pytest

from common import memory_limit

MIB = 1 << 20


@pytest.mark.parametrize(("text", "limited"), [(f"{300 * MIB}\n", True), ("max\n", False), (f"{1 << 62}\n", False)])
def test_the_limit_of_a_container_counts_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, limited: bool
) -> None:
    monkeypatch.setattr(memory_limit, "_LIMITS", (tmp_path / "not there",))
    machine = memory_limit.usable_memory()
    (tmp_path / "limit").write_text(text)
    monkeypatch.setattr(memory_limit, "_LIMITS", (tmp_path / "not there", tmp_path / "limit"))
    assert memory_limit.usable_memory() == (300 * MIB if limited else machine)
